"""What `python -m sweep` does with a question, before anything runs: checks it, and shows what would be searched."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.text import Text

from configs.terminal import PLAIN_WIDTH, Column, draw, lines, prose
from sim_core.errors import SpecError
from sim_core.policies import policies_for
from sim_core.reference import REFERENCE_HARDWARE, REFERENCE_TENSOR_PARALLELISM
from sim_core.spec import SimSpec
from sweep.experiment.file import Experiment
from sweep.experiment.point import Point
from sweep.experiment.question import Question
from sweep.planner.ask import Words
from sweep.planner.searches import Planner
from sweep.planner.spaces import ClusterSpace, OnBuilt, spaces
from sync.results.point_id import rate_text
from sync.results.slo import Slo

FIRST_POINTS = 24  # that --dry-run --format json lists
_UNITS = {"cost": "$/h", "power": "power", "watts": "W", "machines": "machines"}
_NOT_FOR_SEARCHES = {  # options of grids, and what to do instead
    "limit": "a search decides itself which points run: find.width=10% or find.seeds=8 make it shorter",
    "point": "a search decides itself which points run: --dry-run --format json lists the first with their overrides,"
    " and python -m sim_core OVERRIDES makes one of these runs",
}


def refuse_options(arguments: argparse.Namespace) -> None:
    """Raise SpecError for an option that a search cannot have."""
    for name, reason in _NOT_FOR_SEARCHES.items():
        if (value := getattr(arguments, name)) is not None:
            raise SpecError(reason, key=f"--{name}", value=value)


def words_of(arguments: argparse.Namespace) -> Words:
    """The question that the command line of `python -m sweep plan` asks."""
    return Words(**{name: getattr(arguments, name) for name in Words.__dataclass_fields__})


def checked_spaces(experiment: Experiment, extra: Sequence[str], root: Path, on_built: OnBuilt) -> list[ClusterSpace]:
    """The spaces of an experiment with a question. Raises SimError for a question that cannot be answered."""
    found = spaces(experiment, extra, root, on_built)
    for space in found:
        _refuse_unknown_slowdowns(experiment, space.first.spec)
        _refuse_unknown_prices(experiment, space)
    return found


def limit_notes(slo: Slo) -> Iterator[str]:
    """What is odd about the limits. Limits are upper ones, so no two of them contradict each other, but one may leave
    nothing to another: p99 within 2 s says that p50 is within 2 s, too."""
    limits = list(slo.limits())
    for limit in limits:
        for other in limits:
            is_same = (limit.metric, limit.unit) == (other.metric, other.unit)
            if is_same and float(limit.percentile[1:]) < float(other.percentile[1:]) and other.largest <= limit.largest:
                key = f"slo.{limit.unit}.{limit.metric}"
                reason = f"{key}.{limit.percentile}={limit.largest:g} decides nothing"
                yield f"{reason}: {key}.{other.percentile}={other.largest:g} is as tight for more requests"
                break


def first_points(found: Sequence[ClusterSpace], question: Question, slo: Slo, room: int) -> Sequence[Point]:
    """The points that a search would ask for first, about `room`."""
    return Planner(question, found, slo).wanted(room)


def search_preview(found: Sequence[ClusterSpace], question: Question, width: int = PLAIN_WIDTH) -> Text:
    """What would be searched, a row for each space, in lines of `width` characters."""
    measure = "cost" if question.measure == "rate" else question.measure
    seeds = [str(question.seeds if space.has_draws else 1) for space in found]
    prices = [[cluster.price(measure) for cluster in space.extremes()] for space in found]
    columns = [
        Column("system", [space.system for space in found]),
        Column("workload", [space.workload for space in found]),
        Column("searched", [_searched(space, question) for space in found]),
        Column("clusters", [f"{space.clusters:,}" for space in found], right=True),
        Column(_UNITS[measure], [_span(values) for values in prices], right=True),
        Column(lines("seeds", "at most"), seeds, right=True),
    ]
    if question.asks == "most":
        columns.append(Column("width", [f"{100 * question.width:g}%"] * len(found), right=True))
    clusters = sum(space.clusters for space in found)
    fixed = sum(not space.has_draws for space in found)
    last = [
        f"confidence {100 * question.confidence:g}%; a search runs what it needs, and nothing was started",
        f"{len(found)} search{'es' if len(found) != 1 else ''} over {clusters:,} clusters"
        " (--format json lists the points that would run first)",
    ]
    if fixed:
        last.insert(0, "1 seed: another seed gives no other trace, so an answer holds for this trace alone")
    return Text("\n").join([draw(columns, width), *(prose(line, width) for line in last)])


def _searched(space: ClusterSpace, question: Question) -> str:
    if question.asks == "most":
        return "highest rate"
    load = "" if space.load is None else f" at {rate_text(space.load)}/s"
    return f"least {question.measure}{load}"


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):,.0f}", f"{max(values):,.0f}"
    return low if low == high else f"{low} to {high}"


def _refuse_unknown_slowdowns(experiment: Experiment, spec: SimSpec) -> None:
    """Raise SpecError for limits on slowdowns of a model that was not measured on the reference machine."""
    if not experiment.slo.slowdown:
        return
    policies = policies_for(spec)
    with policies.blamed():
        performance = policies.performance(spec.performance)
        for application in spec.applications:
            model = application.model.measured_as
            if performance.step_times(model, REFERENCE_HARDWARE, REFERENCE_TENSOR_PARALLELISM) is None:
                reason = (
                    f"slowdowns of {model} are not known, since it was not measured on {REFERENCE_HARDWARE}:"
                    " give limits in seconds, such as slo: {seconds: {ttft: {p99: 2}}}"
                )
                raise SpecError(reason, key="slo.slowdown", source=experiment.source)


def _refuse_unknown_prices(experiment: Experiment, space: ClusterSpace) -> None:
    """Raise SpecError for a question about the least of a figure that is not known of a system's machines."""
    question = experiment.find
    if question is None or question.asks == "most":
        return
    for cluster in space.extremes():
        if not cluster.price(question.measure) > 0.0:
            skus = ", ".join(space.first.machines)
            reason = f"the {question.measure} of {skus} are not known: give them under machines, such as"
            reason += f" machines: {{{next(iter(space.first.machines), 'dgx-h100')}: {{watts: 10200}}}}"
            source = f"{experiment.source}: system {space.system}".removeprefix(": ")
            raise SpecError(reason, key="find.least", value=question.measure, source=source)
