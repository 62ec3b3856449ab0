"""`load_sweep`: a sweep's results from wherever they are: its journal or MLflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sim_core.errors import SpecError, choices
from sync.results.journal import PLACES, Journal, sweeps_in
from sync.results.slo import Slo
from sync.results.slo_file import read_slo
from sync.results.sweep import RESULTS, Source, Sweep


def _journal(results: Path, name: str) -> Source | None:
    return Journal(results / name) if name in sweeps_in(results) else None


def _local(results: Path, name: str) -> Source | None:
    return Journal(results / name, "local") if name in sweeps_in(results, "local") else None


def _mlflow(results: Path, name: str) -> Source | None:
    from sync.tracking.read import find_mlflow_source

    return find_mlflow_source(results, name)


# In the order in which they are asked where nobody says which: the nearest, and the most complete, first. `local` is
# what a sink of former versions has left in the sweep's folder.
SOURCES: Mapping[str, Callable[[Path, str], Source | None]] = {"journal": _journal, "local": _local, "mlflow": _mlflow}


def load_sweep(
    name: str,
    results: Path | str = RESULTS,
    source: str | None = None,
    *,
    everything: bool = False,
    slo: Slo | Path | str | None = None,
) -> Sweep:
    """The sweep called `name` below `results`, from a source of `SOURCES`: `journal`, `mlflow` (the store that
    MLFLOW_TRACKING_URI names) or `local` (files of the sink that former versions had); the first of them that has it,
    where none is given. `everything`: see `Sweep`. `slo`: limits, or a file that has them, to judge runs by in place of
    the experiment's.

    Raises SpecError when there is none, ConnectionError when a server does not answer.
    """
    below = Path(results)
    if source is not None and source not in SOURCES:
        raise SpecError(f"unknown source{choices(source, SOURCES)}", key="source", value=source)
    for make in SOURCES.values() if source is None else [SOURCES[source]]:
        found = make(below, name)
        if found is not None:
            limits = slo if slo is None or isinstance(slo, Slo) else read_slo(Path(slo))
            return Sweep(name, found, everything=everything, slo=limits)
    known = list_sweeps(below)
    hint = choices(name, known) if known else "; there is none yet"
    where = results if source is None else f"{source} ({results})"
    raise SpecError(f"no results of that sweep in {where}{hint}", key="sweep", value=name)


def list_sweeps(results: Path = RESULTS) -> list[str]:
    """The names of the sweeps that have results in folders below `results`, sorted; others may be in MLflow alone."""
    return sorted(set().union(*(sweeps_in(results, place) for place in PLACES)))
