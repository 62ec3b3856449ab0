"""Gives the tables of deployments: from memory, from the user's cache, or from aiconfigurator-core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from typing import Any

from configs.silicon import facade, names, store
from configs.silicon.tables import GRID, tables_of
from sim_core.errors import SpecError
from sim_core.performance.aiconfigurator import ENGINES, text_of
from sim_core.performance.step_grid import packed
from sim_core.spec import Deployment, StepGridSpec


def grids(used: Sequence[Deployment], others: Sequence[Deployment] = ()) -> tuple[StepGridSpec, ...]:
    """The tables of deployments. SpecError where those of one in `used` cannot be had; of `others`, those that can."""
    package = facade.version()
    found = []
    for deployment in used:
        grid = _grid(deployment, package)
        if isinstance(grid, str):
            raise SpecError(_missing(deployment, grid, package), key="performance_model", value="aiconfigurator")
        found.append(grid)
    for deployment in others:
        try:
            grid = _grid(deployment, package)
        except SpecError:
            continue
        if not isinstance(grid, str):
            found.append(grid)
    return tuple(found)


@lru_cache(maxsize=512)
def _grid(deployment: Deployment, package: str) -> StepGridSpec | str:
    """The tables of a deployment; where there are no measurements, the package's reason."""
    ways = [(way, {"grid": GRID, "package": package, **asdict(way)}) for way in names.ways(deployment)]
    for _, asked in ways:
        if (grid := store.kept(asked, deployment)) is not None:
            return grid
    reason = ""
    for way, asked in ways:
        engine = _opened(way)
        if isinstance(engine, str):
            reason = reason or engine
            continue
        grid = packed(deployment, tables_of(engine, _source(way, package)))
        store.keep(asked, grid)
        return grid
    return reason


def _opened(way: names.Way) -> facade.Engine | str:
    try:
        return facade.Engine(way.model, way.system, way.backend, dict(way.arguments))
    except facade.NoDataError as error:
        return str(error)


def _source(way: names.Way, package: str) -> dict[str, Any]:
    """What tables say about where they come from."""
    return {
        "package": f"{facade.PACKAGE} {package}",
        "engine": f"{way.backend} {facade.engine_version(way.system, way.backend)}",
        "system": way.system,
        "model": way.model,
        **dict(way.arguments),
    }


def _missing(deployment: Deployment, reason: str, package: str) -> str:
    """A message: there are no measurements of a deployment, why, and what there is instead."""
    there = [text_of(other) for other in _alike(deployment) if not isinstance(_first(other), str)]
    instead = f"; there is: {'; '.join(there)}" if there else "; there is nothing like it"
    return f"{facade.PACKAGE} {package} has no measurements of {text_of(deployment)}: {reason[:200]}{instead}"


def _alike(deployment: Deployment) -> list[Deployment]:
    """Deployments that differ in one thing from this one."""
    found = [replace(deployment, engine=engine) for engine in ENGINES]
    found += [replace(deployment, precision=precision) for precision in names.PRECISIONS]
    found += [replace(deployment, kv_bytes=size) for size in names.KV_FORMATS]
    found += [replace(deployment, expert_parallelism=size) for size in (1, deployment.tensor_parallelism)]
    return [other for other in dict.fromkeys(found) if other != deployment]


def _first(deployment: Deployment) -> facade.Engine | str:
    """The first way of a deployment that has measurements; else the reason of the last one."""
    engine: facade.Engine | str = ""
    try:
        for way in names.ways(deployment):
            engine = _opened(way)
            if not isinstance(engine, str):
                return engine
    except SpecError as error:
        return str(error)
    return engine
