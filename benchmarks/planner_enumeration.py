"""Check answers to "which is the cheapest" by running every cluster: `python benchmarks/planner_enumeration.py
EXPERIMENT --cache FILE [--found results/NAME/found.json] [--system NAME] [--workload NAME] [--prices LOW HIGH]`.

EXPERIMENT asks `find: {least: ...}`, such as experiments/costopt-find.yaml. The clusters of its spaces, or of a price
band, run at the load with a few seeds, ascending by price, until one carries it (with --all: all of them). Each is
judged by Student's t, as the planner judges. For each space a table in Markdown has the cheapest cluster that carries
the load, the cheaper ones that are not decided, and, with --found, what the planner found. An answer of the planner
that these runs contradict is a difference: then the exit code is 1. Runs are kept in the cache file.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cases import ROOT
from benchmarks.planner_runs import Runs
from sweep.experiment.file import read_experiment
from sweep.experiment.point import Point
from sweep.experiment.question import Measure
from sweep.planner.space import Cluster, Space
from sweep.planner.spaces import spaces
from sync.analysis.repetitions import FEW, Judgement, judge_sample, sample_of
from sync.results.slo import Slo

_AT_ONCE = 16  # clusters whose runs are made together
_SHOWN = 8  # undecided clusters in a table


@dataclass(frozen=True)
class Tried:
    """A cluster that was run: its design, its price, and what its runs say (None: one failed)."""

    design: str
    price: float
    judgement: Judgement | None

    @property
    def state(self) -> str:
        """`within`, `beyond`, `undecided` or `failed`."""
        return "failed" if self.judgement is None else self.judgement.state


def clusters_of(space: Space, measure: Measure, band: tuple[float, float]) -> list[Cluster]:
    """The clusters of a space in a price band, ascending."""
    every = (space.cluster(n, sizes) for n, family in enumerate(space.families) for sizes in family.sizes())
    low, high = band
    return sorted((c for c in every if low <= c.price(measure) <= high), key=lambda cluster: cluster.price(measure))


def enumerate_space(
    space: Space, measure: Measure, clusters: Sequence[Cluster], seeds: int, slo: Slo, runs: Runs
) -> Iterator[Tried]:
    """Run clusters of a space, and judge each."""
    for first in range(0, len(clusters), _AT_ONCE):
        chosen = clusters[first : first + _AT_ONCE]
        points = {cluster: _points(space, cluster, seeds) for cluster in chosen}
        outcomes = runs.of(point for of_cluster in points.values() for point in of_cluster)
        for cluster, of_cluster in points.items():
            own = [outcomes[point.key] for point in of_cluster]
            sample = None if any(run.status == "failed" for run in own) else sample_of(own, slo)
            judgement = None if sample is None else judge_sample(sample)
            yield Tried(of_cluster[0].design, cluster.price(measure), judgement)


def until_one_carries(tried: Iterator[Tried]) -> Iterator[Tried]:
    """The clusters up to the price of the first one that carries the load."""
    price = float("inf")
    for entry in tried:
        if entry.price > price:
            return
        yield entry
        if entry.state == "within":
            price = entry.price


def _points(space: Space, cluster: Cluster, seeds: int) -> Sequence[Point]:
    return [space.point(cluster, None, seed) for seed in range(seeds if space.has_draws else 1)]


def rows_of(tried: Sequence[Tried], found: Mapping[str, Any] | None) -> tuple[list[tuple[str, ...]], bool]:
    """The rows of a space's table, and whether the planner's answer agrees (also if there is none)."""
    carrying = [entry for entry in tried if entry.state == "within"]
    best = min(carrying, key=lambda entry: entry.price, default=None)
    cheaper = [entry for entry in tried if best is None or entry.price < best.price]
    left = [entry for entry in cheaper if entry.state in ("undecided", "failed")]
    rows = [_row("cheapest that carries the load", best)]
    rows += [_row("cheaper, not decided", entry) for entry in left[:_SHOWN]]
    if len(left) > _SHOWN:
        rows.append((f"and {len(left) - _SHOWN} more", "", "", ""))
    if found is None:
        return rows, True
    answer, value = str(found.get("design") or "none"), found.get("value")
    undecided = {str(entry["design"]) for entry in found.get("undecided", ())}
    if best is None:
        agrees = value is None
    else:  # of one price all are as good; a cheaper one that both leave open is no difference
        agrees = value is not None and (value == best.price or _is_open(answer, value, best, left, undecided))
    rows.append(
        ("found by the planner", answer, "-" if value is None else f"{value:,.2f}", "" if agrees else "differs")
    )
    return rows, agrees


def _is_open(answer: str, value: float, best: Tried, left: Sequence[Tried], undecided: set[str]) -> bool:
    """Whether what tells the two answers apart is not decided by one of them: the planner's own cluster here, or the
    best one of these by the planner."""
    return any(entry.design == answer for entry in left) if value < best.price else best.design in undecided


def _row(name: str, entry: Tried | None) -> tuple[str, ...]:
    if entry is None:
        return name, "none", "-", "-"
    share = "-" if entry.judgement is None else f"{entry.judgement.share:.2f}"
    return name, entry.design, f"{entry.price:,.2f}", share


def _found_in(path: Path | None) -> list[Mapping[str, Any]]:
    return [] if path is None else json.loads(path.read_text(encoding="utf-8"))["found"]


def main() -> int:
    """Enumerate and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as of python -m sweep")
    parser.add_argument("--cache", type=Path, metavar="FILE", required=True, help="where runs are kept")
    parser.add_argument("--found", type=Path, metavar="FILE", help="a planner's found.json to compare with")
    parser.add_argument("--system", action="append", help="these systems alone")
    parser.add_argument("--workload", action="append", help="these workloads alone")
    parser.add_argument("--prices", type=float, nargs=2, default=(0.0, float("inf")), metavar=("LOW", "HIGH"))
    parser.add_argument("--all", action="store_true", help="run clusters beyond the first that carries the load, too")
    parser.add_argument("--seeds", type=int, default=FEW, help="of each cluster; default: %(default)s")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    experiment = read_experiment(options.experiment)
    if experiment.find is None or experiment.find.asks != "least":
        parser.error("the experiment must ask find: {least: ...}")
    measure = experiment.find.measure
    answers = {(entry["system"], entry["workload"]): entry for entry in _found_in(options.found)}
    all_agree = True
    with Runs(options.cache, options.processes) as runs:
        for space in spaces(experiment, options.overrides, ROOT):
            wanted = (options.system, space.system), (options.workload, space.workload)
            if any(names and name not in names for names, name in wanted):
                continue
            low, high = options.prices
            clusters = clusters_of(space, measure, (low, high))
            every = enumerate_space(space, measure, clusters, options.seeds, experiment.slo, runs)
            tried = list(every if options.all else until_one_carries(every))
            rows, agree = rows_of(tried, answers.get((space.system, space.workload)))
            all_agree = all_agree and agree
            title = f"{space.system} {space.workload}, {len(tried):,} of {len(clusters):,} clusters"
            print(f"\n| {title} | cluster | {measure} | of limit |\n|---|---|---|---|", flush=True)
            for row in rows:
                print(f"| {' | '.join(row)} |", flush=True)
    return 0 if all_agree else 1


if __name__ == "__main__":
    sys.exit(main())
