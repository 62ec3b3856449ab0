"""A trace file while it is read: unpacked by its content, its failures explained in one line."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from sim_core.errors import TraceError
from traces.unreadable import not_utf8, packing

HEAD_BYTES = 1 << 16
BUFFER_BYTES = 1 << 18
PACKED = {"gzip": "gzipped", "zstd": "zstd"}  # names in messages


@dataclass(frozen=True, slots=True)
class TraceFile:
    """`shown` is the file's name in messages (its path if empty); `watch` wraps the opened file for a progress bar."""

    path: Path
    shown: str = ""
    watch: Callable[[BinaryIO], BinaryIO] = lambda file: file

    @property
    def label(self) -> str:
        """The file's name in messages."""
        return self.shown or str(self.path)

    def head(self) -> bytes:
        """The first bytes, unpacked: at most HEAD_BYTES. TraceError when they cannot be read."""
        with self.open(watched=False) as stream:
            return stream.read(HEAD_BYTES)

    @contextmanager
    def open(self, watched: bool = True) -> Iterator[BinaryIO]:
        """The unpacked bytes; seekable if the file is not packed. TraceError for failures while they are read."""
        codec = ""
        try:
            with self.path.open("rb") as file:
                codec = packing(file.peek(4)[:4])
                stream = self.watch(cast(BinaryIO, file)) if watched else cast(BinaryIO, file)
                if codec:
                    unpacked = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), codec)
                    stream = cast(BinaryIO, io.BufferedReader(unpacked, BUFFER_BYTES))
                yield stream
        except UnicodeDecodeError as error:
            raise TraceError(not_utf8(error), source=self.label) from error
        except OSError as error:
            reason = error.strerror or str(error)
            if codec and error.errno is None:  # Arrow says so of wrong bytes, and of an end that comes too early
                reason = f"the {PACKED[codec]} file is damaged or cut short"
            raise TraceError(f"cannot be read: {reason}", source=self.label) from error
