"""How the searches of the planner use many workers, in virtual time.

    python -m benchmarks.planner_workers

The planner, the loop of a sweep and its backlog are the real ones. A worker takes a point's expected seconds, and the
outcome follows from the cluster's known capacity and the seed (`tests.sweep.planner.worlds`). The longest chain is the
wall time with unlimited workers and no run ahead. Two questions: six designs and two workloads each, the highest rate
with the splits of one price, and the least cost with every number of machines in both roles.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence

from sweep.experiment.point import Outcome, Point
from sweep.experiment.question import Question
from sweep.planner.searches import Planner
from sweep.planner.space import Family
from tests.sweep.planner.worlds import LEAST, MOST, ONE_LIMIT, World
from tests.sweep.virtual_workers import Worked, longest_chain, work

DESIGNS = (  # system, prompt price, token price, requests/s a prompt machine and a token machine carry
    *(("baseline-a100", 17.68, 0.0, 0.75, 0.0), ("baseline-h100", 38.08, 0.0, 2.9, 0.0)),
    *(("splitwise-aa", 17.68, 17.68, 2.1, 9.5), ("splitwise-hh", 38.08, 38.08, 5.0, 8.5)),
    *(("splitwise-ha", 38.08, 17.68, 6.0, 4.7), ("splitwise-hhcap", 38.08, 38.08, 6.2, 6.3)),
)
WORKLOADS = {"conv": 1.0, "code": 0.7}  # of these rates
BUDGET, LOAD = 1523.2, 70.0
WORKERS = (1, 2, 8, 64)


def main() -> None:
    """Print wall time, speed-up, longest chains and wasted runs by number of workers."""
    for title, question in (("the highest rate, isocost", MOST), ("the least cost, costopt", LEAST)):
        print(f"{title}: {len(worlds(question))} searches")
        print("workers  wall s  speed-up  longest chains  runs  wasted")
        for workers, worked, needed, one in rows(question):
            print(
                f"{workers:7}  {worked.wall_s:6.0f}  {one / worked.wall_s:8.2f}"
                f"  {worked.wall_s / needed.wall_s:14.2f}  {len(worked.runs):4}  {worked.wasted(needed):6}"
            )


def rows(question: Question) -> list[tuple[int, Worked, Worked, float]]:
    """By number of workers: what became of the search, the search along its longest chain, and one worker's time."""
    needed = longest_chain(planner_of(question), outcome_of(worlds(question)))
    found = [(workers, work(planner_of(question), workers, outcome_of(worlds(question)))) for workers in WORKERS]
    one_s = found[0][1].wall_s
    return [(workers, worked, needed, one_s) for workers, worked in found]


def planner_of(question: Question) -> Planner:
    """A planner with the searches of a question."""
    return Planner(question, worlds(question), ONE_LIMIT)


def worlds(question: Question) -> Sequence[World]:
    """The spaces of a question."""
    return [_world(question, design, workload, factor) for design in DESIGNS for workload, factor in WORKLOADS.items()]


def _world(question: Question, design: tuple[str, float, float, float, float], workload: str, factor: float) -> World:
    system, price, other, prompts, tokens = design
    spread = 0.03 + 0.12 * (zlib.crc32(f"{system} {workload}".encode()) % 100) / 100.0

    def capacity(sizes: tuple[int, ...]) -> float:
        return factor * min(prompts * sizes[0], tokens * sizes[1] if tokens else prompts * sizes[0])

    def bound(sizes: tuple[int, ...]) -> float:
        return 1.3 * factor * (prompts * sizes[0] + tokens * sum(sizes[1:])) / (2.0 if tokens else 1.0)

    if question.asks == "most":
        family = Family({}, (), tuple(_splits(price, other)))
    else:
        most = int(1.4 * LOAD / (factor * prompts)) + 2
        family = Family({}, (tuple(range(1, most)), *([tuple(range(1, most))] if tokens else [])))
    load = LOAD if question.asks == "least" else None
    return World(capacity, (family,), load, 14.0, spread, (price, other), system, workload, bound=bound)


def _splits(price: float, other: float) -> Sequence[tuple[int, ...]]:
    most = int(BUDGET // price)
    return [(count, int((BUDGET - price * count) // other)) for count in range(5, most, 5)] if other else [(most,)]


def outcome_of(spaces: Sequence[World]) -> Callable[[Point], Outcome]:
    """Gives the outcome of a point of any of these spaces."""
    by_name = {(world.system, world.workload): world for world in spaces}
    return lambda point: by_name[point.system, point.workload].outcome(point)


if __name__ == "__main__":
    main()
