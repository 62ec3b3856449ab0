"""Names of workloads, and their prompt and output sizes, read from the quantile figures in data/workloads/*.csv."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

from sim_core.errors import TraceError, choices

# How named workloads are written; traces.named reads such names.
PREFIX = "rr_"
FORM = "rr_WORKLOAD_RATE, rr_WORKLOAD_RATE_Nmin or rr_WORKLOAD_RATE_Ns, such as rr_conv_70, rr_code_0.5_2min"
NUMBER = r"[0-9]+(?:\.[0-9]+)?"
FIGURES_DIR = Path(__file__).resolve().parent.parent / "data" / "workloads"
COLUMNS = ["size", "tokens", "cumulative_probability"]


# (tokens, share of requests with at most that many), from one below the smallest size (share 0) to the largest size
# (share 1), both ascending. Between two of them the sizes are spread evenly over the whole numbers.
Knots = tuple[tuple[int, float], ...]


def workload_names(folder: Path = FIGURES_DIR) -> list[str]:
    """The workloads with figures, in alphabetical order."""
    return sorted(path.stem for path in folder.glob("*.csv"))


def read_workload(name: str, folder: Path = FIGURES_DIR) -> dict[str, Knots]:
    """The figures of `prompt` and `output`. TraceError when they are missing or are no distribution."""
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
    return {size: _checked(path.name, size, figures) for size, figures in knots.items()}


def _checked(source: str, size: str, knots: list[tuple[int, float]]) -> Knots:
    ascending = all(t0 < t1 and p0 <= p1 for (t0, p0), (t1, p1) in pairwise(knots))
    if len(knots) < 2 or not ascending or knots[0][0] < 0 or knots[0][1] != 0.0 or knots[-1][1] != 1.0:
        raise TraceError(f"{size}: tokens and shares must ascend, shares from 0 to 1", source=source)
    return tuple(knots)
