"""A run as the page lists it and the slowdown figure draws it. Runs with other seeds, a sequence in the order of their
seeds, are drawn as one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sync.analysis.standing import Standing, rank


@dataclass(frozen=True)
class RunRow:
    """A run: its name, the verdict on it with what it belongs to, and its figures, the summary's and its cost."""

    name: str
    standing: Standing
    figures: Mapping[str, float]

    @property
    def within(self) -> bool:
        """Whether it is within the SLO."""
        return self.standing.within

    def figure(self, name: str) -> float:
        """A figure; NaN where it was not measured."""
        return self.figures.get(name, math.nan)


def all_within(runs: Iterable[RunRow]) -> bool:
    """Whether all runs are within the SLO."""
    return all(run.within for run in runs)


def mean_figure(runs: Iterable[RunRow], name: str) -> float:
    """The mean of a figure over runs; NaN where one has not measured it."""
    return fmean(run.figure(name) for run in runs)


def best_first(rows: Sequence[RunRow]) -> list[RunRow]:
    """The runs by design, the best design first, then by rate."""
    place = {design.design: number for number, design in enumerate(rank(row.standing for row in rows))}
    return sorted(rows, key=lambda row: (place[row.standing.design], row.standing.rate or 0.0, row.name))
