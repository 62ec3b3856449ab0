"""The answers as tables: the terminal, Markdown and the report show these. Each fits a line of 80 characters where a
design's name has no more than about 24."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from configs.figure import figure
from sync.analysis.answers.base import Configuration, Ranked, SweepAnswers, SystemAnswer, WorkloadAnswer
from sync.analysis.answers.build import normalised
from sync.analysis.answers.ranking import SYSTEM, drawn
from sync.analysis.answers.words import carries_none, share_text
from sync.analysis.seeds import (
    CONFIDENCE_TEXT,
    NO_COUNTS_NOTE,
    ONE_NOTE,
    SEVERAL_NOTE,
    interval_words,
    ratio_words,
    share_figure,
)
from sync.analysis.standing import are_judged
from sync.analysis.terms import listed
from sync.analysis.texts import Table, joined, number
from sync.results.point_id import rate_text
from sync.results.provenance import MOST_UNMEASURED

OF_A_LIMIT = (
    "Of limit: the largest share of a limit that a design takes at the highest rate that the design carries; of a"
    " design that carries none, at its lowest rate."
)
WEIGHT_NOTE = "Weight: the machines' power weights of the Splitwise paper, which have no unit; watts are not known."
EFFECT_NOTE = (
    "Designs that are equal in all other axes are compared; of each comparison the change is the highest less the"
    " lowest figure; a design that carries none of the rates that were run counts with 0. A system stands with the best"
    " of its own axes."
)
MOST_RANKED = 50  # designs in a table for people
_FIRST = frozenset({0})  # the column that has the names of designs
_MOST_VALUES = 4  # of an axis, listed one by one


def tables(workload: WorkloadAnswer, most: int | None = MOST_RANKED) -> list[Table]:
    """All tables of a workload that have something to say; at most `most` designs are ranked."""
    made = (
        least(workload) if workload.asked else None,
        ranked(workload, most),
        highest(workload),
        then(workload),
        None if workload.asked else least(workload),
        front(workload),
        axes(workload),
    )
    return [table for table in made if table is not None]


def ranked(workload: WorkloadAnswer, most: int | None = MOST_RANKED) -> Table:
    """Every design, the best first, then the designs that were not run."""
    shown = workload.ranking[:most]
    rows = [_ranked(row, workload) for row in shown]
    rows += [("-", design, "not run", *["-"] * 5) for design in workload.not_run]
    count = len(workload.ranking)
    which = f"the first {len(shown):,} of {count:,} designs" if len(shown) < count else "every design"
    title = f"{workload.workload}: {which}, the highest rate within the SLO first, of equals the cheapest"
    places = [row.place for row in shown if row.place is not None]
    title += " (equal places are ties)" if len(set(places)) < len(places) else ""
    heads = ("place", "design", "requests/s", "less than", "of limit", "limit", "$/h", _draw_head(workload))
    table = Table(title, heads, tuple(rows), frozenset({1, 5}), spare=(7, 6, 3), names=frozenset({1}))
    return table if any(row.less_than is not None for row in shown) else table.without(3)


def _ranked(row: Ranked, workload: WorkloadAnswer) -> tuple[str, ...]:
    carried = _carried(row.carries, row.at_least) if row.state == "carries" else row.state
    share = share_text(row.share)
    if row.low is not None and row.share is not None:
        share = f"{share_figure(row.share)} {interval_words(row.low, row.high)}"
    if row.state != "carries" and row.share is not None and row.rate is not None:
        share = f"{share} at {rate_text(row.rate)}"
    place = "-" if row.place is None else f"{row.place}"
    less = "-" if row.less_than is None else rate_text(row.less_than)
    return place, row.design, carried, less, share, row.limit or "-", figure(row.cost), _draw(workload, row)


def highest(workload: WorkloadAnswer) -> Table | None:
    """Of each system the design that carries most, the highest rate first, in multiples of the reference's figures;
    None where there is nothing to compare."""
    rows = sorted(normalised(workload), key=lambda row: (-(row.configuration.carries or 0.0), row.configuration.cost))
    if len(workload.systems) < 2 or not rows:
        return None
    seeds = max(row.configuration.seeds for row in rows)
    ties = {answer.system: len(answer.highest_ties) for answer in workload.systems}
    cells: list[tuple[str, ...]] = [
        (
            row.configuration.design,
            _carried(row.configuration.carries, row.configuration.may_carry_more),
            number(None if (interval := row.configuration.interval) is None else interval[1], "{:g}"),
            number(row.rate, "{:.2f}×"),
            ratio_words(row.rate_interval) or "-",
            number(row.cost, "{:.2f}×"),
            number(row.watts if workload.draws_by == "watts" else row.power, "{:.2f}×"),
            figure(row.configuration.requests_per_dollar),
            figure(row.configuration.requests_per_kwh),
            figure(row.configuration.joules_per_request),
            f"{row.configuration.seeds}" if seeds > 1 else "-",
            f"{ties[row.system]} more" if ties[row.system] else "-",
        )
        for row in rows
    ]
    for answer in workload.systems:
        if answer.highest is None:
            cells.append((_counted(answer), _none(workload, answer), *["-"] * 10))
    title = f"{workload.workload}: the best of each system, in multiples of {workload.reference}'s figures"
    title += "; requests served per $ and per kWh of the nameplates"
    if any(row.configuration.joules_per_request for row in rows):
        is_estimated = any(row.configuration.estimated_joules > MOST_UNMEASURED for row in rows)
        title += f", GPU energy a request{' (in part by estimated power)' if is_estimated else ''}"
    draws = _draw_head(workload)
    rates = ("requests/s", "less than", "rate ×", f"× {CONFIDENCE_TEXT}")
    heads = ("design", *rates, "$/h ×", f"{draws} ×", "per $", "per kWh", "J", "seeds", "tie with")
    return Table(title, heads, tuple(cells), spare=(8, 9, 7, 6, 2, 4), names=_FIRST).known()


def _none(workload: WorkloadAnswer, answer: SystemAnswer) -> str:
    """Why no design of a system stands for it: `none` carries a rate, `undecided`, or `open`."""
    members = [member for member in workload.configurations if member.system == answer.system]
    if carries_none(workload, answer):
        return "none"
    return "open" if any(member.state == "open" for member in members) else "undecided"


def then(workload: WorkloadAnswer) -> Table | None:
    """Of each system what ended the rates of the design that carries most; where none does, of the largest."""
    rows = []
    for answer in workload.systems:
        design = answer.highest or _stands_for(workload, answer)
        text = then_text(design)
        if text != "-" and (len(workload.rates) > 1 or design.then is not None or design.missing):
            rows.append((design.design, text))
    title = f"{workload.workload}: what happens at the next rate, of the best design of each system"
    heads = "design", "at the next rate"
    return Table(title, heads, tuple(rows), frozenset({0, 1}), names=_FIRST) if rows else None


def _stands_for(workload: WorkloadAnswer, answer: SystemAnswer) -> Configuration:
    """The design that stands for a system of which none is known to carry a rate: of open ones the one that is within
    the SLO at the highest rate, else the largest."""
    members = [member for member in workload.configurations if member.system == answer.system and member.above]
    return max(members, key=lambda member: member.above[-1], default=workload.largest(answer.system))


def then_text(design: Configuration) -> str:
    """What ended the rates of a design: the next rate's verdict, and rates that have no result."""
    text = ""
    if design.then is not None:
        rate = design.then.rate
        text = design.then.text if rate is None else f"{rate_text(rate)}/s: {design.then.text}"
        if rate is not None and design.beyond is not None and design.beyond > rate:
            text += f"; beyond at {rate_text(design.beyond)}/s" if design.then.state == "undecided" else ""
    not_run = [rate_text(rate) for rate in design.missing if rate not in design.failed]
    if design.then is None and design.carries is not None and not any(r > design.carries for r in design.missing):
        text = "no higher rate was run"
    if not_run:
        text += f"{'; ' if text else ''}no result yet at {listed(not_run)}/s"
    if design.above:
        within = f"at {listed([rate_text(rate) for rate in design.above])}/s"
        text += f" (within {within})" if design.state == "open" else f" (within again {within}, not counted)"
    return text.strip() or "-"


def least(workload: WorkloadAnswer) -> Table | None:
    """Of each system the cheapest design that carries the rate asked for, and the one of least power, in multiples of
    the reference's; None where no system has a choice and no rate was asked for, or none carries the rate."""
    choice = workload.asked or any(answer.configurations > 1 for answer in workload.systems)
    if workload.rate is None or not choice or not any(answer.cheapest for answer in workload.systems):
        return None
    costs = {row.system: row.cost for row in normalised(workload, "cheapest")}
    draws = {row.system: getattr(row, workload.draws_by) for row in normalised(workload, "least_power")}
    cells: list[tuple[str, ...]] = []
    for answer in sorted(workload.systems, key=_cost_of_cheapest):
        cost, power = (number(multiples.get(answer.system), "{:.2f}×") for multiples in (costs, draws))
        tied, drawing = _tied(answer.cheapest_ties), _tied(answer.least_power_ties)
        if answer.cheapest is None or answer.least_power is None:
            none = "no design is known to carry it" if workload.is_open else "no design carries it"
            cells.append((_counted(answer), *["-"] * 4, none))
        elif answer.configurations == 1:
            cells.append(_choice(workload, answer.cheapest, cost, power, ""))
        elif answer.cheapest == answer.least_power:
            cells.append(_choice(workload, answer.cheapest, cost, power, f"costs and draws least{tied or drawing}"))
        else:
            cells.append(_choice(workload, answer.cheapest, cost, "-", f"costs least{tied}"))
            cells.append(_choice(workload, answer.least_power, "-", power, f"draws least{drawing}"))
    title = f"{workload.workload}: the cheapest design of each system to carry {rate_text(workload.rate)} requests/s"
    title += " within the SLO, and the one that draws least"
    title += f"; multiples of {workload.reference}'s" if costs.get(workload.reference) else ""
    heads = ("design", "$/h", "$/h ×", _draw_head(workload), f"{_draw_head(workload)} ×", "which")
    return Table(title, heads, tuple(cells), frozenset({0, 5}), spare=(4, 2), names=_FIRST).known()


def front(workload: WorkloadAnswer) -> Table | None:
    """The Pareto front; None where it is a single design."""
    if len(workload.front) < 2:
        return None
    cells = tuple(
        (
            d.design,
            _carried(d.carries, d.may_carry_more),
            figure(d.cost),
            _draw(workload, d),
            _front_ties(workload, d),
        )
        for d in workload.front
    )
    title = f"{workload.workload}: no other design costs less, draws less and carries more than each of these"
    heads = ("design", "requests/s", "$/h", _draw_head(workload), "tie with")
    return Table(title, heads, cells, frozenset({0, 4}), names=_FIRST).known()


def _front_ties(workload: WorkloadAnswer, member: Configuration) -> str:
    """The designs that equal one of the front in cost, power and rate."""
    own = member.cost, drawn(member, workload.draws_by), member.carries
    ties = [
        other.design
        for other in workload.configurations
        if other.holds and other is not member and (other.cost, drawn(other, workload.draws_by), other.carries) == own
    ]
    return listed(ties) or "-"


def axes(workload: WorkloadAnswer) -> Table | None:
    """How much each axis matters; None where nothing varies but the system."""
    if not has_axes(workload):
        return None
    is_rate = workload.axes[0].unit == "requests/s"
    cells = []
    for effect in workload.axes:
        values = effect.values
        span = f"{values[0]} to {values[-1]} ({len(values)})" if len(values) > _MOST_VALUES else ", ".join(values)
        mean, largest = ((f"{v:.3g}" if is_rate else f"{100 * v:.3g}") for v in (effect.mean, effect.largest))
        cells.append((effect.axis, mean, largest, f"{effect.comparisons:,}", span))
    what = "the carried rate, requests/s" if is_rate else "the share of requests within the limits, % points"
    title = f"{workload.workload}: {_which_axis(workload)}; by how much each axis changes {what}"
    return Table(title, ("axis", "mean", "most", "compared", "values"), tuple(cells), frozenset({0, 4}))


def _which_axis(workload: WorkloadAnswer) -> str:
    """`the axis scheduler matters most`; a tie is told as one, and that rates are open."""
    so_far = " so far" if workload.is_open else ""
    largest = workload.axes[0].mean
    first = [effect.axis for effect in workload.axes if effect.mean == largest]
    if largest == 0:
        return f"no axis makes a difference{so_far}"
    if len(first) == 1:
        return f"the axis {first[0]} matters most{so_far}"
    return f"the axes {joined(first)} matter most{so_far} (a tie)"


def has_axes(workload: WorkloadAnswer) -> bool:
    """Whether designs differ in an axis, and not in their system alone."""
    return any(effect.axis != SYSTEM for effect in workload.axes)


def notes(answers: SweepAnswers) -> list[str]:
    """What the tables' words mean."""
    found = [OF_A_LIMIT, *seeds_notes(answers)]
    found += [WEIGHT_NOTE] if any(workload.draws_by == "power" for workload in answers.workloads) else []
    return found + ([EFFECT_NOTE] if any(map(has_axes, answers.workloads)) else [])


def seeds_notes(answers: SweepAnswers) -> list[str]:
    """How seeds are judged, and what has no interval."""
    standings = [at for workload in answers.workloads for member in workload.configurations for at in member.at]
    several = [standing for standing in standings if standing.seeds > 1]
    found = [ONE_NOTE] if len(several) < len(standings) else []
    found += [SEVERAL_NOTE] if any(standing.judgement is not None for standing in several) else []
    return found + ([] if are_judged(several) else [NO_COUNTS_NOTE])


def counts(answers: SweepAnswers) -> str:
    """How many points there are, how they ended, and how many requests were not served, in a line."""
    completed = answers.runs - answers.stopped - answers.failed
    ended = {"completed": completed, "stopped as unstable": answers.stopped, "failed": answers.failed}
    points = "1 point" if answers.runs == 1 else f"{answers.runs:,} points"
    line = f"{points}: {_counts(ended.items()) or 'none finished'}."
    if not answers.runs:
        return line
    unserved = _counts((("rejected", answers.rejected), ("unfinished", answers.unfinished)), " and ")
    served = f"Requests not served, over all runs: {unserved}." if unserved else "Completed runs served every request."
    return f"{line} {served}"


def _counts(pairs: Iterable[tuple[str, int]], between: str = ", ") -> str:
    return between.join(f"{count:,} {word}" for word, count in pairs if count)


def _carried(rate: float | None, at_least: bool) -> str:
    """`24`; `≥ 24` where it may be more; `yes` for a load without a rate."""
    return "yes" if rate is None else f"{'≥ ' if at_least else ''}{rate_text(rate)}"


def _counted(answer: SystemAnswer) -> str:
    return f"{answer.system} (of {answer.configurations})"


def _cost_of_cheapest(answer: SystemAnswer) -> float:
    return float("inf") if answer.cheapest is None else answer.cheapest.cost


def _tied(names: Sequence[str]) -> str:
    return f" (tie with {names[0] if len(names) == 1 else f'{len(names)} more designs'})" if names else ""


def _draw_head(workload: WorkloadAnswer) -> str:
    return "kW" if workload.draws_by == "watts" else "weight"


def _draw(workload: WorkloadAnswer, member: Configuration | Ranked) -> str:
    value = drawn(member, workload.draws_by)
    return figure(value / 1000.0 if workload.draws_by == "watts" else value)


def _choice(workload: WorkloadAnswer, design: Configuration, cost: str, power: str, which: str) -> tuple[str, ...]:
    machines = ", ".join(f"{count} {sku}" for sku, count in design.machines.items())
    words = f"{which}: {machines}" if which else machines
    return design.design, figure(design.cost), cost, _draw(workload, design), power, words
