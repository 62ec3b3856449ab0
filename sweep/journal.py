"""What is finished, on disk, before anything else hears of it.

    FOLDER/sweep.json                   the sweep's own facts and the keys of its points
    FOLDER/points/KEY.json              one outcome, everything but its per-request table
    FOLDER/points/KEY.parquet           that table
    FOLDER/lock                         held by the one sweep that writes here

Files appear whole or not at all: written under a temporary name, synced to disk, renamed. The JSON file comes last
and holds the table's SHA-256, so an entry counts only if both are there and sound.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from sim_core.errors import SimError
from sweep.point import Outcome, SweepInfo

FORMAT = 1
_TEMPORARY = ".tmp"


class JournalError(SimError):
    """The journal cannot be used: another sweep is writing to it, or the disk does not take it."""


class JournalWarning(UserWarning):
    """An entry that is not what was once written; its point is run again."""


class Journal:
    """The outcomes of the sweeps of one name. Reading needs no lock; writing needs the journal to be entered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._points = folder / "points"
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        """Take the lock. Raises JournalError when another sweep has it, or when the folder cannot be written."""
        try:
            self._points.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("a+", encoding="utf-8")  # held until __exit__
        except OSError as error:
            raise JournalError(f"{self.folder}: {error.strerror or error}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise JournalError(
                f"{self.folder}: another sweep (process {holder}) is writing here;"
                " wait for it, or choose another --results folder"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        self._remove_temporary_files()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.close()  # the system drops the lock with the file, also when the process is killed
            self._lock = None

    def write_sweep(self, info: SweepInfo, keys: Sequence[str]) -> None:
        """Keep the facts of the sweep under way. Raises JournalError."""
        self._write(self.folder / "sweep.json", _json_bytes({"format": FORMAT, **asdict(info), "keys": list(keys)}))

    def write(self, outcome: Outcome) -> None:
        """Keep an outcome; returns once it is safe. Raises JournalError, such as for a full disk."""
        if outcome.requests_parquet:
            self._write(self._points / f"{outcome.key}.parquet", outcome.requests_parquet)
        entry = {
            "format": FORMAT,
            "parquet_bytes": len(outcome.requests_parquet),
            "parquet_sha256": hashlib.sha256(outcome.requests_parquet).hexdigest(),
            "outcome": outcome.to_json_dict(),
        }
        self._write(self._points / f"{outcome.key}.json", _json_bytes(entry))

    def read(self, key: str) -> Outcome | None:
        """The outcome kept under a key, or None: never finished, or not sound any more (a JournalWarning says so)."""
        path = self._points / f"{key}.json"
        try:
            entry = json.loads(path.read_bytes())
            outcome = self._checked(key, entry)
        except FileNotFoundError as error:
            if error.filename == str(path):
                return None
            _warn_ignored(path, "its table is missing")
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _warn_ignored(path, str(error))
            return None
        return outcome

    def _checked(self, key: str, entry: dict[str, Any]) -> Outcome:
        if entry["format"] != FORMAT:
            raise ValueError(f"format {entry['format']!r}, not {FORMAT}")
        table = (self._points / f"{key}.parquet").read_bytes() if entry["parquet_bytes"] else b""
        if hashlib.sha256(table).hexdigest() != entry["parquet_sha256"]:
            raise ValueError("its table is not the one that was written")
        outcome = Outcome.from_json_dict(entry["outcome"], table)
        if outcome.key != key:
            raise ValueError("it holds another point")
        return outcome

    def _write(self, path: Path, content: bytes) -> None:
        temporary = path.with_name(path.name + _TEMPORARY)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            reason = error.strerror or str(error)
            raise JournalError(
                f"{path}: {reason}; what was finished before is safe, the same command goes on from there"
            ) from error

    def _remove_temporary_files(self) -> None:
        for path in [*self.folder.glob(f"*{_TEMPORARY}"), *self._points.glob(f"*{_TEMPORARY}")]:
            path.unlink(missing_ok=True)


def _warn_ignored(path: Path, reason: str) -> None:
    warnings.warn(f"{path}: ignored, and its point run again: {reason}", JournalWarning, stacklevel=4)


def _json_bytes(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
