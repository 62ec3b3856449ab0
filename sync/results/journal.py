"""The journal of a sweep: every finished point on disk, before anything else hears of it. It is read and written
through this module alone.

    FOLDER/sweep.json                   the sweep's facts, the keys of its points and what the experiment says of each
    FOLDER/points/KEY.json              an entry: one outcome without its table of requests
    FOLDER/points/KEY.parquet           that table
    FOLDER/found.json                   what its planner found, where the experiment has a question
    FOLDER/lock                         held by the process that writes here
    FOLDER/status.json                  how the sweep under way is doing, renewed every few seconds
    FOLDER/earlier/TIME/                what --fresh has set aside: points, sweep.json and found.json as they were
    FOLDER/local/outcomes, requests     the same entries and tables, left by versions that had a sink called `local`

Files appear whole or not at all: they are written under another name, synced to disk and renamed. The entry comes last
and holds the SHA-256 of the table and of the outcome, so an entry counts only if both are as they were written.

A journal may come from somebody else. Each value is checked (`sync.results.checks`), no link is followed
(`sync.results.inside`), and what cannot be used is said in a JournalWarning, with the file, the field and the reason.
Before anything is written, the environment's secrets are taken out of it (`sync.results.privacy`).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Self

from sim_core.errors import OutputError, SimError
from sim_core.regular_file import IrregularFile
from sync.results.entry import (
    FORMAT,
    NOT_SOUND,
    checked_table,
    entry_bytes,
    json_bytes,
    parse_entry,
    reason_of,
    sound_outcome,
    unusable_text,
)
from sync.results.found import Plan as FoundPlan
from sync.results.found_file import FILE, found_bytes, found_for
from sync.results.growing import GrowingSweep, Growth
from sync.results.inside import is_file, make_folder, open_inside, read_inside, refuse_links, replacing_inside
from sync.results.lock import hold_lock, lock_holder
from sync.results.outcome import Outcome, SweepInfo, is_key
from sync.results.plan import Plan
from sync.results.privacy import Scrubber
from sync.results.slo import Slo
from sync.results.sweep_file import SweepFile, read_status_file, read_sweep_file

PLACES = {"journal": ("points", "points"), "local": ("local/outcomes", "local/requests")}  # of entries and of tables
# The fields of an outcome that may hold a secret of the environment. Digests and times are none.
_TEXTS = (
    *("name", "system", "design", "workload", "trace", "overrides", "axes", "error", "config_yaml", "version"),
    *("model", "performance_model"),
)


class JournalError(SimError):
    """The journal cannot be used: another process is writing to it, the disk does not take it, or it is a link."""


class JournalWarning(UserWarning):
    """Files of a journal that are not what was once written; the points of such entries are run again."""


class Journal:
    """The outcomes of the sweeps of one name. Reading needs no lock; writing needs the journal to be entered."""

    def __init__(self, folder: Path, place: str = "journal") -> None:
        """`place` is a key of `PLACES`; what is in `local` is only read."""
        self.folder = folder
        self._entries, self._tables = (folder / name for name in PLACES[place])
        self._unusable: dict[str, str] | None = None  # as `outcomes` has found them
        self._lock: BinaryIO  # open while the journal is entered
        self._scrubber = Scrubber(os.environ)

    # -- the lock ----------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Take the lock. Raises JournalError when another process has it, or when the folder cannot be written."""
        with _plain_errors(self.folder):
            self._refuse_links(self._entries)
            make_folder(self._entries)
            lock = hold_lock(self.folder / "lock")  # until __exit__
        if lock is None:
            raise JournalError(
                f"{self.folder}: another sweep (process {self.holder() or 'unknown'}) is writing here;"
                " wait for it, or choose another --results folder"
            )
        self._lock = lock
        for path in [*self.folder.glob("*.tmp"), *self._entries.glob("*.tmp")]:  # writes that broke off
            with suppress(OSError):  # such as a folder of that name, which is no write of ours
                path.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()  # the system drops the lock with the file, also when the process is killed

    def holder(self) -> str | None:
        """The process that holds the lock at this moment; None: nobody does."""
        return lock_holder(self.folder / "lock")

    # -- the sweep ---------------------------------------------------------------------------------------------

    def has_sweep(self) -> bool:
        """Whether the facts of a sweep are kept, in whatever state."""
        return os.path.lexists(self.folder / "sweep.json")

    def write_sweep(
        self, info: SweepInfo, keys: Sequence[str], facts: Mapping[str, Any], is_same: Callable[[str, str], bool]
    ) -> None:
        """Keep the facts of the sweep under way, the commands of all starts so far, and which other points earlier
        starts of the same experiment asked for. `facts` describe the points by key as the experiment has them now:
        readers take these, and not those of the start that ran a point. `is_same` tells whether two texts are the same
        experiment. Raises JournalError."""
        contents = self._sweep.after(info, keys, facts, is_same, self._scrubber)
        self._write(self.folder / "sweep.json", json_bytes(contents))
        self.__dict__.pop("_sweep", None)  # read anew

    def growing(self, info: SweepInfo, is_same: Callable[[str, str], bool]) -> GrowingSweep:
        """What keeps the facts of a sweep under way whose points are decided while it runs; `is_same` as above. Points
        that earlier starts of the same experiment finished are kept as such."""
        own = self._scrubber.without_secrets(info.experiment_text)
        entries = frozenset(filter(is_key, self.keys()))
        asked_for = self.asked_for() if self._sweep.is_of(own, is_same) else frozenset()
        facts = self.point_facts()
        earlier = {key: facts.get(key, {}) for key in sorted(asked_for & entries)}

        def write(contents: Mapping[str, Any]) -> None:
            self._write(self.folder / "sweep.json", json_bytes(contents))
            self.__dict__.pop("_sweep", None)  # read anew

        return GrowingSweep(
            self._sweep.started(info), earlier, entries - asked_for, self._scrubber.without_secrets, write
        )

    def growth(self) -> Growth | None:
        """How the sweep grows; None for one whose points were all known when it started."""
        return self._sweep.growth

    def info(self) -> SweepInfo | None:
        """What the last start of the sweep was; None where the folder does not say."""
        return self._sweep.info()

    def plan(self) -> Plan | None:
        """What the experiment plans, over all starts of it; None where the folder does not say."""
        plan = self._sweep.plan()
        return plan if plan is None else replace(plan, points=plan.points + len(self._unlisted()))

    def slo(self) -> Slo | None:
        """The limits that the experiment sets; None where the folder does not say."""
        return None if (info := self.info()) is None else info.slo

    def last_started(self) -> frozenset[str]:
        """The keys of the points that the last start of the sweep asked for."""
        return self._sweep.last_started() | self._unlisted()

    def asked_for(self) -> frozenset[str]:
        """The keys of the points that the last start asked for, and starts before it of the same experiment."""
        return self._sweep.asked_for() | self._unlisted()

    def _unlisted(self) -> frozenset[str]:
        """The keys of entries that a growing sweep, under way or killed, has made since it last wrote its keys."""
        growth = self._sweep.growth
        if growth is None or growth.is_done:
            return frozenset()
        return self.keys() - growth.others - self._sweep.asked_for()

    @cached_property
    def _sweep(self) -> SweepFile:
        """The contents of sweep.json; of that of the former sink where it is not there. Empty, with a JournalWarning,
        where its contents cannot be used."""
        for path in (self.folder / "sweep.json", self.folder / "local" / "sweep.json"):
            self._refuse_links(path.parent)
            try:
                if contents := read_sweep_file(path):
                    return SweepFile(contents)
            except NOT_SOUND as error:
                text = f"{path}: cannot be used, so its limits and its points are not known: {reason_of(error)}"
                warnings.warn(text, JournalWarning, stacklevel=3)
        return SweepFile({})

    def point_facts(self) -> Mapping[str, Mapping[str, Any]]:
        """What the experiment says of each point that was asked for, by key."""
        return self._sweep.point_facts()

    def write_found(self, plan: FoundPlan) -> None:
        """Keep what the planner of the sweep under way has found so far. The journal has to be entered. Raises
        JournalError."""
        if not hasattr(self, "_lock") or self._lock.closed:
            raise RuntimeError("write_found outside of the journal's lock")
        self._write(self.folder / FILE, found_bytes(plan, self.info(), self._scrubber.masked))

    def found(self) -> FoundPlan | None:
        """What a planner found for the experiment as it is now; None where it has not said anything. A JournalWarning,
        and None, where the file cannot be used."""
        path = self.folder / FILE
        self._refuse_links(self.folder)
        try:
            return found_for(path, self.info())
        except NOT_SOUND as error:
            text = f"{path}: cannot be used, so it is not known what the search found: {reason_of(error)}"
            warnings.warn(text, JournalWarning, stacklevel=2)
            return None

    def note_status(self, status: Mapping[str, Any]) -> None:
        """Keep how the sweep is doing, for `python -m sweep status`; nothing is raised where that fails."""
        with suppress(OSError), replacing_inside(self.folder / "status.json", durable=False) as file:
            file.write(json_bytes(status))

    def status(self) -> dict[str, Any]:
        """The latest status that was kept; empty where there is none that can be used."""
        with suppress(*NOT_SOUND):
            return read_status_file(self.folder / "status.json")
        return {}

    def set_aside(self) -> None:
        """Start over without deleting: move what is kept to a folder of its own. Raises JournalError."""
        if not any(self._entries.iterdir()):
            return
        place = self.folder / "earlier" / datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
        with _plain_errors(place):
            self._refuse_links(place)
            make_folder(place)
            for name in ("sweep.json", FILE):
                with suppress(FileNotFoundError):
                    (self.folder / name).rename(place / name)
            self._entries.rename(place / "points")
            make_folder(self._entries)
        self.__dict__.pop("_sweep", None)

    # -- outcomes ----------------------------------------------------------------------------------------------

    def write(self, outcome: Outcome) -> Outcome:
        """Keep an outcome without the environment's secrets; returns it as it is kept, once it is safe. Raises
        JournalError, such as for a full disk."""
        texts = {name: self._scrubber.without_secrets(getattr(outcome, name)) for name in _TEXTS}
        kept = replace(outcome, **texts)
        if kept.requests_parquet:
            # its name need not be safe before the entry's is: an entry without its table does not count
            self._write(self._tables / f"{kept.key}.parquet", kept.requests_parquet, last=False)
        self._write(self._entries / f"{kept.key}.json", entry_bytes(kept.to_json_dict(), kept.requests_parquet))
        return kept

    def read(self, key: str, *, table: bool = True) -> Outcome | None:
        """The outcome of a point that need not be run again, or None: it was never finished, its entry is not sound
        any more or of a former format (a JournalWarning says so). Without `table` its table is checked as well, but not
        kept in memory."""
        self._check_places()
        path = self._entries / f"{key}.json"
        if not os.path.lexists(path):
            return None
        try:
            return self._with_table(_current(_entry(path)), key, table)
        except NOT_SOUND as error:
            text = f"{path}: ignored, and its point run again: {reason_of(error)}"
            warnings.warn(text, JournalWarning, stacklevel=2)
            return None

    def figures(self, key: str) -> Outcome | None:
        """As `read`, whatever became of the table, and without a warning."""
        with suppress(*NOT_SOUND):
            return sound_outcome(_current(_entry(self._entries / f"{key}.json")), key)
        return None

    def whole(self, key: str) -> Outcome | None:
        """An outcome of any format with its table, as the experiment describes its point now; None where either is not
        the one that was written."""
        with suppress(*NOT_SOUND):
            outcome = self._with_table(_entry(self._entries / f"{key}.json"), key)
            return outcome.with_facts(self.point_facts().get(key, {}))
        return None

    def _with_table(self, entry: Mapping[str, Any], key: str, table: bool = True) -> Outcome:
        requests = checked_table(entry, self.requests_file(key), table)
        return replace(sound_outcome(entry, key), requests_parquet=requests)

    def outcomes(self) -> dict[str, Outcome]:
        """The outcomes of all sound entries of any format, by key, without their tables, as the experiment describes
        their points now. A JournalWarning counts the entries that cannot be used, and says why of the first. Raises
        OSError for a folder that may not be read: it is not an empty one."""
        self._check_places()
        facts, found, self._unusable = self.point_facts(), {}, {}
        names = sorted(path.name for path in self._entries.iterdir()) if self._entries.exists() else []
        for name in names:
            key, dot, ending = name.rpartition(".")
            if dot + ending == ".json":
                try:
                    outcome = sound_outcome(_entry(self._entries / name), key)
                    found[key] = outcome.with_facts(facts[key]) if key in facts else outcome
                except NOT_SOUND as error:
                    self._unusable[name] = reason_of(error)
        if self._unusable:
            warnings.warn(unusable_text(self.folder, self._unusable), JournalWarning, stacklevel=2)
        return found

    def unusable(self) -> Mapping[str, str]:
        """The names of the entries that `outcomes` has left out, with the reason."""
        if self._unusable is None:
            self.outcomes()
        return self._unusable or {}

    def keys(self) -> frozenset[str]:
        """The keys of all entries, sound or not; none where there is no journal."""
        with suppress(OSError):
            return frozenset(path.stem for path in self._entries.iterdir() if path.suffix == ".json")
        return frozenset()

    def requests_file(self, key: str) -> Path | None:
        """The table of requests under a key; None where there is none. Raises OSError for one that is a link, or no
        regular file."""
        path = self._tables / f"{key}.parquet"
        if not os.path.lexists(path):
            return None
        if not is_file(path):
            open_inside(path).close()  # raises, and says why
        return path

    def _check_places(self) -> None:
        """Raise JournalError where a folder that entries and tables are in is a link."""
        for place in {self._entries, self._tables}:
            self._refuse_links(place)

    def _refuse_links(self, place: Path) -> None:
        try:
            refuse_links(place, self.folder.parent)
        except OutputError as error:
            raise JournalError(str(error)) from error

    def _write(self, path: Path, content: bytes, *, last: bool = True) -> None:
        with _plain_errors(path, "; what was finished before is safe, the same command goes on from there"):
            self._refuse_links(path.parent)
            with replacing_inside(path) as file:
                file.write(content)
            if last:
                _sync_folder(path.parent)


@contextmanager
def _plain_errors(path: Path, advice: str = "") -> Iterator[None]:
    """Raise JournalError, which names the path, for what the system refuses."""
    try:
        yield
    except IrregularFile as error:
        raise JournalError(f"{error.filename}: {error.strerror}") from error
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


def _current(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry. Raises ValueError for one of a former format."""
    if entry["format"] != FORMAT:
        raise ValueError(f"format {entry['format']!r}, not {FORMAT}")
    return entry


def _entry(path: Path) -> dict[str, Any]:
    return parse_entry(read_inside(path, "entry_bytes"))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
