"""Opens regular files alone: a device may have no end, and opening a named pipe may wait for ever."""

from __future__ import annotations

import os
from errno import EINVAL
from pathlib import Path
from stat import S_ISBLK, S_ISCHR, S_ISDIR, S_ISFIFO, S_ISREG, S_ISSOCK
from typing import TYPE_CHECKING

from sim_core.limits import limits

if TYPE_CHECKING:
    from io import BufferedReader

_KINDS = {
    "a folder": S_ISDIR,
    "a named pipe": S_ISFIFO,
    "a device": S_ISCHR,
    "a block device": S_ISBLK,
    "a socket": S_ISSOCK,
}


# O_NONBLOCK: opening a named pipe would wait for a writer; it changes nothing for a regular file.
_ALWAYS = (
    getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
)


class IrregularFile(OSError):
    """What a path names is no regular file; `strerror` says what it is."""


class TooLarge(OSError):
    """A file has more bytes than its limit; `strerror` says the limit and the option that raises it."""


def open_regular(path: Path) -> BufferedReader:
    """The file, opened for reading. Raises OSError, also for what is no regular file."""
    return os.fdopen(open_descriptor(path)[0], "rb")


def open_descriptor(path: Path, flags: int = os.O_RDONLY, mode: int = 0o666) -> tuple[int, int]:
    """The descriptor of a regular file, and its size; `flags` and `mode` as `os.open` takes them. Raises as
    `open_regular`."""
    try:
        descriptor = os.open(path, flags | _ALWAYS, mode)
    except OSError as error:
        if why := not_regular(path):  # such as a socket, which cannot be opened at all
            raise IrregularFile(EINVAL, why, str(path)) from error
        raise
    status = os.fstat(descriptor)
    if S_ISREG(status.st_mode):
        return descriptor, status.st_size
    os.close(descriptor)
    raise IrregularFile(EINVAL, _reason(status.st_mode), str(path))


def not_regular(path: Path) -> str:
    """Why the path is no regular file; empty if it is one, or if there is nothing."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return ""
    return "" if S_ISREG(mode) else _reason(mode)


def read_bytes(path: Path, limit: str, flags: int = os.O_RDONLY) -> bytes:
    """All bytes of a regular file. Raises OSError, also where it has more bytes than the limit called `limit`."""
    most = getattr(limits(), limit)
    descriptor, size = open_descriptor(path, flags)
    try:
        check_size(path, size, limit)
        content = os.read(descriptor, size + 1)
        if len(content) == size and size:
            return content
        # a file that grows, a read in parts, or a file of /proc, which has the size 0
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content += file.read(most + 1 - len(content))
    finally:
        os.close(descriptor)
    check_size(path, len(content), limit)
    return content


def check_size(path: Path, found_bytes: int, limit: str) -> None:
    """Raise TooLarge for more bytes than the limit called `limit`."""
    if found_bytes > getattr(limits(), limit):
        raise TooLarge(EINVAL, limits().too_much(limit, found_bytes, "bytes"), str(path))


def _reason(mode: int) -> str:
    kind = next((name for name, is_kind in _KINDS.items() if is_kind(mode)), "no file")
    return f"it is {kind}; only regular files are read"
