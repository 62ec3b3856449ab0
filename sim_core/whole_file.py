"""Files that are written completely or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def partial_of(path: Path) -> Path:
    """A new name beside `path`, for what is to replace it."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")


@contextmanager
def replacing(path: Path, *, durable: bool = True, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A file that replaces `path` when the block ends without an error, and is removed otherwise. Raises OSError.

    Concurrent writers do not disturb each other. `durable`: the contents survive a crash of the machine. `mode`: the
    file's permissions, less those that the process's umask takes. A link at `path` is replaced, and not followed.
    """
    partial = partial_of(path)
    try:
        # O_EXCL: a new file, and never one that a link leads to
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(partial, flags, mode), "wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
