"""The journal of a sweep: every finished point on disk, before anything else hears of it. This module alone reads and
writes it.

    FOLDER/sweep.json                   the sweep's facts, the keys of its points and what the experiment says of each
    FOLDER/points/KEY.json              an entry: one outcome without its table of requests
    FOLDER/points/KEY.parquet           that table
    FOLDER/lock                         held by the process that writes here
    FOLDER/status.json                  how the sweep under way is doing, renewed every few seconds
    FOLDER/earlier/TIME/                what --fresh has set aside: points and sweep.json as they were
    FOLDER/local/outcomes, requests     the same entries and tables, left by versions that had a sink called `local`

Files appear whole or not at all: they are written under another name, synced to disk and renamed. The entry comes last
and holds the SHA-256 of the table and of the outcome, so an entry counts only if both are as they were written.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Self

from sim_core.errors import SimError, SpecError
from sim_core.whole_file import replacing
from sync.results.entry import FORMAT, NOT_SOUND, checked_table, entry_bytes, json_bytes, sound_outcome
from sync.results.outcome import Outcome, SweepInfo
from sync.results.plan import Plan, joined_systems, plan_of
from sync.results.slo import Slo

PLACES = {"journal": ("points", "points"), "local": ("local/outcomes", "local/requests")}  # of entries and of tables
_EARLIER = "earlier_plan"  # in sweep.json: points and systems of earlier starts of the same experiment
_FACTS = "point_facts"  # in sweep.json: by key, what the experiment says of each point
_ATTEMPTS, _PAUSE_S = 4, 0.1


class JournalError(SimError):
    """The journal cannot be used: another process is writing to it, or the disk does not take it."""


class JournalWarning(UserWarning):
    """An entry that is not what was once written; its point is run again."""


class Journal:
    """The outcomes of the sweeps of one name. Reading needs no lock; writing needs the journal to be entered."""

    def __init__(self, folder: Path, place: str = "journal") -> None:
        """`place` is a key of `PLACES`; what is in `local` is only read."""
        self.folder = folder
        self._entries, self._tables = (folder / name for name in PLACES[place])
        self._lock: IO[str]  # open while the journal is entered

    # -- the lock ----------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Take the lock. Raises JournalError when another process has it, or when the folder cannot be written."""
        with _plain_errors(self.folder):
            self._entries.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("a+", encoding="utf-8")  # held until __exit__
        try:
            _lock(lock)
        except OSError as error:
            lock.close()
            raise JournalError(
                f"{self.folder}: another sweep (process {self.holder() or 'unknown'}) is writing here;"
                " wait for it, or choose another --results folder"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        for path in [*self.folder.glob("*.tmp"), *self._entries.glob("*.tmp")]:  # writes that broke off
            path.unlink(missing_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()  # the system drops the lock with the file, also when the process is killed

    def holder(self) -> str | None:
        """The process that holds the lock at this moment; None: nobody does."""
        with suppress(OSError), (self.folder / "lock").open("r", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return lock.read().strip() or "unknown"
        return None

    # -- the sweep ---------------------------------------------------------------------------------------------

    def has_sweep(self) -> bool:
        """Whether the facts of a sweep are kept."""
        return (self.folder / "sweep.json").exists()

    def write_sweep(
        self, info: SweepInfo, keys: Sequence[str], facts: Mapping[str, Any], is_same: Callable[[str, str], bool]
    ) -> None:
        """Keep the facts of the sweep under way, and which other points earlier starts of the same experiment asked
        for. `facts` describe the points by key as the experiment has them now: readers take these, and not those of
        the start that ran a point. `is_same` tells whether two texts are the same experiment. Raises JournalError."""
        is_known = is_same(str(self._sweep.get("experiment_text")), info.experiment_text)
        earlier = sorted(self.asked_for() - set(keys)) if is_known else []
        known = {key: self._facts[key] for key in earlier if key in self._facts}
        contents = {"format": FORMAT, **info.to_json_dict(), "keys": list(keys), "earlier_keys": earlier}
        if is_known and (before := self.plan()) is not None:
            contents[_EARLIER] = {"points": before.points, "systems": joined_systems([before.systems])}
        self._write(self.folder / "sweep.json", json_bytes({**contents, _FACTS: {**known, **facts}}))
        self.__dict__.pop("_sweep", None)  # read anew

    def info(self) -> SweepInfo | None:
        """What the last start of the sweep was; None where the folder does not say."""
        try:
            return SweepInfo.from_json_dict(self._sweep)
        except (SpecError, ValueError):
            return None

    def plan(self) -> Plan | None:
        """What the experiment plans, over all starts of it; None where the folder does not say."""
        info, facts, earlier = self.info(), self._facts, self._sweep.get(_EARLIER, {})
        if info is None or not info.points:
            return None
        with suppress(*NOT_SOUND):
            points = max(info.points, int(earlier.get("points", 0)))
            systems = joined_systems([earlier.get("systems", {}), info.systems])
            known = [facts[key] for key in self.asked_for() if key in facts]
            return plan_of(points, systems, sorted(known, key=lambda fact: int(fact.get("index", 0))))
        return None

    def slo(self) -> Slo | None:
        """The limits that the experiment sets; None where the folder does not say."""
        return None if (info := self.info()) is None else info.slo

    def last_started(self) -> frozenset[str]:
        """The keys of the points that the last start of the sweep asked for."""
        return frozenset(self._sweep.get("keys", ()))

    def asked_for(self) -> frozenset[str]:
        """The keys of the points that the last start asked for, and starts before it of the same experiment."""
        return self.last_started().union(self._sweep.get("earlier_keys", ()))

    @cached_property
    def _sweep(self) -> Mapping[str, Any]:
        """The contents of sweep.json; of that of the former sink where it is not there, torn or of another form."""
        paths = (self.folder / "sweep.json", self.folder / "local" / "sweep.json")
        return next((contents for path in paths if (contents := _contents(path)) and _is_of_a_sweep(contents)), {})

    def point_facts(self) -> Mapping[str, Mapping[str, Any]]:
        """What the experiment says of each point that was asked for, by key."""
        return self._facts

    @property
    def _facts(self) -> Mapping[str, Mapping[str, Any]]:
        facts: Mapping[str, Mapping[str, Any]] = self._sweep.get(_FACTS, {})
        return facts

    def note_status(self, status: Mapping[str, Any]) -> None:
        """Keep how the sweep is doing, for `python -m sweep status`; nothing is raised where that fails."""
        with suppress(OSError), replacing(self.folder / "status.json", durable=False) as file:
            file.write(json_bytes(status))

    def status(self) -> dict[str, Any]:
        """The latest status that was kept; empty where there is none."""
        return _contents(self.folder / "status.json")

    def set_aside(self) -> None:
        """Start over without deleting: move what is kept to a folder of its own. Raises JournalError."""
        if not any(self._entries.iterdir()):
            return
        place = self.folder / "earlier" / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
        with _plain_errors(place):
            place.mkdir(parents=True)
            with suppress(FileNotFoundError):
                (self.folder / "sweep.json").rename(place / "sweep.json")
            self._entries.rename(place / "points")
            self._entries.mkdir()
        self.__dict__.pop("_sweep", None)

    # -- outcomes ----------------------------------------------------------------------------------------------

    def write(self, outcome: Outcome) -> None:
        """Keep an outcome; returns once it is safe. Raises JournalError, such as for a full disk."""
        if outcome.requests_parquet:
            # its name need not be safe before the entry's is: an entry without its table does not count
            self._write(self._tables / f"{outcome.key}.parquet", outcome.requests_parquet, last=False)
        entry = entry_bytes(outcome.to_json_dict(), outcome.requests_parquet)
        self._write(self._entries / f"{outcome.key}.json", entry)

    def read(self, key: str, *, table: bool = True) -> Outcome | None:
        """The outcome of a point that need not be run again, or None: it was never finished, its entry is not sound
        any more or of a former format (a JournalWarning says so). Without `table` its table is checked as well, but not
        kept in memory."""
        path = self._entries / f"{key}.json"
        if not path.exists():
            return None
        try:
            return self._with_table(_current(_json(path)), key, table)
        except NOT_SOUND as error:
            warnings.warn(f"{path}: ignored, and its point run again: {error}", JournalWarning, stacklevel=2)
            return None

    def figures(self, key: str) -> Outcome | None:
        """As `read`, whatever became of the table, and without a warning."""
        with suppress(*NOT_SOUND):
            return sound_outcome(_current(_json(self._entries / f"{key}.json")), key)
        return None

    def whole(self, key: str) -> Outcome | None:
        """An outcome of any format with its table, as the experiment describes its point now; None where either is not
        the one that was written."""
        with suppress(*NOT_SOUND):
            outcome = self._with_table(_json(self._entries / f"{key}.json"), key)
            return outcome.with_facts(self._facts.get(key, {}))
        return None

    def _with_table(self, entry: Mapping[str, Any], key: str, table: bool = True) -> Outcome:
        requests = checked_table(entry, self.requests_file(key), table)
        return replace(sound_outcome(entry, key), requests_parquet=requests)

    def outcomes(self) -> dict[str, Outcome]:
        """The outcomes of all sound entries of any format, by key, without their tables, as the experiment describes
        their points now. Raises OSError for a folder that may not be read: it is not an empty one."""
        facts, found = self._facts, {}
        for path in sorted(self._entries.iterdir()) if self._entries.exists() else ():
            if path.suffix == ".json":
                with suppress(*NOT_SOUND):
                    found[path.stem] = sound_outcome(_json(path), path.stem).with_facts(facts.get(path.stem, {}))
        return found

    def keys(self) -> frozenset[str]:
        """The keys of all entries, sound or not; none where there is no journal."""
        with suppress(OSError):
            return frozenset(path.stem for path in self._entries.iterdir() if path.suffix == ".json")
        return frozenset()

    def requests_file(self, key: str) -> Path | None:
        """The table of requests under a key; None where there is none."""
        path = self._tables / f"{key}.parquet"
        return path if path.exists() else None

    def _write(self, path: Path, content: bytes, *, last: bool = True) -> None:
        with _plain_errors(path, "; what was finished before is safe, the same command goes on from there"):
            with replacing(path) as file:
                file.write(content)
            if last:
                _sync_folder(path.parent)


@contextmanager
def _plain_errors(path: Path, advice: str = "") -> Iterator[None]:
    """Raise JournalError, which names the path, for what the system refuses."""
    try:
        yield
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror or error}{advice}") from error


def sweeps_in(results: Path, place: str = "journal") -> set[str]:
    """The names of the sweeps that have entries in a place of `PLACES` below `results`, or a folder for them that may
    not be read (who reads it hears why). Raises OSError where `results` itself may not be read."""
    below = PLACES[place][0]
    return {path.name for path in results.iterdir() if _has_entries(path / below)} if results.exists() else set()


def _has_entries(folder: Path) -> bool:
    try:
        return any(path.suffix == ".json" for path in folder.iterdir())
    except PermissionError:
        return True
    except OSError:  # not there, or no folder
        return False


def _lock(file: IO[str]) -> None:
    """Lock it, or raise OSError. Not at the first refusal: `Journal.holder` asks by trying."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_PAUSE_S)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _current(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry. Raises ValueError for one of a former format."""
    if entry["format"] != FORMAT:
        raise ValueError(f"format {entry['format']!r}, not {FORMAT}")
    return entry


def _json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def _is_of_a_sweep(contents: Mapping[str, Any]) -> bool:
    """Whether the contents of a sweep.json have the form in which they are written: somebody may have edited them."""
    lists, facts = (contents.get(name, []) for name in ("keys", "earlier_keys")), contents.get(_FACTS, {})
    return (
        all(isinstance(keys, list) and all(isinstance(key, str) for key in keys) for keys in lists)
        and isinstance(facts, dict)
        and all(isinstance(values, dict) for values in facts.values())
    )


def _contents(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none."""
    with suppress(OSError, ValueError):
        if isinstance(contents := _json(path), dict):
            return contents
    return {}


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
