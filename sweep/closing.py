"""What a sweep prints before it starts and after it has ended: how much there is to do, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from math import nan
from pathlib import Path

from rich.console import Console
from rich.text import Text

from configs.stored import own_settings
from configs.terminal import PLAIN_WIDTH, Column, draw, prose, say, say_whole
from sim_core.errors import shown
from sim_core.spec import PluginSpec
from sweep.experiment.naming import axis_labels, shell_text, varied_axes
from sweep.experiment.plugins import arguments_of
from sweep.experiment.point import Outcome, Point
from sweep.launch.backlog import expected_s
from sync.analysis.answers import SweepAnswers, answers, bare_sentences
from sync.analysis.deployment.chosen import best_designs, found_designs, how_to_serve, say_serving
from sync.analysis.found import of_search
from sync.analysis.standing import Counted
from sync.analysis.terms import caveats, terms_lines
from sync.commands.found import print_found
from sync.results.found import Plan as FoundPlan
from sync.results.grouping import grouped
from sync.results.journal import Journal
from sync.results.outcome import SweepInfo
from sync.results.plan import Plan
from sync.results.point_id import SHOWN_OF_A_KEY, cluster_text
from sync.results.sweep import RESULTS, Sweep

MOST_LISTED = 200  # points that are listed one by one
MOST_FAILURES = 20  # failures that are listed one by one
_SHORT_S = 3.0
_LONGER = 3.0  # times as long as a request takes where more arrive than are served: docs/performance.md, "Growth"


def preview(points: Sequence[Point], total: int, width: int = PLAIN_WIDTH) -> Text:
    """What would run and about how long it takes, in lines of `width` characters: a row for each point, or for each
    system if there are many points."""
    if len(points) <= MOST_LISTED:
        parts = [draw(_points_columns(points), width, more="--format json")]
    else:
        parts = [draw(_systems_columns(points), width), prose("(--format json lists the points)", width)]
    of_total = f" of {total}" if total != len(points) else ""
    last = [estimate_text(points), f"{len(points)}{of_total} points; nothing was started"]
    return Text("\n").join([*parts, *(prose(line, width) for line in last)])


def estimate_text(points: Sequence[Point], cores: int | None = None) -> str:
    """`77,280,000 requests: an estimated 44 min to 2.2 h of CPU time, 22 min to 1.1 h on 2 cores`.

    Computed from the times in docs/performance.md; the longer time is for clusters that get more requests than they
    can serve.
    """
    cores = cores or os.cpu_count() or 1
    least_s = sum(map(expected_s, points))
    requests = sum(point.requests for point in points)
    if least_s < _SHORT_S:
        return f"{requests:,} requests: an estimated few seconds of CPU time"
    on_cores = f", {_range_text(least_s / cores)} on {cores} cores" if cores > 1 else ""
    return f"{requests:,} requests: an estimated {_range_text(least_s)} of CPU time{on_cores}"


def print_answer(
    outcomes: Sequence[Outcome],
    info: SweepInfo,
    results: Path,
    console: Console,
    plan: Plan | None = None,
    searched: FoundPlan | None = None,
) -> SweepAnswers | None:
    """Print what outcomes of a sweep answer, what the answer stands on, and the command that shows more; nothing if
    nothing was measured. `results` is the folder of results, `plan` what the sweep plans. Of a sweep with a question
    `searched` is what its planner found: then this is the answer, and not what carries most of the probed rates.
    Returns the answer, None where it is `searched`."""
    if searched is None and not any(outcome.summary for outcome in outcomes):
        return None
    counted = counting(info, results)
    found = answers(outcomes, info.slo, plan=plan, figures=info.machines, counted=counted)
    if searched is None:
        print_sentences(found, console)
    else:
        found = replace(found, terms=of_search(found.terms))
        for caveat in caveats(found.terms):
            say(console, caveat, style="bold yellow")
        print_found(searched, console, with_notes=False)
    for line in terms_lines(found.terms):
        say(console, line)
    place = [] if results.absolute() == RESULTS.absolute() else ["--results", str(results)]
    designs = best_designs(found) if searched is None else found_designs(searched)
    say_serving(console, how_to_serve(designs, _kept(designs, outcomes, Journal(results / info.name))))
    say_whole(console, f"more: {shell_text(['python', '-m', 'sync', *place, 'answers', info.name])}")
    return found if searched is None else None


def _kept(designs: Iterable[str], outcomes: Iterable[Outcome], journal: Journal) -> list[Outcome]:
    """A run of each design with its configuration, which the journal alone has."""
    keys = {outcome.design: outcome.key for outcome in outcomes}
    kept = [journal.figures(keys[design]) for design in designs if design in keys]
    return [outcome for outcome in kept if outcome is not None]


def counting(info: SweepInfo, results: Path) -> Counted:
    """Gives an outcome its requests beyond each limit of the sweep's SLO, from its table in the folder of results where
    it was run with another SLO."""
    return Sweep(info.name, Journal(results / info.name), slo=info.slo).with_counts


def print_sentences(found: SweepAnswers, console: Console) -> None:
    """Print what limits an answer, then a sentence a workload."""
    for caveat in caveats(found.terms):
        say(console, caveat, style="bold yellow")
    for sentence in bare_sentences(found):
        say(console, sentence, style="bold")


def stopped_text(outcomes: Sequence[Outcome]) -> Text:
    """The points that were stopped as unstable, with the time at which they were."""

    def reason(outcome: Outcome) -> str:
        return f"stopped at {outcome.summary.get('run/stopped_early_s', nan):.4g} s"

    return _listed(
        [outcome for outcome in outcomes if outcome.status == "stopped"], ("unstable", "bold yellow"), reason
    )


def standing_still_text(outcomes: Sequence[Outcome]) -> Text:
    """The points in which instances stand still for ever, with the number of requests that are never served."""

    def reason(outcome: Outcome) -> str:
        requests, since_s = (outcome.summary.get(f"run/standstill_{name}", nan) for name in ("requests", "s"))
        return f"{requests:,.0f} requests can never be served, since {since_s:,.4g} s after the first arrival"

    still = [outcome for outcome in outcomes if outcome.summary.get("run/standstill_requests", 0.0) > 0]
    text = _listed(still, ("standstill", "bold red"), reason)
    if still:
        text.append(
            "to change: instances with more memory, more instances, or a lower rate; --point N --debug says which\n"
        )
    return text


def cut_text(outcomes: Sequence[Outcome]) -> Text:
    """The points that `end_time` cut."""

    def reason(outcome: Outcome) -> str:
        at_s, missing = outcome.summary["run/cut_at_s"], outcome.summary.get("run/not_arrived", nan)
        return f"at {at_s:g} s after the first arrival (end_time), {missing:,.0f} requests had not arrived"

    return _listed(
        [outcome for outcome in outcomes if "run/cut_at_s" in outcome.summary], ("cut", "bold yellow"), reason
    )


def failures_text(
    outcomes: Sequence[Outcome], arguments: Sequence[str] | None, plugins: Mapping[str, PluginSpec]
) -> Text:
    """The failed points with their reasons, and the commands that look into one and run all of them again. `arguments`
    are the sweep's own (None: a search, whose points are single runs to whoever looks into one), `plugins` those of its
    experiment."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    text = _listed(failed, ("failed", "bold red"), lambda outcome: (outcome.error or "no reason given").splitlines()[0])
    if failed:
        settings = own_settings(failed[0].overrides, tuple(plugins.values()))
        command = ["sim_core", *arguments_of(plugins), *settings, "debug=True"]
        if arguments is not None:
            command = ["sweep", *arguments, "--point", failed[0].key[:12], "--local", "--debug"]
        text.append(f"to look into one: {shell_text(['python', '-m', *command])}\n")
        text.append("to run them again: the same command with --retry-failed\n")
    return text


def _listed(outcomes: Sequence[Outcome], label: tuple[str, str], reason: Callable[[Outcome], str]) -> Text:
    """A line for each outcome, up to `MOST_FAILURES`; `label` is a word and its style."""
    word, style = label
    text = Text()
    for outcome in outcomes[:MOST_FAILURES]:
        text.append(f"{word} ", style).append(f"{shown(outcome.name)}: {shown(reason(outcome))}\n")
    if len(outcomes) > MOST_FAILURES:
        text.append(f"and {len(outcomes) - MOST_FAILURES} more\n")
    return text


def _points_columns(points: Sequence[Point]) -> list[Column]:
    return [
        Column("#", [str(point.index) for point in points], right=True),
        Column("point", [point.name for point in points], whole=True),
        Column("machines", [cluster_text(point.machines, point.roles) for point in points], spare=2, whole=True),
        Column("$/h", [f"{point.cost:.2f}" for point in points], right=True, spare=1),
        _power_column([[point] for point in points], spare=3),
        Column("trace", [point.trace.filename for point in points], spare=4, whole=True),
        Column("key", [point.key[:SHOWN_OF_A_KEY] for point in points]),
    ]


def _systems_columns(points: Sequence[Point]) -> list[Column]:
    groups = grouped(points, lambda point: point.system)
    return [
        Column("system", [members[0].system for members in groups]),
        Column("points", [f"{len(members):,}" for members in groups], right=True),
        Column("requests", [f"{sum(point.requests for point in members):,}" for members in groups], right=True),
        Column("$/h", [_span_text([p.cost for p in members], ".2f") for members in groups], right=True, whole=True),
        Column(
            "power weight", [_span_text([p.power for p in members], "g") for members in groups], right=True, spare=1
        ),
        Column("varied", [_varied_text(members) for members in groups]),
    ]


def _power_column(groups: Sequence[Sequence[Point]], spare: int) -> Column:
    """Power in kW by nameplate, or by the machines' weights where a machine has no watts."""
    if all(point.watts for members in groups for point in members):
        cells = [_span_text([point.watts / 1000.0 for point in members], ".1f") for members in groups]
        return Column("kW", cells, right=True, spare=spare)
    cells = [_span_text([point.power for point in members], "g") for members in groups]
    return Column("power weight", cells, right=True, spare=spare)


def _varied_text(points: Sequence[Point]) -> str:
    """`workload code/conv, rate 30 to 90 (13)`: the axes that vary, with their values."""
    axes = varied_axes([point.axes for point in points])
    texts = []
    for axis, label in zip(axes, axis_labels(axes), strict=True):
        values = list(dict.fromkeys(point.axes[axis] for point in points))
        span = f"{values[0]} to {values[-1]} ({len(values)})"
        texts.append(f"{label} {span if len(values) > 3 else '/'.join(map(str, values))}")
    return ", ".join(texts)


def _span_text(values: Sequence[float], form: str) -> str:
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low} to {high}"


def _range_text(seconds: float) -> str:
    return f"{_rough_text(seconds)} to {_rough_text(_LONGER * seconds)}"


def _rough_text(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
