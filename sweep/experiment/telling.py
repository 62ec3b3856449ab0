"""Which axes have to be named so that points are told apart: those that change the run and neither label nor trace say.

Asked of the experiment and not of the points that are built, so that a point has the same facts with and without
`--limit`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sim_core.errors import SimError
from sweep.experiment.point import Point

TOLD_ALREADY = ("seed",)  # an axis that is a part of a `PointId` itself
MOST_TRIED = 50  # values of an axis
Build = Callable[[Mapping[str, Any]], Point]
Untold = Sequence[tuple[str, str]]  # axis, and the fact that names it: `design` or `workload`


def untold_axes(axes: Mapping[str, Sequence[Any]], build: Build) -> Untold:
    """The axes of a system that its points' facts do not tell yet. `build` makes the point of one value for each axis.

    Points that differ in one axis alone are compared. An axis that changes the trace and nothing else is named in the
    workload, any other in the design.
    """
    first = {name: values[0] for name, values in axes.items()}
    found = []
    for name, values in axes.items():
        if name in TOLD_ALREADY or len(values) < 2:
            continue
        points = [point for value in values[:MOST_TRIED] if (point := _try(build, {**first, name: value}))]
        if len({point.point_id for point in points}) < len({point.key for point in points}):
            found.append((name, part_of(points)))
    return tuple(found)


def part_of(points: Sequence[Point]) -> str:
    """Which fact names what tells points apart: their workload if their cluster is the same, else their design."""
    return "workload" if len({point.spec.digest() for point in points}) == 1 else "design"


def with_axes(point: Point, untold: Untold) -> Point:
    """The point, with the values of these axes in its design or workload."""
    for axis, part in untold:
        text = f"{axis.rsplit('.', 1)[-1]}={point.axes[axis]}"
        if part == "workload":
            point = replace(point, workload=f"{point.workload} {text}")
        else:
            point = replace(point, design=f"{point.design} {text}")
    return point


def _try(build: Build, values: Mapping[str, Any]) -> Point | None:
    """None for a combination that cannot run: building the points themselves says why."""
    try:
        return build(values)
    except SimError:
        return None
