"""A trace file on its way in: unpacked by its content, counted for a progress bar, its failures said in one line."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from sim_core.errors import TraceError
from traces.unreadable import not_utf8, packing

HEAD_BYTES = 1 << 16
BUFFER_BYTES = 1 << 18


def _nobody(_: int) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Source:
    """`shown` is how messages call the file (its path if empty); `on_bytes` is told of bytes read, as on disk."""

    path: Path
    shown: str = ""
    on_bytes: Callable[[int], None] = field(default=_nobody)

    @property
    def label(self) -> str:
        """For messages."""
        return self.shown or str(self.path)

    def packed(self) -> str:
        """`gzip`, `zstd`, or nothing, as the first bytes say. TraceError when the file cannot be read."""
        with self.failures_explained(), self.path.open("rb") as file:
            return packing(file.read(4))

    def head(self) -> bytes:
        """The first bytes, unpacked: at most HEAD_BYTES. TraceError when they cannot be read."""
        with self.failures_explained(), self._stream(counted=False) as stream:
            parts: list[bytes] = []
            while (left := HEAD_BYTES - sum(map(len, parts))) and (part := stream.read(left)):
                parts.append(part)
            return b"".join(parts)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The unpacked bytes, from the beginning. TraceError for what goes wrong while they are read."""
        with self.failures_explained(), self._stream(counted=True) as stream:
            yield stream

    @contextmanager
    def _stream(self, counted: bool) -> Iterator[BinaryIO]:
        with self.path.open("rb", buffering=0) as file:
            counting = _Counting(file, self.on_bytes if counted else _nobody)
            with io.BufferedReader(counting, BUFFER_BYTES) as raw:
                packed = packing(raw.peek(4)[:4])
                if packed == "gzip":
                    with gzip.GzipFile(fileobj=raw) as unpacked:
                        yield cast(BinaryIO, unpacked)
                elif packed == "zstd":
                    yield cast(BinaryIO, io.BufferedReader(_Unzstd(cast(BinaryIO, raw)), BUFFER_BYTES))
                else:
                    yield raw

    @contextmanager
    def failures_explained(self) -> Iterator[None]:
        """Turns what opening, unpacking and decoding raise into a TraceError of one line."""
        try:
            yield
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TraceError("cannot be read: the gzipped file is damaged or cut short", source=self.label) from error
        except _DamagedZstd as error:
            raise TraceError("cannot be read: the zstd file is damaged or cut short", source=self.label) from error
        except UnicodeDecodeError as error:
            raise TraceError(not_utf8(error), source=self.label) from error
        except OSError as error:
            raise TraceError(f"cannot be read: {error.strerror or error}", source=self.label) from error


class _Counting(io.RawIOBase):
    def __init__(self, file: io.FileIO, on_bytes: Callable[[int], None]) -> None:
        self._file, self._on_bytes = file, on_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer) or 0
        if count:
            self._on_bytes(count)
        return count


class _DamagedZstd(Exception):
    pass


class _Unzstd(io.RawIOBase):
    """Unpacks zstd by Arrow (Python 3.11 has no such module)."""

    def __init__(self, raw: BinaryIO) -> None:
        self._packed = _Ending(raw)
        self._stream = pa.CompressedInputStream(pa.PythonFile(self._packed, mode="r"), "zstd")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except OSError as error:  # Arrow's word for a bad frame, and for one that ends too early
            raise _DamagedZstd(str(error)) from error
        buffer[: len(data)] = data
        return len(data)


class _Ending:
    """What pa.PythonFile asks of a file."""

    closed = False

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw

    def read(self, size: int) -> bytes:
        return self._raw.read(size)

    def close(self) -> None:
        self.closed = True
