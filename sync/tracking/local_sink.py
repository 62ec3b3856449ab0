"""Results into a folder: runs.parquet with a row a point, requests/<key>.parquet with a row a request."""

from __future__ import annotations

import json
from pathlib import Path

from sim_core.whole_file import replacing
from sync.results.frame import runs_frame
from sync.results.goodput import by_slo
from sync.results.journal import Journal
from sync.results.outcome import Outcome, SweepInfo, checksum
from sync.results.slo import PAPER


class LocalSink:
    """Writes below `results`/<sweep's name>/local. A point is there when its outcomes/<key>.json is.

    runs.parquet is made of these when the sink is opened and closed: a sweep that was killed has it at its next start.
    """

    def __init__(self, results: Path) -> None:
        self._results = results
        self._folder: Path | None = None
        self._slo = PAPER

    def open(self, sweep: SweepInfo) -> None:
        """Make the folders, and the table of what is there."""
        self._folder = self._results / sweep.name / "local"
        self._slo = sweep.slo
        for part in ("outcomes", "requests"):
            (self._folder / part).mkdir(parents=True, exist_ok=True)
        _write(self._folder / "sweep.json", json.dumps(sweep.to_json_dict(), indent=1).encode())
        self._write_table(self._folder)

    def write(self, outcome: Outcome) -> None:
        """The requests first, then the outcome: who finds the latter finds both."""
        if self._folder is None:
            raise RuntimeError("write before open")
        path = self._folder / "outcomes" / f"{outcome.key}.json"
        if _serves(path, outcome):
            return
        if outcome.requests_parquet:
            _write(self._folder / "requests" / f"{outcome.key}.parquet", outcome.requests_parquet)
        values = outcome.to_json_dict()
        entry = {"outcome_sha256": checksum(values), "outcome": values}
        _write(path, json.dumps(entry, indent=1, allow_nan=False).encode())

    def page(self) -> str | None:
        """Not in MLflow."""
        return None

    def close(self) -> None:
        """Write the table of all points."""
        if self._folder is not None:
            self._write_table(self._folder)
            self._folder = None

    def _write_table(self, folder: Path) -> None:
        outcomes = [
            by_slo(outcome, self._slo, _if_there(folder / "requests" / f"{outcome.key}.parquet"))
            for outcome in Journal(folder.parent, "local").outcomes().values()
        ]
        if outcomes:
            _write(folder / "runs.parquet", runs_frame(outcomes, self._slo).to_parquet(index=False))


def _serves(path: Path, outcome: Outcome) -> bool:
    there = Journal(path.parents[2], "local").outcomes().get(outcome.key)
    return there is not None and (there.status != "failed" or outcome.status == "failed")


def _if_there(path: Path) -> Path | None:
    return path if path.exists() else None


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as file:
        file.write(content)
