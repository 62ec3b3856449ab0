"""Files that are no trace as they are: one line says what they are and what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pytest

from tests.traces.examples import SAMPLES
from tests.traces.reads import refusal
from traces.__main__ import main
from traces.reading import read_trace

TEXT = [name for name in SAMPLES if name != "parquet"]
CSV = [name for name in TEXT if SAMPLES[name].suffix == ".csv"]


def refused(folder: Path, content: bytes, **options: object) -> str:
    path = folder / "t.csv"
    path.write_bytes(content)
    told = refusal(path, **options)
    assert "\0" not in told
    return told


@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize("forced", [False, True])
@pytest.mark.parametrize(
    ("encoding", "mark", "said"),
    [
        ("utf-16-le", b"\xff\xfe", "(byte 0xff) but UTF-16"),
        ("utf-16-be", b"\xfe\xff", "(byte 0xfe) but UTF-16"),
        ("utf-16-le", b"", "but UTF-16"),
        ("utf-16-be", b"", "but UTF-16"),
        ("utf-32-le", b"\xff\xfe\0\0", "(byte 0xff) but UTF-32"),
        ("utf-32-be", b"\0\0\xfe\xff", "(byte 0x00) but UTF-32"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_text_in_another_unicode_encoding_is_named_with_the_way_to_convert_it(
    name: str, forced: bool, encoding: str, mark: bytes, said: str, pack: type[bytes], tmp_path: Path
) -> None:
    content = pack(mark + SAMPLES[name].content.decode().encode(encoding))
    text = refused(tmp_path, content, format=name if forced else None)
    assert text.startswith(
        f"t.csv: is not UTF-8 text {said}, as Windows tools write it; convert it to UTF-8: iconv -f "
    )


@pytest.mark.parametrize("name", TEXT)
def test_a_mark_of_utf_8_is_no_fault(name: str, tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(b"\xef\xbb\xbf" + SAMPLES[name].content)
    trace, _ = read_trace(path)
    assert trace.prompt_tokens.tolist() == SAMPLES[name].prompt_tokens


def test_latin_1_is_named_with_the_way_to_convert_it(tmp_path: Path) -> None:
    in_a_cell = SAMPLES["burstgpt"].content.replace(b"GPT-4,1779", "modèle,1779".encode("latin-1"))
    in_a_header = SAMPLES["burstgpt"].content.replace(b"Log Type", "Catégorie".encode("latin-1"))
    in_json = SAMPLES["mooncake"].content.replace(b'"timestamp": 3', '"ü": 0, "timestamp": 3'.encode("latin-1"))
    for content, byte in ((in_a_cell, "e8"), (in_a_header, "e9"), (in_json, "fc")):
        text = refused(tmp_path, content)
        assert f"is not UTF-8 text (byte 0x{byte}); if it is Latin-1, convert it to UTF-8: iconv -f WINDOWS" in text


def _zip(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("trace.csv", content)
    return stream.getvalue()


PLAIN = SAMPLES["splitwise"].content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (_zip(PLAIN), "is a zip archive or an Excel workbook; unpack it"),
        (bz2.compress(PLAIN), "is packed by bzip2; unpack it: bunzip2 FILE"),
        (lzma.compress(PLAIN), "is packed by xz; unpack it: unxz FILE"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n",
            "is a pointer of Git LFS, not the",
        ),
        (b"\n<!DOCTYPE html>\n<html>", "is a web page (HTML) or XML, not the file itself; download the raw file"),
        (b'[{"timestamp": 0, "input_length": 1, "output_length": 1}]', "is one JSON array; it must be one JSON object"),
        (PLAIN.replace(b",", b";"), "has its cells separated by ';'; it must be a comma"),
        (PLAIN.replace(b",", b"\t"), "has its cells separated by a tab; it must be a comma"),
        (b"\x1f\x8b" + b"x" * 50, "cannot be read: the gzipped file is damaged or cut short"),
        (b"\x1f\x8b", "cannot be read: the gzipped file is damaged or cut short"),
        (b"\x28\xb5\x2f\xfd" + b"x" * 50, "cannot be read: the zstd file is damaged or cut short"),
    ],
)
def test_a_file_that_is_no_trace_as_it_is_says_what_to_do(content: bytes, said: str, tmp_path: Path) -> None:
    assert refused(tmp_path, content).startswith(f"t.csv: {said}")


def test_a_plain_file_may_have_the_name_of_a_packed_one(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(PLAIN)
    assert len(read_trace(path)[0]) == 2


def test_the_command_line_says_it_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(PLAIN.decode().encode("utf-16"))
    assert main(["describe", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"error: {path}: is not UTF-8 text (byte 0xff) but UTF-16")
