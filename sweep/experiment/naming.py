"""The names of points, such as `splitwise-ha 30P+21T conv 70 rps`, and the axes that names must mention."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sim_core import SimSpec
from sim_core.errors import SimError
from sim_core.spec import PROMPT, TOKEN
from sweep.experiment.point import Point
from sync.results.grouping import grouped
from sync.results.point_id import point_text, short_sku

SEED = "seed"  # an axis that is a part of a `PointId` itself
MOST_TRIED = 50  # values of an axis that `unnamed_axes` looks at
NamedIn = Sequence[tuple[str, str]]  # axis, and the fact of the point that mentions it: `design` or `workload`


def machines_label(spec: SimSpec) -> str:
    """`30P+21T` for a cluster split in prompt and token machines, else `40xH100`."""
    roles = machines_by_role(spec)
    if roles:
        return f"{sum(roles[PROMPT].values())}P+{sum(roles[TOKEN].values())}T"
    return "+".join(f"{count}x{short_sku(sku)}" for sku, count in spec.machine_counts().items()) or "no machines"


def machines_by_role(spec: SimSpec) -> dict[str, dict[str, int]]:
    """Prompt and token machines of a split cluster by SKU; empty if machines have no roles, or if several applications
    share the cluster."""
    if len(spec.start_states) != 1:
        return {}
    start, counts = spec.start_states[0], spec.machine_counts()
    if start.split_type == "homogeneous":
        skus = [sku for sku, count in counts.items() for _ in range(count)]
        last = start.prompt_machines + start.token_machines
        return {
            PROMPT: dict(Counter(skus[: start.prompt_machines])),
            TOKEN: dict(Counter(skus[start.prompt_machines : last])),
        }
    if start.split_type == "heterogeneous":
        prompt = {sku: count for sku, count in counts.items() if sku in start.prompt_skus}
        return {PROMPT: prompt, TOKEN: {sku: count for sku, count in counts.items() if sku not in prompt}}
    return {}


def unnamed_axes(axes: Mapping[str, Sequence[Any]], build: Callable[[Mapping[str, Any]], Point]) -> NamedIn:
    """The axes of a system that change its points, but not their facts. `build` makes the point of one value an axis.

    Points that differ in one axis alone are compared. These are not the points of the sweep, so that a point has the
    same facts with and without `--limit`.
    """
    first = {name: values[0] for name, values in axes.items()}
    unnamed = []
    for name, values in axes.items():
        if name == SEED or len(values) < 2:
            continue
        points = [point for value in values[:MOST_TRIED] if (point := _try(build, {**first, name: value}))]
        if len({point.point_id for point in points}) < len({point.key for point in points}):
            unnamed.append((name, _differing_fact(points)))
    return unnamed


def with_axes(point: Point, axes: NamedIn) -> Point:
    """The point, with the values of these axes in its design or workload."""
    for axis, fact in axes:
        text = f"{axis.rsplit('.', 1)[-1]}={point.axes[axis]}"
        if fact == "workload":
            point = replace(point, workload=f"{point.workload} {text}")
        else:
            point = replace(point, design=f"{point.design} {text}")
    return point


def distinct_points(points: Sequence[Point]) -> list[Point]:
    """The points with facts that tell them apart, also where only a combination of axes does that: points with the same
    `PointId` get the axes in which they differ."""
    changed: dict[int, Point] = {}
    for members in grouped(points, lambda point: point.point_id):
        if len(members) > 1:
            fact = _differing_fact(members)
            varied = [axis for axis in varied_axes([member.axes for member in members]) if axis != SEED]
            for point in members:
                changed[point.index] = with_axes(point, [(axis, fact) for axis in varied if axis in point.axes])
    return [changed.get(point.index, point) for point in points]


def named_points(points: Sequence[Point], *, with_seed: bool) -> list[Point]:
    """The points under the names that their facts give them."""

    def name(point: Point) -> str:
        return point_text(point.point_id) + (f" seed={point.trace.seed}" if with_seed else "")

    return [replace(point, name=name(point)) for point in points]


def varied_axes(members: Sequence[Mapping[str, object]]) -> list[str]:
    """The axes with more than one value, in their order."""
    seen: dict[str, set[str]] = {}
    for axes in members:
        for axis, value in axes.items():
            seen.setdefault(axis, set()).add(repr(value))
    return [axis for axis, values in seen.items() if len(values) > 1]


def axis_labels(axes: Sequence[str]) -> list[str]:
    """Short names of the axes: of dotted ones the end, as much of it as tells them apart."""

    def ends(axis: str) -> list[str]:
        parts = axis.split(".")
        return [".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]

    taken = Counter(end for axis in axes for end in ends(axis))
    return [next((end for end in ends(axis) if taken[end] == 1 and not end.isdecimal()), axis) for axis in axes]


def shell_text(arguments: Sequence[str]) -> str:
    """A command to copy into a shell, as readable as its quoting can be."""
    return " ".join(map(_quoted, arguments))


def _differing_fact(points: Sequence[Point]) -> str:
    """The fact that mentions the axes in which the points differ: the workload if their cluster is the same."""
    return "workload" if len({point.spec.digest() for point in points}) == 1 else "design"


def _try(build: Callable[[Mapping[str, Any]], Point], values: Mapping[str, Any]) -> Point | None:
    """None for a combination that cannot run: building the points of the sweep reports the reason."""
    try:
        return build(values)
    except SimError:
        return None


def _quoted(argument: str) -> str:
    # Double quotes where that is safe: shlex writes ' inside of '...' as '"'"'.
    return f'"{argument}"' if "'" in argument and not set('"$`\\!') & set(argument) else shlex.quote(argument)
