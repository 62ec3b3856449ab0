"""A run as the page lists it and the slowdown figure draws it: a name, a standing and figures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Generic, TypeVar

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


R_co = TypeVar("R_co", bound=RunRow, covariant=True)


@dataclass(frozen=True)
class Repeated(Generic[R_co]):
    """The runs of one point with different seeds, by seed. `first` stands for them where only one run is shown."""

    runs: tuple[R_co, ...]

    @property
    def first(self) -> R_co:
        """The run with the lowest seed."""
        return self.runs[0]

    @property
    def within(self) -> bool:
        """Whether all of them are within the SLO."""
        return all(run.within for run in self.runs)

    def figure(self, name: str) -> float:
        """The mean over the seeds; NaN where a run has not measured it."""
        return fmean(run.figure(name) for run in self.runs)

    def spread(self, name: str) -> tuple[float, float]:
        """The smallest and the largest value of a figure over the seeds."""
        values = [run.figure(name) for run in self.runs]
        return min(values), max(values)


R = TypeVar("R", bound=RunRow)


def best_first(rows: Iterable[R]) -> list[R]:
    """The runs by design, the best design first, then by rate."""
    rows = list(rows)
    place = {design.design: number for number, design in enumerate(rank(row.standing for row in rows))}
    return sorted(rows, key=lambda row: (place[row.standing.design], row.standing.rate or 0.0, row.name))
