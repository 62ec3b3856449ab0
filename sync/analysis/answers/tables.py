"""The answers as tables: the terminal, Markdown and the report show these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from sync.analysis.answers.base import Configuration, Normalised, SweepAnswers, SystemAnswer, WorkloadAnswer
from sync.analysis.answers.build import normalised
from sync.analysis.texts import Table, number
from sync.results.point_id import rate_text

OF_A_LIMIT = "Of a limit: the largest share of a limit that a design takes at the highest rate that it carries."


def tables(workload: WorkloadAnswer) -> list[Table]:
    """All tables of a workload that have something to say."""
    return [table for table in (highest(workload), least(workload), front(workload)) if table is not None]


_HIGHEST: Sequence[tuple[str, Callable[[Normalised], str]]] = (
    ("design", lambda row: row.configuration.design),
    ("carries", lambda row: number(row.configuration.carries, "{:g}/s", "yes")),
    ("", lambda row: number(row.rate, "{:.2f}×")),
    ("seeds", lambda row: f"{row.configuration.seeds}"),
    ("of a limit", lambda row: number(row.configuration.tightest, "{:.0%}")),
    ("$/h", lambda row: f"{row.configuration.cost:,.2f}"),
    ("", lambda row: number(row.cost, "{:.2f}×")),
    ("power", lambda row: f"{row.configuration.power:,.1f}"),
    ("", lambda row: number(row.power, "{:.2f}×")),
    ("requests/$", lambda row: number(row.configuration.requests_per_dollar, "{:,.0f}")),
    ("requests/kWh", lambda row: number(row.configuration.requests_per_kwh, "{:,.0f}")),
    ("then", lambda row: _then(row.configuration)),
)


def highest(workload: WorkloadAnswer) -> Table:
    """Of each system the design that carries most, the highest rate first, in multiples of the reference's figures."""
    rows = sorted(normalised(workload), key=lambda row: (-(row.configuration.carries or 0.0), row.configuration.cost))
    cells = [tuple(cell(row) for _, cell in _HIGHEST) for row in rows]
    for answer in workload.systems:
        if answer.highest is None:
            cells.append((_counted(answer), "none", *["-"] * (len(_HIGHEST) - 3), _why_none(workload, answer)))
    title = f"{workload.workload}: the highest rate within the SLO, and multiples of {workload.reference}'s"
    words = frozenset({0, len(_HIGHEST) - 1})
    return Table(title, tuple(head for head, _ in _HIGHEST), tuple(cells), words).known()


def least(workload: WorkloadAnswer) -> Table | None:
    """Of each system the cheapest design that carries the rate asked for, and the one of least power, in multiples of
    the reference's; None where no system has a choice, or none carries the rate."""
    choice = any(answer.configurations > 1 for answer in workload.systems)
    if workload.rate is None or not choice or not any(answer.cheapest for answer in workload.systems):
        return None
    costs = {row.system: row.cost for row in normalised(workload, "cheapest")}
    powers = {row.system: row.power for row in normalised(workload, "least_power")}
    cells: list[tuple[str, ...]] = []
    for answer in workload.systems:
        cost, power = (number(multiples.get(answer.system), "{:.2f}×") for multiples in (costs, powers))
        if answer.cheapest is None or answer.least_power is None:
            cells.append((_counted(answer), *["-"] * 4, "none carries it"))
        elif answer.cheapest == answer.least_power:
            cells.append(_choice(answer.cheapest, cost, power, "costs and draws least"))
        else:
            cells.append(_choice(answer.cheapest, cost, "-", "costs least"))
            cells.append(_choice(answer.least_power, "-", power, "draws least"))
    rate = rate_text(workload.rate)
    title = f"{workload.workload}: to carry {rate} requests/s within the SLO, and multiples of {workload.reference}'s"
    return Table(title, ("design", "$/h", "", "power", "", "which"), tuple(cells), frozenset({0, 5})).known()


def front(workload: WorkloadAnswer) -> Table | None:
    """The Pareto front; None where it is a single design."""
    if len(workload.front) < 2:
        return None
    cells = tuple(
        (design.design, f"{design.cost:,.2f}", f"{design.power:,.1f}", number(design.carries, "{:g}/s", "yes"))
        for design in workload.front
    )
    title = f"{workload.workload}: no other design costs less, draws less and carries more than each of these"
    return Table(title, ("design", "$/h", "power", "carries"), cells)


def counts(answers: SweepAnswers) -> str:
    """How many points there are, how they ended, and how many requests were not served, in a line."""
    completed = answers.runs - answers.stopped - answers.failed
    ended = {"completed": completed, "stopped as unstable": answers.stopped, "failed": answers.failed}
    line = f"{answers.runs:,} points: {_counts(ended.items()) or 'none finished'}."
    if not answers.runs:
        return line
    unserved = _counts((("rejected", answers.rejected), ("unfinished", answers.unfinished)), " and ")
    served = f"Requests not served, over all runs: {unserved}." if unserved else "Completed runs served every request."
    return f"{line} {served}"


def _counts(pairs: Iterable[tuple[str, int]], between: str = ", ") -> str:
    return between.join(f"{count:,} {word}" for word, count in pairs if count)


def _counted(answer: SystemAnswer) -> str:
    return f"{answer.system} (of {answer.configurations})"


def _choice(design: Configuration, cost: str, power: str, which: str) -> tuple[str, ...]:
    machines = ", ".join(f"{count} {sku}" for sku, count in design.machines.items())
    return design.design, f"{design.cost:,.2f}", cost, f"{design.power:,.1f}", power, f"{which}: {machines}"


def _then(design: Configuration) -> str:
    """What ended the ladder of rates of a design."""
    then = design.then
    if then is None:
        return "no higher rate was run" if design.carries is not None else "-"
    above = ", ".join(map(rate_text, design.above))
    text = then.text if then.rate is None else f"{rate_text(then.rate)}/s: {then.text}"
    return f"{text} (within again at {above}/s, not counted)" if above else text


def _why_none(workload: WorkloadAnswer, answer: SystemAnswer) -> str:
    """What is in the way of the largest design of a system that holds nothing."""
    largest = workload.largest(answer.system)
    return _then(largest) if answer.configurations == 1 else f"{largest.design} at {_then(largest)}"
