"""Where the results of a sweep are read from: its journal, the folder of the local sink, or MLflow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from sim_core.errors import SpecError
from sync.results.outcome import Outcome, SweepInfo, checksum
from sync.results.slo import Slo

LOCAL_FACTS = "sweep.json"  # of the local sink: what the sweep is, of its last start that delivered
FACTS = "point_facts"  # in sweep.json: by key, what the experiment says of each point


class Source(Protocol):
    """Reads one sweep's results."""

    def outcomes(self) -> dict[str, Outcome]:
        """All that is finished, by key, without the tables of requests; what is torn is left out."""

    def requests_file(self, key: str) -> Path | None:
        """The Parquet file of a run's requests, fetched if it is elsewhere; None where there is none."""

    def last_started(self) -> frozenset[str]:
        """The keys of the points that the last start of the sweep asked for, as far as that is known."""

    def asked_for(self) -> frozenset[str]:
        """The keys of the points that starts of the experiment, as it is now, asked for; empty: that is not known."""

    def slo(self) -> Slo | None:
        """The limits that the experiment sets; None where the source does not tell."""


class FolderSource:
    """A sweep in a folder: the outcomes as JSON files in one folder below it, the requests in another."""

    def __init__(self, folder: Path, outcomes: str, requests: str, facts: Sequence[str] = ("sweep.json",)) -> None:
        """`facts` are the files below `folder` that say what the sweep is, of which the first that is there counts."""
        self._outcomes, self._requests = folder / outcomes, folder / requests
        self._facts = [folder / name for name in facts]

    def outcomes(self) -> dict[str, Outcome]:
        """See `Source`. What the points are is the experiment's word of now."""
        facts = self._facts_of_points
        found = read_outcomes(self._outcomes)
        return {key: outcome.with_facts(facts.get(key, {})) for key, outcome in found.items()}

    def requests_file(self, key: str) -> Path | None:
        """See `Source`."""
        path = self._requests / f"{key}.parquet"
        return path if path.exists() else None

    def last_started(self) -> frozenset[str]:
        """By the sweep's own word."""
        return self._keys("keys")

    def asked_for(self) -> frozenset[str]:
        """By the sweep's own word: the last start, and those before it of the same experiment."""
        return self._keys("keys") | self._keys("earlier_keys")

    def info(self) -> SweepInfo | None:
        """What the last start of the sweep was; None where the folder does not say."""
        try:
            return SweepInfo.from_json_dict(self._told())
        except (SpecError, ValueError):
            return None

    def slo(self) -> Slo | None:
        """See `Source`."""
        info = self.info()
        return None if info is None else info.slo

    def whole(self, key: str) -> Outcome | None:
        """An outcome with its table of requests; None where either is not the one that was written."""
        path = self._outcomes / f"{key}.json"
        outcome = read_outcome(path)
        if outcome is None:
            return None
        try:
            entry = json.loads(path.read_bytes())
            file = self.requests_file(key)
            table = b"" if file is None else file.read_bytes()
            wanted = entry.get("parquet_sha256")
            if wanted is not None and hashlib.sha256(table).hexdigest() != wanted:
                return None
            whole = Outcome.from_json_dict(entry["outcome"], table)
            return whole.with_facts(self._facts_of_points.get(key, {}))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    @cached_property
    def _facts_of_points(self) -> Mapping[str, Mapping[str, Any]]:
        facts = self._told().get(FACTS)
        return facts if isinstance(facts, dict) else {}

    def _keys(self, name: str) -> frozenset[str]:
        keys = self._told().get(name)
        return frozenset(map(str, keys)) if isinstance(keys, list) else frozenset()

    def _told(self) -> dict[str, Any]:
        for path in self._facts:
            try:
                told = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(told, dict):
                return told
        return {}


def journal(results: Path, name: str) -> FolderSource:
    """The sweep's journal, which has everything."""
    return FolderSource(results / name, *PLACES["journal"])


# Below a sweep's folder: where its outcomes are, and where its requests.
PLACES = {"journal": ("points", "points"), "local": ("local/outcomes", "local/requests")}


def names_in(results: Path, place: str) -> set[str]:
    """The names of the sweeps that have outcomes in a place of `PLACES` below `results`, or a folder for them that may
    not be read (who reads it hears why). Raises OSError where `results` itself may not be read."""
    below = PLACES[place][0]
    return {path.name for path in results.iterdir() if _has_outcomes(path / below)} if results.exists() else set()


def _has_outcomes(folder: Path) -> bool:
    try:
        return any(path.suffix == ".json" for path in folder.iterdir())
    except PermissionError:
        return True
    except OSError:  # not there, or no folder
        return False


def read_outcomes(folder: Path) -> dict[str, Outcome]:
    """The outcomes of the JSON files in `folder`, by key, without their requests; a file that is none is left out.

    Raises OSError for a folder that may not be read: it is not an empty one.
    """
    found: dict[str, Outcome] = {}
    for path in sorted(folder.iterdir()) if folder.exists() else ():
        outcome = read_outcome(path) if path.suffix == ".json" else None
        if outcome is not None:
            found[outcome.key] = outcome
    return found


def read_outcome(path: Path) -> Outcome | None:
    """The outcome in the JSON file at `path`, None where there is none, or not the one that was written."""
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        values = entry["outcome"]
        if entry.get("outcome_sha256", checksum(values)) != checksum(values):
            return None
        outcome = Outcome.from_json_dict(values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return outcome if outcome.key == path.stem else None
