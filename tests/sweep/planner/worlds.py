"""Clusters whose capacity is known, for searches: a run's share of its one limit follows from rate, size and seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from math import exp

from sim_core import SimSpec
from sim_core.spec import PerformanceSpec
from sweep.experiment.point import Outcome, Point
from sweep.experiment.question import Question
from sweep.planner.base import Planning
from sweep.planner.space import Cluster, Family
from sync.results.counts import BLOCKS, beyond_of, column_of
from sync.results.slo import Slo
from traces.workload import TraceRef

ONE_LIMIT = Slo(seconds={"ttft": {"p90": 1.0}})
MOST = Question("most", "rate")
LEAST = Question("least", "cost")
_REQUESTS = 1000  # a block
SPEC = SimSpec(servers=(), start_states=(), applications=(), performance=PerformanceSpec("constant"))

Capacity = Callable[[tuple[int, ...]], float]


@dataclass
class World:
    """A space of clusters. `capacity` gives the rate at which a cluster's share is 1; there the share grows with the
    power `slope` of the rate. `spread` is that of the logarithm of a run's share over seeds."""

    capacity: Capacity
    families: tuple[Family, ...]
    load: float | None = None
    slope: float = 10.0
    spread: float = 0.2
    prices: tuple[float, ...] = (38.08, 17.68)
    system: str = "world"
    workload: str = "conv"
    horizon_s: float | None = 600.0
    has_draws: bool = True
    bound: Callable[[tuple[int, ...]], float | None] = lambda sizes: None
    lasts: bool = True

    def cluster(self, family: int, sizes: tuple[int, ...]) -> Cluster:
        """See `Space`."""
        cost = sum(count * price for count, price in zip(sizes, self.prices, strict=False))
        return Cluster(family, sizes, cost, 10.0 * sum(sizes), 1000.0 * sum(sizes), sum(sizes))

    def point(self, cluster: Cluster, rate: float | None, seed: int, longer: int = 1, asked: str = "") -> Point:
        """See `Space`. The point's axes say what it is of, for `outcome`."""
        rate = self.load if rate is None else rate
        name = (
            f"{self.system}-{self.workload}-{cluster.family}-{'x'.join(map(str, cluster.sizes))}-{rate}-{longer}-{seed}"
        )
        return Point(
            index=0,
            name=name,
            key=name.replace(".", "_"),
            overrides=(),
            spec=SPEC,
            trace=TraceRef("rr_conv_1", dir="", seed=seed),
            trace_identity=f"{rate} {seed}",
            config={},
            system=self.system,
            design=f"{self.system} {'+'.join(map(str, cluster.sizes))}",
            workload=self.workload,
            rate=rate,
            cost=cluster.cost,
            power=cluster.power,
            watts=cluster.watts,
            machines={"dgx-h100": cluster.machines},
            axes={"sizes": cluster.sizes, "seed": seed, "longer": longer},
            horizon_s=self.horizon_s,
            requests=int((rate or 1.0) * 600 * longer),
            asked=asked,
        )

    def can_last_longer(self) -> bool:
        """See `Space`."""
        return self.lasts

    def bound_per_s(self, cluster: Cluster) -> float | None:
        """See `Space`."""
        return self.bound(cluster.sizes)

    def balanced_per_s(self, cluster: Cluster) -> float | None:
        """See `Space`."""
        return self.bound(cluster.sizes)

    def outcome(self, point: Point) -> Outcome:
        """What the run of a point gives."""
        draw = random.Random(f"{point.system} {point.axes['sizes']} {point.axes['seed'] if self.has_draws else 0}")
        noise = exp(draw.gauss(0.0, self.spread) - self.spread**2 / 2)
        share = min(10.0, ((point.rate or 1.0) / self.capacity(point.axes["sizes"])) ** self.slope * noise)  # type: ignore[arg-type]
        limit = next(iter(ONE_LIMIT.limits()))
        rows = {"requests": [_REQUESTS] * BLOCKS, column_of(limit): [_REQUESTS] * BLOCKS}
        rows[beyond_of(limit)] = [min(_REQUESTS, round(0.1 * share * _REQUESTS))] * BLOCKS
        summary = {"run/completed": float(_REQUESTS * BLOCKS), "tbt/mean_s": 0.1}
        return outcome_of(point, counts=rows, summary=summary)


def outcome_of(point: Point, **fields: object) -> Outcome:
    """A completed outcome of a point."""
    from sweep.experiment.point import describing_fields

    return Outcome(**(describing_fields(point) | {"status": "completed"} | fields))  # type: ignore[arg-type]


def answered(planner: Planning, outcome: Callable[[Point], Outcome], room: int = 6, at_once: int = 1) -> int:
    """Run a planner to its end, `at_once` points at a time; returns how many were run."""
    runs = 0
    while not planner.is_done:
        points = list(planner.wanted(room))[:at_once]
        if not points:
            break
        for point in points:
            planner.took(outcome(point))
            runs += 1
    return runs


def counts_of(*numbers: Iterable[int]) -> tuple[tuple[int, ...], ...]:
    """Numbers of machines by role."""
    return tuple(map(tuple, numbers))


def copy_of(world: World, **fields: object) -> World:
    """The world with other fields."""
    return replace(world, **fields)  # type: ignore[arg-type]
