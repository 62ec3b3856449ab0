"""What a file's first bytes tell: how it is packed, and, if it cannot be a trace as it is, what to do about it."""

from __future__ import annotations

import codecs

GZIP_MAGIC, ZSTD_MAGIC = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"  # readers unpack these
UTF8_HINT = "convert it to UTF-8: iconv -f {} -t UTF-8 FILE > NEW"
# UTF-32 first: its mark begins with UTF-16's.
MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
UNICODE = "is not UTF-8 text{} but {}, as Windows tools write it; " + UTF8_HINT + ", or save it as UTF-8"
BEGINNINGS = {
    b"PK\x03\x04": "is a zip archive or an Excel workbook; unpack it, or save the sheet as CSV UTF-8",
    b"BZh": "is packed by bzip2; unpack it: bunzip2 FILE",
    b"\xfd7zXZ\x00": "is packed by xz; unpack it: unxz FILE",
    b"\x04\x22\x4d\x18": "is packed by lz4; unpack it: lz4 -d FILE",
    b"7z\xbc\xaf\x27\x1c": "is a 7-Zip archive; unpack it",
    b"version https://git-lfs": "is a pointer of Git LFS, not the file itself; fetch that: git lfs pull",
    GZIP_MAGIC: "is packed twice, by gzip inside; unpack it once: gunzip FILE",
    ZSTD_MAGIC: "is packed twice, by zstd inside; unpack it once: unzstd FILE",
    b"<": "is a web page (HTML) or XML, not the file itself; download the raw file",
    b"[": "is one JSON array; it must be one JSON object a line: jq -c '.[]' FILE > NEW",
}
SEPARATORS = {";": "';'", "\t": "a tab", "|": "'|'"}
NUL_SHARE = 0.9  # of every other byte of English text in UTF-16
LOOKED_AT = 200  # bytes
SHOWN_BYTES = 8  # of a binary file
CONTROL = frozenset(range(32)) - set(b"\t\n\r\f\x1b")  # bytes that no text has


def packing(head: bytes) -> str:
    """How a file that begins with these bytes is packed: `gzip`, `zstd`, or empty for not at all."""
    if head.startswith(GZIP_MAGIC):
        return "gzip"
    return "zstd" if head.startswith(ZSTD_MAGIC) else ""


def text_start(head: bytes) -> bytes:
    """A file's first bytes (unpacked) without UTF-8's byte-order mark and the blanks before its text."""
    return head.removeprefix(codecs.BOM_UTF8).lstrip()


def why_unreadable(head: bytes) -> str:
    """Why a file that begins with these unpacked bytes cannot be a trace; empty if it may be one."""
    for mark, name in MARKS.items():
        if head.startswith(mark):
            return UNICODE.format(f" (byte 0x{head[0]:02x})", name, name)
    if order := _utf16_without_mark(head):
        return UNICODE.format("", "UTF-16", order)
    start = text_start(head)
    return next((reason for beginning, reason in BEGINNINGS.items() if start.startswith(beginning)), "")


def why_unknown(head: bytes, columns: set[str]) -> str:
    """Why no format recognises a file that begins with these bytes, if that is known; `columns` are all formats'."""
    if CONTROL & set(head[:LOOKED_AT]):
        return f"is a binary file, not text; its first bytes are {head[:SHOWN_BYTES].hex(' ')}"
    if b"\r" in head and b"\n" not in head:
        return "has lines that end in a carriage return alone; convert them: tr '\\r' '\\n' < FILE > NEW"
    line = head.split(b"\n", 1)[0]
    for separator, name in SEPARATORS.items():
        cells = {cell.strip() for cell in line.decode("utf-8", "replace").lstrip("\ufeff").split(separator)}
        if len(columns & {cell.strip('"') for cell in cells}) > 1:
            return f"has its cells separated by {name}; it must be a comma"
    try:
        codecs.getincrementaldecoder("utf-8")().decode(line)
    except UnicodeDecodeError as error:
        return not_utf8(error)
    return ""


def not_utf8(error: UnicodeDecodeError) -> str:
    """The reason in a message about bytes that are not UTF-8."""
    byte = error.object[error.start]
    return f"is not UTF-8 text (byte 0x{byte:02x}); if it is Latin-1, {UTF8_HINT.format('WINDOWS-1252')}"


def _utf16_without_mark(head: bytes) -> str:
    """iconv's name of the byte order, if every other byte of the beginning is NUL."""
    start = head[:LOOKED_AT]
    even, odd = start[::2], start[1::2]
    if not odd:
        return ""
    shares = even.count(0) / len(even), odd.count(0) / len(odd)
    if shares[1] > NUL_SHARE and not shares[0]:
        return "UTF-16LE"
    if shares[0] > NUL_SHARE and not shares[1]:
        return "UTF-16BE"
    return ""
