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


class IrregularFile(OSError):
    """What a path names is no regular file; `strerror` says what it is."""


class TooLarge(OSError):
    """A file has more bytes than its limit; `strerror` says the limit and the option that raises it."""


def open_regular(path: Path) -> BufferedReader:
    """The file, opened for reading. Raises OSError, also for what is no regular file."""
    # O_NONBLOCK: opening a named pipe would wait for a writer; it changes nothing for a regular file.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        if why := not_regular(path):  # such as a socket, which cannot be opened at all
            raise IrregularFile(EINVAL, why, str(path)) from error
        raise
    try:
        mode = os.fstat(descriptor).st_mode
        if not S_ISREG(mode):
            raise IrregularFile(EINVAL, _reason(mode), str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def not_regular(path: Path) -> str:
    """Why the path is no regular file; empty if it is one, or if there is nothing."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return ""
    return "" if S_ISREG(mode) else _reason(mode)


def read_bytes(path: Path, limit: str) -> bytes:
    """All bytes of a regular file. Raises OSError, also where it has more bytes than the limit called `limit`."""
    most = getattr(limits(), limit)
    with open_regular(path) as file:
        found = os.fstat(file.fileno()).st_size
        content = file.read(most + 1) if found <= most else b""  # a file of /proc has the size 0
    if max(found, len(content)) > most:
        raise TooLarge(EINVAL, limits().too_much(limit, max(found, len(content)), "bytes"), str(path))
    return content


def _reason(mode: int) -> str:
    kind = next((name for name, is_kind in _KINDS.items() if is_kind(mode)), "no file")
    return f"it is {kind}; only regular files are read"
