"""`load_sweep`: a sweep's results from wherever they are: its journal or MLflow."""

from __future__ import annotations

import shlex
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sim_core.errors import SpecError, choices
from sync.results.journal import PLACES, Journal, sweeps_in
from sync.results.slo import Slo
from sync.results.slo_file import read_slo
from sync.results.sweep import RESULTS, Source, Sweep

if TYPE_CHECKING:
    import pandas as pd

# In the order in which they are asked where nobody says which: the nearest, and the most complete, first. `local` is
# what a sink of former versions has left in the sweep's folder.
SOURCES = ("journal", "local", "mlflow")


class LoadedSweep(Sweep):
    """A sweep with what its repetitions say together."""

    @cached_property
    def repetitions(self) -> pd.DataFrame:
        """A row for each configuration at each rate, over its seeds: how they are judged together, and means with
        their intervals (`sync.analysis.repeated.repetitions_frame`)."""
        from sync.analysis.repeated import repetitions_frame

        return repetitions_frame(self)


def _find(source: str, results: Path, name: str) -> Source | None:
    """The sweep called `name` in one of `SOURCES`; None where it is not there."""
    if source in PLACES:
        return Journal(results / name, source) if name in sweeps_in(results, source) else None
    from sync.tracking.read import find_mlflow_source

    return find_mlflow_source(results, name)


def load_sweep(
    name: str,
    results: Path | str = RESULTS,
    source: str | None = None,
    *,
    everything: bool = False,
    slo: Slo | Path | str | None = None,
) -> LoadedSweep:
    """The sweep called `name` below `results`, from a source of `SOURCES`: `journal`, `mlflow` (the store that
    MLFLOW_TRACKING_URI names) or `local` (files of the sink that former versions had); the first of them that has it,
    where none is given. `everything`: see `Sweep`. `slo`: limits, or a file that has them, to judge runs by in place of
    the experiment's.

    Raises SpecError when there is none, ConnectionError when a server does not answer.
    """
    below = Path(results)
    limits = slo if slo is None or isinstance(slo, Slo) else read_slo(Path(slo))
    if source is not None and source not in SOURCES:
        raise SpecError(f"unknown source{choices(source, SOURCES)}", key="source", value=source)
    for place in SOURCES if source is None else [source]:
        if (found := _find(place, below, name)) is not None:
            return LoadedSweep(name, found, everything=everything, slo=limits)
    known = list_sweeps(below)
    hint = choices(name, known) if known else "; there is none yet"
    sweep, _, run = name.partition(":")
    if run and sweep in known:
        hint = f"; `compare` alone takes SWEEP:RUN, here the run stands behind the sweep: {sweep} {shlex.quote(run)}"
    where = results if source is None else f"{source} ({results})"
    raise SpecError(f"no results of that sweep in {where}{hint}", key="sweep", value=name)


def list_sweeps(results: Path = RESULTS) -> list[str]:
    """The names of the sweeps that have results in folders below `results`, sorted; others may be in MLflow alone."""
    return sorted(set().union(*(sweeps_in(results, place) for place in PLACES)))
