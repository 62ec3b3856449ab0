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
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sync.results.entry import (
    FORMAT,
    NOT_SOUND,
    checked_table,
    entry_bytes,
    parse_entry,
    reason_of,
    sha256,
    sound_outcome,
    unusable_text,
)
from sync.results.inside import is_file, open_inside, read_inside
from sync.results.outcome import Outcome
from sync.results.sweep_folder import JournalError, JournalWarning, SweepFolder

__all__ = ["PLACES", "Journal", "JournalError", "JournalWarning", "sweeps_in"]

PLACES = {"journal": ("points", "points"), "local": ("local/outcomes", "local/requests")}  # of entries and of tables
# The fields of an outcome that may hold a secret of the environment. Digests and times are none.
_TEXTS = (
    *("name", "system", "design", "workload", "trace", "overrides", "axes", "error", "config_yaml", "version"),
    *("model", "performance_model", "batching", "kernels", "core", "gpus"),
)


class Journal(SweepFolder):
    """The outcomes of the sweeps of one name. Reading needs no lock; writing needs the journal to be entered."""

    def __init__(self, folder: Path, place: str = "journal") -> None:
        """`place` is a key of `PLACES`; what is in `local` is only read."""
        entries, self._tables = (folder / name for name in PLACES[place])
        super().__init__(folder, entries)
        self._unusable: dict[str, str] | None = None  # as `outcomes` has found them

    def write(self, outcome: Outcome) -> Outcome:
        """Keep an outcome without the environment's secrets; returns it as it is kept, once it is safe. Raises
        JournalError, such as for a full disk."""
        texts = {name: self._scrubber.without_secrets(getattr(outcome, name)) for name in _TEXTS}
        kept = replace(outcome, **texts, requests_sha256=sha256(outcome.requests_parquet))  # MLflow keeps it, too
        if kept.requests_parquet:
            # its name need not be safe before the entry's is: an entry without its table does not count
            self._write(self._tables / f"{kept.key}.parquet", kept.requests_parquet, last=False)
        self._write(self._entries / f"{kept.key}.json", entry_bytes(kept.to_json_dict(), kept))
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
