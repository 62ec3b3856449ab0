"""What a sweep found, for people: as much in a line as the screen is wide, and nothing cut."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

from rich import box
from rich.console import Console, Group
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from sweep.experiment.naming import axis_labels, machines_text, varied_axes
from sweep.experiment.point import Outcome
from sync.analysis.standing import repetitions
from sync.results.grouping import grouped
from sync.results.metrics import METRICS, SLOWDOWN_PERCENTILES
from sync.results.point_id import rate_text
from sync.results.slo import UNITS, Slo
from sync.results.statistics import mean
from sync.results.verdict import Verdict, verdict

_WIDEST_VALUE = 24  # of an axis; a longer one goes on in the next line
_NAME_WIDTHS = (40, 28, 20, 14)  # of the first column where it holds all that says which point it is


@dataclass(frozen=True)
class _Column:
    header: str
    cells: Sequence[str | Text]
    right: bool = False
    width: int | None = None  # at which it goes on in the next line; None: never


@dataclass(frozen=True)
class _Layout:
    columns: Sequence[_Column]
    above: Sequence[str] = ()  # what holds for all rows, a line each
    leading: int = 0

    def table(self, rows: Sequence[_Row]) -> Table:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, leading=self.leading)
        for column in self.columns:
            justify = "right" if column.right else "left"
            table.add_column(
                column.header,
                justify=justify,  # type: ignore[arg-type]
                no_wrap=column.width is None,
                max_width=column.width,
                overflow="fold",
            )
        for i, row in enumerate(rows):
            last = i + 1 < len(rows) and rows[i + 1].outcome.system != row.outcome.system
            style = "dim" if row.of_seeds else ""
            table.add_row(*(column.cells[i] for column in self.columns), end_section=last, style=style)
        return table


@dataclass(frozen=True)
class _Row:
    """A completed point. Of repetitions with other seeds the first row has the means, and two more, which say so in
    `of_seeds`, the lowest and the highest value of each figure; `verdicts` are those of all seeds."""

    outcome: Outcome
    verdicts: tuple[Verdict, ...] = ()
    of_seeds: str = ""

    @cached_property
    def exceeded(self) -> frozenset[tuple[str, str, str]]:
        """Metric, percentile and unit of each limit that is exceeded with any seed."""
        judgements = [one.judgement for one in self.verdicts if one.judgement is not None]
        return frozenset((at.metric, at.percentile, at.unit) for judgement in judgements for at in judgement.exceeded)

    @property
    def system(self) -> str:
        return self.of_seeds or self.outcome.system

    @property
    def machines(self) -> str:
        return "" if self.of_seeds else machines_text(self.outcome.machines)


def results_table(outcomes: Sequence[Outcome], console: Console, slo: Slo) -> Group:
    """A row a completed point, judged by `slo`, which shows what was varied; of points with several seeds the mean,
    lowest and highest figures of those completed, and how many of all of them are within. The fullest layout that the
    console is wide enough for."""
    unlimited = console.options.update(width=1000, max_width=1000)
    rows = [row for members in repetitions(outcomes) for row in _rows(members, slo)]
    for make in _layouts():
        layout = make(rows)
        table = layout.table(rows)
        if Measurement.get(console, unlimited, table).maximum <= console.width:
            break
    return Group(*map(Text, layout.above), table)


def _rows(members: Sequence[Outcome], slo: Slo) -> Iterator[_Row]:
    verdicts = tuple(verdict(outcome, slo) for outcome in members)
    completed = [outcome for outcome in members if outcome.status == "completed"]
    if not completed:  # stopped and failed points are listed apart
        return
    first = completed[0]
    if len(completed) == 1:
        yield _Row(first, verdicts)
        return
    names = [name for name in first.summary if all(name in outcome.summary for outcome in completed)]
    values = {name: [outcome.summary[name] for outcome in completed] for name in names}
    means = {name: mean(of_seeds) for name, of_seeds in values.items()}
    yield _Row(replace(first, summary=means), verdicts)
    for told, choose in (("lowest", min), ("highest", max)):
        extreme = {name: choose(of_seeds) for name, of_seeds in values.items()}
        yield _Row(replace(first, summary=extreme), of_seeds=f"  {told} of {len(completed)} seeds")


def shown_axes(outcomes: Sequence[Outcome]) -> list[str]:
    """The axes that need a column: those that vary among points of which all else that is shown is equal."""
    groups = grouped(outcomes, lambda o: (o.system, machines_text(o.machines), o.cost, _rate(o)))
    alike = {axis for group in groups for axis in varied_axes([o.axes for o in group])} - {"seed"}
    return [axis for axis in varied_axes([o.axes for o in outcomes]) if axis in alike]


def _layouts() -> Iterator[Callable[[Sequence[_Row]], _Layout]]:
    yield partial(_full, wide=True)
    yield partial(_full, wide=True, stated=True)
    yield partial(_full, wide=True, stated=True, machines_above=True)
    yield partial(_full, wide=False)
    yield partial(_full, wide=False, stated=True)
    for width in _NAME_WIDTHS:
        yield partial(_stacked, name_width=width)
    yield partial(_stacked, name_width=_NAME_WIDTHS[-1], slowdowns=False)


def _full(rows: Sequence[_Row], *, wide: bool, stated: bool = False, machines_above: bool = False) -> _Layout:
    """A column for everything; not `wide`, what belongs together stands in two lines of one column. `stated`: what is
    the same in all rows stands above. `machines_above`: those of each system do, if it has the same in all rows."""
    outcomes = [row.outcome for row in rows]
    systems, machines = [row.system for row in rows], [row.machines for row in rows]
    named = [_Column("system", systems), _Column("machines", machines)]
    if not wide:
        named = [_Column("system\nmachines", [f"{s}\n{m}" for s, m in zip(systems, machines, strict=True)])]
    money = _Column("$/h\npower", [_money(o, wide) for o in outcomes], right=True)
    above: list[str] = []
    of_system = {(row.system, row.machines) for row in rows if not row.of_seeds}
    if machines_above and len(of_system) == len({system for system, _ in of_system}):
        above = [f"{s}: {m}" for s, m in sorted(of_system, key=lambda found: systems.index(found[0]))]
        named = named[:1]
    columns = [*named, *_axis_columns(outcomes), money]
    if stated and len(outcomes) > 1:
        same = [column for column in columns if len(set(column.cells)) == 1]
        above += [f"{_flat(column.header)}: {_flat(column.cells[0])}" for column in same]
        columns = [column for column in columns if column not in same]
    columns.append(_Column("rate\n1/s", [_rate(o) for o in outcomes], right=True))
    for phase in METRICS:
        columns += _phase_columns(rows, phase, wide)
    columns.append(_Column("in\nSLO", [_verdict(row) for row in rows], right=True))
    if any(map(_unserved, outcomes)):
        cells = [_unserved_text(o, "/" if wide else "\n") for o in outcomes]
        columns.append(_Column("rejected\nunfinished", cells, right=True))
    return _Layout(columns, above)


def _stacked(rows: Sequence[_Row], *, name_width: int, slowdowns: bool = True) -> _Layout:
    """All that says which point it is in one column, all that was measured in another: for narrow screens."""
    outcomes = [row.outcome for row in rows]
    axes = shown_axes(outcomes)
    labels = axis_labels(axes)
    names, figures = [], []
    for row, o in zip(rows, outcomes, strict=True):
        told = [f"{label}={_value(o.axes[axis])}" for axis, label in zip(axes, labels, strict=True) if axis in o.axes]
        trace = [o.trace] if o.rate is None else []
        names.append("\n".join([row.system, row.machines, " ".join(told + trace)]).rstrip())
        figures.append(_figures(row, slowdowns))
    columns = [
        _Column("system\nmachines", names, width=name_width),
        _Column("rate\n1/s", ["-" if o.rate is None else rate_text(o.rate) for o in outcomes], right=True),
        _Column("$/h\npower", [f"{o.cost:.0f}\n{o.power:.0f}" for o in outcomes], right=True),
        _Column("in\nSLO", [_verdict(row) for row in rows], right=True),
        _Column("     p50/p90/p99\n     seconds, slowdown" if slowdowns else "     p99\n     seconds", figures),
    ]
    return _Layout(columns, leading=1)


def _axis_columns(outcomes: Sequence[Outcome]) -> list[_Column]:
    axes = shown_axes(outcomes)
    return [
        _Column(
            label,
            [_value(o.axes[axis]) if axis in o.axes else "-" for o in outcomes],
            right=all(isinstance(o.axes.get(axis, 0), int | float) for o in outcomes),
            width=_WIDEST_VALUE,
        )
        for axis, label in zip(axes, axis_labels(axes), strict=True)
    ]


def _phase_columns(rows: Sequence[_Row], phase: str, wide: bool) -> list[_Column]:
    seconds, slowdowns = [_seconds(row, phase) for row in rows], [_slowdowns(row, phase) for row in rows]
    if wide:
        header = f"{phase.upper()} p50/p90/p99\nseconds"
        return [_Column(header, seconds, right=True), _Column("\nslowdown", slowdowns, right=True)]
    both = [Text("\n").join(pair) for pair in zip(seconds, slowdowns, strict=True)]
    return [_Column(f"{phase.upper()} p50/p90/p99\nseconds, slowdown", both, right=True)]


def _figures(row: _Row, slowdowns: bool) -> Text:
    outcome = row.outcome
    lines = []
    for phase in METRICS:
        if not slowdowns:
            lines.append(Text(f"{phase.upper():4} {_number(outcome.summary.get(f'{phase}/p99_s'), 3)}"))
            continue
        seconds = _seconds(row, phase)
        seconds.pad_right(max(0, 17 - len(seconds)))
        lines.append(Text(f"{phase.upper():4} ") + seconds + " " + _slowdowns(row, phase))
    if _unserved(outcome):
        lines.append(_unserved_text(outcome, " rejected, ") + " unfinished" if slowdowns else Text("unserved", "red"))
    return Text("\n").join(lines)


def _money(outcome: Outcome, wide: bool) -> str:
    if wide:
        return f"{outcome.cost:.0f} {outcome.power:.0f}"
    return f"{outcome.cost:.2f}\n{outcome.power:g}"


def _rate(outcome: Outcome) -> str:
    return rate_text(outcome.rate) if outcome.rate is not None else outcome.trace


def _verdict(row: _Row) -> Text:
    """Yes or no; of several seeds how many are within the SLO."""
    if row.of_seeds:
        return Text("")
    within = sum(one.within for one in row.verdicts)
    told = f"{within}/{len(row.verdicts)}" if len(row.verdicts) > 1 else "yes" if within else "no"
    return Text(told, style="green" if within == len(row.verdicts) else "red")


def _seconds(row: _Row, phase: str) -> Text:
    return Text("/").join(_figure(row, phase, p, "seconds", 3) for p in SLOWDOWN_PERCENTILES)


def _slowdowns(row: _Row, phase: str) -> Text:
    return Text("/").join(_figure(row, phase, p, "slowdown", 2) for p in SLOWDOWN_PERCENTILES) + "x"


def _figure(row: _Row, phase: str, percentile: str, unit: str, decimals: int) -> Text:
    """A figure of the summary, red where it exceeds its limit with any seed."""
    value = row.outcome.summary.get(f"{phase}/{percentile}_{UNITS[unit][0]}")
    return Text(_number(value, decimals), style="red" if (phase, percentile, unit) in row.exceeded else "")


def _number(value: float | None, decimals: int) -> str:
    """Three figures, or as many as `decimals` leaves of them: 0.012, 1.23, 12.3, 123."""
    if value is None or not math.isfinite(value):
        return "-"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:.{max(0, min(decimals, 3 - whole))}f}"


def _value(value: object) -> str:
    """An axis' value, as it would be typed."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return ",".join(map(_value, value)) if isinstance(value, list | tuple) else str(value)


def _unserved(outcome: Outcome) -> bool:
    return any(outcome.summary.get(f"run/{what}") for what in ("rejected", "unfinished"))


def _unserved_text(outcome: Outcome, between: str) -> Text:
    counts = [f"{outcome.summary.get(f'run/{what}', 0):.6g}" for what in ("rejected", "unfinished")]
    return Text(between.join(counts), style="red") if _unserved(outcome) else Text("-")


def _flat(text: str | Text) -> str:
    return ", ".join(str(text).split("\n"))
