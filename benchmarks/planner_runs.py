"""Runs that the planner's benchmarks need, made on all cores and kept in a file, so that a benchmark goes on where it
was interrupted."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from json import dumps, loads
from pathlib import Path

from benchmarks.cases import ROOT
from sweep.experiment.point import Outcome, Point
from sweep.launch.worker import run_point

_EVERY = 50  # runs between two lines of progress


class Runs:
    """Outcomes by content key in an SQLite file: other code that decides results, or another trace, has another key.
    Use as a context manager. `made` counts the runs that were not in the file."""

    def __init__(self, path: Path, processes: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.made = 0
        self._store = sqlite3.connect(path)
        self._store.execute("create table if not exists run (key text primary key, outcome text)")
        self._pool = ProcessPoolExecutor(processes)

    def __enter__(self) -> Runs:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._store.commit()
        self._store.close()

    def of(self, points: Iterable[Point]) -> Mapping[str, Outcome]:
        """The outcomes of points by key. What is missing is run and kept, unless it fails."""
        by_key = {point.key: point for point in points}
        found = {key: outcome for key in by_key if (outcome := self._known(key)) is not None}
        if missing := [point for key, point in by_key.items() if key not in found]:
            found |= self._make(missing)
        return found

    def _known(self, key: str) -> Outcome | None:
        row = self._store.execute("select outcome from run where key = ?", (key,)).fetchone()
        return None if row is None else Outcome.from_json_dict(loads(row[0]))

    def _make(self, points: Sequence[Point]) -> dict[str, Outcome]:
        found: dict[str, Outcome] = {}
        for future in as_completed([self._pool.submit(_run, point) for point in points]):
            outcome = future.result()
            found[outcome.key] = outcome
            self.made += 1
            if outcome.status != "failed":
                row = outcome.key, dumps(outcome.to_json_dict())
                self._store.execute("insert or replace into run values (?, ?)", row)
            if self.made % _EVERY == 0:
                self._store.commit()
                print(f"{self.made:,} runs made", file=sys.stderr, flush=True)
        self._store.commit()
        return found


def _run(point: Point) -> Outcome:
    """The outcome without what takes room and is not needed: the requests and the configuration."""
    return replace(run_point(point, ROOT), requests_parquet=b"", config_yaml="")
