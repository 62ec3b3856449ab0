"""What is finished, on disk, before anything else hears of it.

    FOLDER/sweep.json                   the sweep's own facts and the keys of its points
    FOLDER/points/KEY.json              one outcome, everything but its per-request table
    FOLDER/points/KEY.parquet           that table
    FOLDER/lock                         held by the one sweep that writes here
    FOLDER/status.json                  how that sweep is doing, every few seconds
    FOLDER/earlier/TIME/                what --fresh has set aside: points and sweep.json as they were

Files appear whole or not at all: written under a temporary name, synced to disk, renamed. The JSON file comes last
and holds the SHA-256 of the table and of itself, so an entry counts only if both are there and as they were written.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from sim_core.errors import SimError
from sync.results.outcome import Outcome, SweepInfo, checksum
from sync.results.sources import FACTS

FORMAT = 2
_TEMPORARY = ".tmp"
_ATTEMPTS, _PAUSE_S = 4, 0.1


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
            _lock(lock)
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

    def has_sweep(self) -> bool:
        """Whether the facts of a sweep are kept."""
        return (self.folder / "sweep.json").exists()

    def write_sweep(
        self,
        info: SweepInfo,
        keys: Sequence[str],
        facts: Mapping[str, Mapping[str, Any]],
        is_same: Callable[[str, str], bool],
    ) -> None:
        """Keep the facts of the sweep under way, and which other points earlier starts of the same experiment asked
        for. `facts` describe the points by key as the experiment has them now: readers take these, and not those of
        the start that ran a point. `is_same` tells whether two texts are the same experiment. Raises JournalError."""
        earlier, known = self._earlier(info, keys, is_same)
        contents = {"format": FORMAT, **info.to_json_dict(), "keys": list(keys), "earlier_keys": earlier}
        self._write(self.folder / "sweep.json", _json_bytes({**contents, FACTS: {**known, **facts}}))

    def _earlier(
        self, info: SweepInfo, keys: Sequence[str], is_same: Callable[[str, str], bool]
    ) -> tuple[list[str], dict[str, Any]]:
        """The keys that earlier starts of the same experiment asked for beside `keys`, and what is known of them."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            before = json.loads((self.folder / "sweep.json").read_bytes())
            if is_same(str(before["experiment_text"]), info.experiment_text):
                asked_for = map(str, [*before["keys"], *before.get("earlier_keys", [])])
                left = sorted(set(asked_for) - set(keys))
                known = before.get(FACTS, {})
                return left, {key: known[key] for key in left if key in known}
        return [], {}

    def set_aside(self) -> None:
        """Start over without deleting: move what is kept to a folder of its own. Raises JournalError."""
        if not any(self._points.iterdir()):
            return
        time_text = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
        place = self.folder / "earlier" / time_text
        try:
            place.mkdir(parents=True)
            with suppress(FileNotFoundError):
                (self.folder / "sweep.json").rename(place / "sweep.json")
            self._points.rename(place / "points")
            self._points.mkdir()
        except OSError as error:
            raise JournalError(f"{place}: {error.strerror or error}") from error

    def note_status(self, status: Mapping[str, Any]) -> None:
        """Leave word of how the sweep is doing, for `python -m sweep status`; nothing is raised where that fails."""
        path = self.folder / "status.json"
        temporary = path.with_name(path.name + _TEMPORARY)
        with suppress(OSError):
            temporary.write_bytes(_json_bytes(status))
            temporary.replace(path)

    def status(self) -> dict[str, Any]:
        """The latest word; empty where there is none."""
        try:
            told = json.loads((self.folder / "status.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def holder(self) -> str | None:
        """The process that writes here at this moment; None: nobody does."""
        try:
            with (self.folder / "lock").open("r", encoding="utf-8") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    return lock.read().strip() or "unknown"
        except OSError:
            pass
        return None

    def write(self, outcome: Outcome) -> None:
        """Keep an outcome; returns once it is safe. Raises JournalError, such as for a full disk."""
        if outcome.requests_parquet:
            # its name need not be safe before the entry's is: an entry without its table does not count
            self._write(self._points / f"{outcome.key}.parquet", outcome.requests_parquet, last=False)
        values = outcome.to_json_dict()
        entry = {
            "format": FORMAT,
            "parquet_bytes": len(outcome.requests_parquet),
            "parquet_sha256": hashlib.sha256(outcome.requests_parquet).hexdigest(),
            "outcome_sha256": checksum(values),
            "outcome": values,
        }
        self._write(self._points / f"{outcome.key}.json", _json_bytes(entry))

    def read(self, key: str, *, table: bool = True) -> Outcome | None:
        """The outcome kept under a key, or None: never finished, or not sound any more (a JournalWarning says so).

        Without `table` its table is checked as well, but not kept in memory.
        """
        path = self._points / f"{key}.json"
        try:
            entry = json.loads(path.read_bytes())
            outcome = self._checked(key, entry, table)
        except FileNotFoundError as error:
            if error.filename == str(path):
                return None
            _warn_ignored(path, "its table is missing")
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            _warn_ignored(path, str(error))
            return None
        return outcome

    def keys(self) -> frozenset[str]:
        """The keys of all entries, sound or not; none where there is no journal."""
        with suppress(OSError):
            return frozenset(path.stem for path in self._points.iterdir() if path.suffix == ".json")
        return frozenset()

    def figures(self, key: str) -> Outcome | None:
        """The outcome kept under a key, whatever became of its table; None: never finished, or not sound any more."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            return self._figures(key, json.loads((self._points / f"{key}.json").read_bytes()))
        return None

    def _figures(self, key: str, entry: dict[str, Any]) -> Outcome:
        if entry["format"] != FORMAT:
            raise ValueError(f"format {entry['format']!r}, not {FORMAT}")
        if checksum(entry["outcome"]) != entry["outcome_sha256"]:
            raise ValueError("its figures are not the ones that were written")
        outcome = Outcome.from_json_dict(entry["outcome"])
        if outcome.key != key:
            raise ValueError("it holds another point")
        return outcome

    def _checked(self, key: str, entry: dict[str, Any], with_table: bool) -> Outcome:
        outcome = self._figures(key, entry)
        if entry["parquet_bytes"]:
            with (self._points / f"{key}.parquet").open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != entry["parquet_sha256"]:
                    raise ValueError("its table is not the one that was written")
                if with_table:
                    file.seek(0)
                    outcome = replace(outcome, requests_parquet=file.read())
        return outcome

    def _write(self, path: Path, content: bytes, *, last: bool = True) -> None:
        temporary = path.with_name(path.name + _TEMPORARY)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            if last:
                _sync_folder(path.parent)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            reason = error.strerror or str(error)
            raise JournalError(
                f"{path}: {reason}; what was finished before is safe, the same command goes on from there"
            ) from error

    def _remove_temporary_files(self) -> None:
        for path in [*self.folder.glob(f"*{_TEMPORARY}"), *self._points.glob(f"*{_TEMPORARY}")]:
            path.unlink(missing_ok=True)


def _lock(file: IO[str]) -> None:
    """Lock it, or raise OSError. Not at the first refusal: `Journal.holder` asks by trying."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_PAUSE_S)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


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
