"""A trace file while it is read: unpacked by its content, its failures explained in one line."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pyarrow as pa

from sim_core.errors import TraceError
from sim_core.limits import limits
from sim_core.regular_file import open_regular
from traces.room import Room
from traces.unreadable import not_utf8, packing

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

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

    def room(self) -> Room:
        """What the file may become. OSError when there is no file."""
        return Room(self.label, self.path.stat().st_size)

    def head(self) -> bytes:
        """The first bytes, unpacked: at most HEAD_BYTES. TraceError when they cannot be read."""
        with self.open(watched=False) as stream:
            return stream.read(HEAD_BYTES)

    @contextmanager
    def open(self, watched: bool = True) -> Iterator[BinaryIO]:
        """The unpacked bytes; seekable if the file is not packed. TraceError for failures while they are read, for what
        is no regular file, and for a file that expands to more than there is room for."""
        codec = ""
        try:
            with open_regular(self.path) as file:
                size = os.fstat(file.fileno()).st_size
                if size > limits().trace_bytes:
                    raise TraceError(limits().too_much("trace_bytes", size, "bytes"), source=self.label)
                codec = packing(file.peek(4)[:4])
                stream = self.watch(cast(BinaryIO, file)) if watched else cast(BinaryIO, file)
                if codec:
                    unpacked = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), codec)
                    counted = _Counted(unpacked, Room(self.label, size))
                    stream = cast(BinaryIO, io.BufferedReader(counted, BUFFER_BYTES))
                yield stream
        except UnicodeDecodeError as error:
            raise TraceError(not_utf8(error), source=self.label) from error
        except MemoryError as error:
            raise TraceError("cannot be read: it needs more memory than there is", source=self.label) from error
        except OSError as error:
            reason = error.strerror or str(error)
            if codec and error.errno is None:  # Arrow says so of wrong bytes, and of an end that comes too early
                reason = f"the {PACKED[codec]} file is damaged or cut short"
            raise TraceError(f"cannot be read: {reason}", source=self.label) from error


class _Counted(io.RawIOBase):
    """Unpacked bytes. TraceError as soon as there are more of them than there is room for."""

    def __init__(self, unpacked: Any, room: Room) -> None:
        self._unpacked, self._room, self._count, self._most = unpacked, room, 0, room.most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        count = int(self._unpacked.readinto(buffer))
        self._count += count
        if self._count > self._most:
            raise self._room.error(self._most, "when it is unpacked")
        return count

    def close(self) -> None:
        self._unpacked.close()
        super().close()
