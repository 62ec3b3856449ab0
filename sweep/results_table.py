"""The table at the end of a sweep: as much in a line as the screen is wide, and nothing cut."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from rich.console import Console
from rich.text import Text

from configs.figure import figure
from configs.terminal import Column, draw, fits, lines, prose, room
from sweep.experiment.naming import axis_labels, varied_axes
from sweep.experiment.point import Outcome
from sync.analysis.standing import Counted, RateStanding, repetitions, standing_of
from sync.results.grouping import grouped
from sync.results.metrics import METRICS, SLOWDOWN_PERCENTILES
from sync.results.point_id import SHOWN_OF_A_KEY, cluster_text, rate_text
from sync.results.slo import UNITS, Slo
from sync.results.statistics import mean
from sync.results.verdict import Verdict, verdict

_WIDEST_VALUE = 24  # characters of an axis' value in one line
_NAME_WIDTHS = (40, 28, 20, 14)  # characters of the first column where it holds all that says which point a row is
_LABEL = 5  # characters of a metric's name in front of its figures
_NO_VALUE = "-"  # of an axis that a system does not have
_UNSERVED = ("rejected", "unfinished")
_THROUGHPUT = {
    "throughput/requests_per_s": ("served", "1/s"),
    "throughput/output_tokens_per_s": ("output", "tokens/s"),
}
_DECIMALS = {"seconds": 3, "slowdown": 2}
_VERDICTS = {
    "within": ("yes", "green"),
    "beyond": ("no", "red"),
    "undecided": ("undecided", "yellow"),
    "failed": ("no", "red"),
}


@dataclass(frozen=True)
class _Row:
    """A completed point, judged. Of repetitions with other seeds the first row has the means, the verdicts of all seeds
    and what these say together (`standing`); two more rows, labelled by `of_seeds`, have the lowest and the highest
    value of each figure."""

    outcome: Outcome
    verdicts: tuple[Verdict, ...] = ()
    standing: RateStanding | None = None
    of_seeds: str = ""

    @cached_property
    def exceeded(self) -> frozenset[tuple[str, str, str]]:
        """Metric, percentile and unit of each limit that is exceeded with any seed."""
        limits = [limit for of_seed in self.verdicts for limit in of_seed.exceeded]
        return frozenset((limit.metric, limit.percentile, limit.unit) for limit in limits)

    @property
    def system(self) -> str:
        return self.of_seeds or self.outcome.system

    @property
    def machines(self) -> str:
        return "" if self.of_seeds else cluster_text(self.outcome.machines, self.outcome.roles)

    @property
    def key(self) -> str:
        """The start of the key, by which `python -m sync compare` finds the run."""
        return "" if self.of_seeds else self.outcome.key[:SHOWN_OF_A_KEY]


@dataclass(frozen=True)
class _Layout:
    """A table's columns, the lines above and below it, and the gap between its rows."""

    columns: list[Column]
    above: Sequence[str] = ()
    below: Sequence[str] = ()
    gap: int = 0


def results_table(outcomes: Sequence[Outcome], screen: Console, slo: Slo, counted: Counted | None = None) -> Text:
    """A row for each completed point, judged by `slo`, with the axes that were varied; for repetitions with several
    seeds the mean, lowest and highest figures, and what they say together. `counted` gives an outcome the counts that
    it lacks. The layout is the fullest one that the screen is wide enough for."""
    rows = [row for members in repetitions(outcomes) for row in _rows(members, slo, counted)]
    systems = [row.outcome.system for row in rows]
    ends = {number for number, (system, following) in enumerate(pairwise(systems)) if system != following}
    dim = {number for number, row in enumerate(rows) if row.of_seeds}
    layouts = list(_layouts(rows))
    layout = next((layout for layout in layouts if fits(layout.columns, screen.width)), layouts[-1])
    table = draw(layout.columns, screen.width, ends=ends, dim=dim, gap=layout.gap)
    above, below = ([prose(line, screen.width) for line in part] for part in (layout.above, layout.below))
    return Text("\n").join([*above, table, *below])


def _rows(members: Sequence[Outcome], slo: Slo, counted: Counted | None) -> Iterator[_Row]:
    completed = [outcome for outcome in members if outcome.status == "completed"]
    if not completed:  # stopped and failed points are listed apart
        return
    verdicts = tuple(verdict(outcome, slo) for outcome in members)
    first, standing = completed[0], standing_of(members, slo, counted)
    if len(completed) == 1:
        yield _Row(first, verdicts, standing)
        return
    names = [name for name in first.summary if all(name in outcome.summary for outcome in completed)]
    values = {name: [outcome.summary[name] for outcome in completed] for name in names}
    yield _Row(replace(first, summary={name: mean(figures) for name, figures in values.items()}), verdicts, standing)
    for word, choose in (("lowest", min), ("highest", max)):
        extreme = {name: choose(figures) for name, figures in values.items()}
        yield _Row(replace(first, summary=extreme), of_seeds=f"  {word} of {len(completed)} seeds")


def shown_axes(outcomes: Sequence[Outcome]) -> list[str]:
    """The axes that need a column: those that vary among points that are equal in all other columns."""
    groups = grouped(outcomes, lambda o: (o.system, cluster_text(o.machines, o.roles), o.cost, _rate(o)))
    needed = {axis for group in groups for axis in varied_axes([outcome.axes for outcome in group])} - {"seed"}
    return [axis for axis in varied_axes([outcome.axes for outcome in outcomes]) if axis in needed]


def _layouts(rows: Sequence[_Row]) -> Iterator[_Layout]:
    """The layouts, from the widest to the narrowest."""
    yield _full(rows)
    yield _full(rows, stated=True)
    yield _full(rows, stated=True, machines_above=True)
    for width in _NAME_WIDTHS:
        yield _stacked(rows, name_width=width)
    yield _stacked(rows, name_width=_NAME_WIDTHS[-1], slowdowns=False)


def _full(rows: Sequence[_Row], *, stated: bool = False, machines_above: bool = False) -> _Layout:
    """A column for every figure. `stated`: what is the same in all rows is above the table. `machines_above`: so are
    the machines of each system, if they are the same in all its rows."""
    outcomes = [row.outcome for row in rows]
    columns = [Column("system", [row.system for row in rows]), Column("machines", [row.machines for row in rows])]
    above: list[str] = []
    pairs = dict.fromkeys((row.system, row.machines) for row in rows if not row.of_seeds)
    if machines_above and len(pairs) == len({system for system, _ in pairs}):
        above = [f"{system}: {machines}" for system, machines in pairs]
        columns = columns[:1]
    columns += _axis_columns(outcomes)
    columns.append(Column("$/h", [f"{outcome.cost:.0f}" for outcome in outcomes], right=True))
    unit, powers = _power(outcomes)
    columns.append(Column(lines(*unit), powers, right=True))
    if stated and len(outcomes) > 1:
        above += [column.in_words(0) for column in columns if len(set(column.cells)) == 1]
        columns = [column for column in columns if len(set(column.cells)) > 1]
    columns += _load_columns(outcomes)
    for metric in METRICS:
        head = lines(f"{metric.upper()} p50/p90/p99", "seconds")
        columns.append(Column(head, [_figures_text(row, metric, "seconds") for row in rows], right=True))
        columns.append(Column("slowdown", [_figures_text(row, metric, "slowdown") for row in rows], right=True))
    columns.append(Column(lines("in", "SLO"), [_verdict(row) for row in rows], right=True))
    if any(outcome.unserved for outcome in outcomes):
        cells = [_unserved_text(outcome, "/") for outcome in outcomes]
        columns.append(Column(lines(*_UNSERVED), cells, right=True))
    columns.append(Column("key", [row.key for row in rows]))
    return _Layout(columns, above)


def _stacked(rows: Sequence[_Row], *, name_width: int, slowdowns: bool = True) -> _Layout:
    """For narrow screens: one column says which point a row is, another has everything that was measured."""
    outcomes = [row.outcome for row in rows]
    axes, (unit, powers) = _axis_columns(outcomes), _power(outcomes)
    prices = [lines(f"{outcome.cost:.0f}", power) for outcome, power in zip(outcomes, powers, strict=True)]
    names = []
    for number, row in enumerate(rows):
        varied = [f"{axis.head}={axis.cells[number]}" for axis in axes if axis.cells[number] != _NO_VALUE]
        trace = [row.outcome.trace] if row.outcome.rate is None and row.outcome.concurrency is None else []
        names.append(lines(*filter(None, (row.system, row.machines, " ".join(varied + trace), row.key))))
    columns = [
        Column(lines("system", "machines", "key"), names, most=name_width),
        _load_in_one(outcomes),
        Column(lines("$/h", *unit), prices, right=True),
        Column(lines("in", "SLO"), [_verdict(row) for row in rows], right=True),
        Column(_figures_head(slowdowns), [_figures(row, slowdowns) for row in rows]),
    ]
    below = []
    if not slowdowns:
        needed = room(_stacked(rows, name_width=name_width).columns)
        below = [f"No room for p50, p90 and slowdowns: COLUMNS={needed} or a wider terminal shows them."]
    return _Layout(columns, below=below, gap=1)


def _load_columns(outcomes: Sequence[Outcome]) -> list[Column]:
    """The rate; of closed loops, which have none, the requests and output tokens that were served a second."""
    columns = []
    if any(outcome.concurrency is None for outcome in outcomes):
        columns.append(Column(lines("rate", "1/s"), [_rate(outcome) for outcome in outcomes], right=True))
    if any(outcome.concurrency is not None for outcome in outcomes):
        for name, head in _THROUGHPUT.items():
            columns.append(Column(lines(*head), [_served(outcome, name) for outcome in outcomes], right=True))
    return columns


def _load_in_one(outcomes: Sequence[Outcome]) -> Column:
    """The same in one column."""
    if all(outcome.concurrency is None for outcome in outcomes):
        cells = ["-" if o.rate is None else rate_text(o.rate) for o in outcomes]
        return Column(lines("rate", "1/s"), cells, right=True)
    served = [lines(*(_served(outcome, name) for name in _THROUGHPUT)) for outcome in outcomes]
    return Column(lines("served 1/s", "tokens/s"), served, right=True)


def _served(outcome: Outcome, name: str) -> str:
    return _number(outcome.summary.get(name), 3)


def _power(outcomes: Sequence[Outcome]) -> tuple[tuple[str, ...], list[str]]:
    """The head and the cells of power: in kW by nameplate, or by the machines' weights where a machine has no watts."""
    if all(outcome.watts for outcome in outcomes):
        return ("kW",), [figure(outcome.watts / 1000.0) for outcome in outcomes]
    return ("power", "weight"), [f"{outcome.power:.0f}" for outcome in outcomes]


def _figures_head(slowdowns: bool) -> Text:
    words = ("p50/p90/p99", "seconds, slowdown") if slowdowns else ("p99", "seconds")
    return lines(*(f"{'':{_LABEL}}{word}" for word in words))


def _axis_columns(outcomes: Sequence[Outcome]) -> list[Column]:
    axes = shown_axes(outcomes)
    return [
        Column(
            label,
            [_value(outcome.axes[axis]) if axis in outcome.axes else _NO_VALUE for outcome in outcomes],
            right=all(isinstance(outcome.axes.get(axis, 0), int | float) for outcome in outcomes),
            most=_WIDEST_VALUE,
        )
        for axis, label in zip(axes, axis_labels(axes), strict=True)
    ]


def _figures(row: _Row, slowdowns: bool) -> Text:
    lines = []
    for metric in METRICS:
        if slowdowns:
            seconds = _figures_text(row, metric, "seconds")
            seconds.pad_right(max(0, 17 - len(seconds)))
            lines.append(Text(f"{metric.upper():{_LABEL}}") + seconds + " " + _figures_text(row, metric, "slowdown"))
        else:
            lines.append(Text(f"{metric.upper():{_LABEL}}{_number(row.outcome.summary.get(f'{metric}/p99_s'), 3)}"))
    if row.outcome.unserved:
        counts = _unserved_text(row.outcome, " rejected, ") + " unfinished"
        lines.append(counts if slowdowns else Text("unserved", "red"))
    return Text("\n").join(lines)


def _rate(outcome: Outcome) -> str:
    if outcome.concurrency is not None:
        return ""
    return rate_text(outcome.rate) if outcome.rate is not None else outcome.trace


def _verdict(row: _Row) -> Text:
    """Yes or no, by several seeds also `undecided`; where their counts are not known how many are within the SLO."""
    if row.standing is None:
        return Text("")
    word, style = _VERDICTS[row.standing.state]
    if row.standing.seeds > 1 and row.standing.judgement is None:
        word = f"{row.standing.within}/{row.standing.seeds}"
    return Text(word, style=style)


def _figures_text(row: _Row, metric: str, unit: str) -> Text:
    """`0.12/0.34/0.56`: the percentiles of a metric, each red if it exceeds its limit with any seed."""
    figures = []
    for percentile in SLOWDOWN_PERCENTILES:
        value = row.outcome.summary.get(f"{metric}/{percentile}_{UNITS[unit][0]}")
        style = "red" if (metric, percentile, unit) in row.exceeded else ""
        figures.append(Text(_number(value, _DECIMALS[unit]), style=style))
    return Text("/").join(figures) + ("x" if unit == "slowdown" else "")


def _number(value: float | None, decimals: int) -> str:
    """Three digits, of them at most `decimals` behind the point: 0.012, 1.23, 12.3, 123."""
    if value is None or not math.isfinite(value):
        return "-"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:.{max(0, min(decimals, 3 - whole))}f}"


def _value(value: object) -> str:
    """The value of an axis, as one would type it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return ",".join(map(_value, value)) if isinstance(value, list | tuple) else str(value)


def _unserved_text(outcome: Outcome, between: str) -> Text:
    counts = [f"{outcome.summary.get(f'run/{name}', 0):.6g}" for name in _UNSERVED]
    return Text(between.join(counts), style="red") if outcome.unserved else Text("-")
