"""Size distributions of a workload, read from the quantile figures in data/workloads/*.csv."""

from __future__ import annotations

import csv
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

from sim_core.errors import TraceError, choices

# How named workloads are written; traces.named reads such names.
PREFIX = "rr_"
FORM = "rr_WORKLOAD_RATE, rr_WORKLOAD_RATE_Nmin or rr_WORKLOAD_RATE_Ns, such as rr_conv_70, rr_code_0.5_2min"
NUMBER = r"[0-9]+(?:\.[0-9]+)?"
FIGURES_DIR = Path(__file__).resolve().parent.parent / "data" / "workloads"
COLUMNS = ["size", "tokens", "cumulative_probability"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Whole numbers of tokens. `knots` are (tokens, share of requests with at most that many).

    They go from one below the smallest size (share 0) to the largest size (share 1), both ascending. Between two knots
    the sizes are spread evenly over the whole numbers.
    """

    knots: tuple[tuple[int, float], ...]

    @property
    def smallest(self) -> int:
        """The smallest size, tokens."""
        return self.knots[0][0] + 1

    @property
    def largest(self) -> int:
        """The largest size, tokens."""
        return self.knots[-1][0]

    def cumulative(self) -> list[float]:
        """The share of requests with at most n tokens, for n from `smallest` to `largest`."""
        shares: list[float] = []
        for (t0, p0), (t1, p1) in pairwise(self.knots):
            shares += [p0 + (p1 - p0) * (t - t0) / (t1 - t0) for t in range(t0 + 1, t1)]
            shares.append(p1)
        return shares

    def mean(self) -> float:
        """The exact mean, tokens."""
        return sum((p1 - p0) * (t0 + t1 + 1) / 2 for (t0, p0), (t1, p1) in pairwise(self.knots))

    def quantile(self, share: float) -> int:
        """The smallest size that at least this share of requests (0 to 1) does not exceed."""
        return self.smallest + next(n for n, p in enumerate(self.cumulative()) if p >= share)

    def sample(self, stream: Random, count: int) -> array[int]:
        """`count` independent sizes, one draw each."""
        draw, shares, smallest = stream.random, self.cumulative(), self.smallest
        return array("q", [smallest + bisect_right(shares, draw()) for _ in range(count)])


@dataclass(frozen=True, slots=True)
class Workload:
    """Independent prompt and output sizes."""

    name: str
    prompt: Sizes
    output: Sizes


def workload_names(folder: Path = FIGURES_DIR) -> list[str]:
    """The workloads with figures, in alphabetical order."""
    return sorted(path.stem for path in folder.glob("*.csv"))


def read_workload(name: str, folder: Path = FIGURES_DIR) -> Workload:
    """The figures of one workload. TraceError when they are missing or are no distribution."""
    names = workload_names(folder)
    if name not in names:
        raise TraceError(f"unknown workload {name!r}{choices(name, names)}")
    path = folder / f"{name}.csv"
    knots: dict[str, list[tuple[int, float]]] = {"prompt": [], "output": []}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        if next(reader, None) != COLUMNS:
            raise TraceError(f"the columns must be {', '.join(COLUMNS)}", source=path.name)
        for number, row in enumerate(reader, 1):
            try:
                size, tokens, share = row
                knots[size].append((int(tokens), float(share)))
            except (ValueError, KeyError) as error:
                raise TraceError(f"{','.join(row)!r} is no figure: {error}", source=path.name, row=number) from error
    return Workload(name, *(_checked(path.name, size, knots[size]) for size in ("prompt", "output")))


def _checked(source: str, size: str, knots: list[tuple[int, float]]) -> Sizes:
    ascending = all(t0 < t1 and p0 <= p1 for (t0, p0), (t1, p1) in pairwise(knots))
    if len(knots) < 2 or not ascending or knots[0][0] < 0 or knots[0][1] != 0.0 or knots[-1][1] != 1.0:
        raise TraceError(f"{size}: tokens and shares must ascend, shares from 0 to 1", source=source)
    return Sizes(tuple(knots))
