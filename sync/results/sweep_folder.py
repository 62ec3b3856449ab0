"""The folder of a sweep: its lock, and the files about the sweep as a whole. `sync.results.journal` has the layout, and
what the folder keeps of each point."""

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
from sync.results.entry import NOT_SOUND, json_bytes, reason_of
from sync.results.fields import is_key
from sync.results.found import Plan as FoundPlan
from sync.results.found_file import FILE, found_bytes, found_for
from sync.results.growing import GrowingSweep, Growth
from sync.results.inside import make_folder, refuse_links, write_inside
from sync.results.lock import hold_lock, lock_holder
from sync.results.outcome import SweepInfo
from sync.results.plan import Plan
from sync.results.privacy import Scrubber
from sync.results.slo import Slo
from sync.results.sweep_file import SweepFile, read_status_file, read_sweep_file


class JournalError(SimError):
    """The journal cannot be used: another process is writing to it, the disk does not take it, or it is a link."""


class JournalWarning(UserWarning):
    """Files of a journal that are not what was once written; the points of such entries are run again."""


class SweepFolder:
    """The folder of the sweeps of one name. Reading needs no lock; writing needs the folder to be entered."""

    def __init__(self, folder: Path, entries: Path) -> None:
        """`entries` is where the entries of points are."""
        self.folder = folder
        self._entries = entries
        self._lock: BinaryIO  # open while the folder is entered

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
        self._write_contents(self._sweep.after(info, keys, facts, is_same, self._scrubber))

    def _write_contents(self, contents: Mapping[str, Any]) -> None:
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
        clean, write = self._scrubber.without_secrets, self._write_contents
        return GrowingSweep(self._sweep.started(info), earlier, entries - asked_for, clean, write)

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
    def _scrubber(self) -> Scrubber:
        """Made where something is written: readers, of which a sweep has one for each run, need none."""
        return Scrubber(os.environ)

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
        with suppress(OSError):
            write_inside(self.folder / "status.json", json_bytes(status), durable=False)

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

    def keys(self) -> frozenset[str]:
        """The keys of all entries, sound or not; none where there is no journal."""
        with suppress(OSError):
            return frozenset(path.stem for path in self._entries.iterdir() if path.suffix == ".json")
        return frozenset()

    def _refuse_links(self, place: Path) -> None:
        try:
            refuse_links(place, self.folder.parent)
        except OutputError as error:
            raise JournalError(str(error)) from error

    def _write(self, path: Path, content: bytes, *, last: bool = True) -> None:
        with _plain_errors(path, "; what was finished before is safe, the same command goes on from there"):
            self._refuse_links(path.parent)
            write_inside(path, content)
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


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
