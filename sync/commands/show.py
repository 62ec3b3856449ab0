"""`show`: the runs of one sweep as a table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from configs.terminal import Column, console, draw, fits, lines, say
from sim_core.errors import shown
from sync.analysis.repeated import Repeated, interval_text, repeated, siblings
from sync.analysis.repetitions import FEW
from sync.analysis.seeds import CONFIDENCE_TEXT, TOO_FEW
from sync.analysis.standing import repetitions
from sync.commands.base import READING, Subparsers, add_command, left_out, read_sweep
from sync.commands.runs import chosen_runs
from sync.results.frame import runs_frame
from sync.results.metrics import METRICS
from sync.results.outcome import Outcome
from sync.results.point_id import SHOWN_OF_A_KEY, point_text
from sync.results.provenance import caution, shares_of_all, shares_text
from sync.results.spreadsheet import safe_frame
from sync.results.sweep import Sweep

# The figures by their heads; with each how soon its column may be left out.
_SHOWN = {
    f"{metric.upper()} {percentile} (s)": (f"{metric}/{percentile}_s", rank)
    for metric in METRICS
    for percentile, rank in (("p50", 3), ("p99", 2))
}
# Those of closed loops, beside the times.
_SERVED = {"requests/s": ("throughput/requests_per_s", 1), "output tokens/s": ("throughput/output_tokens_per_s", 1)}
# Of runs with a prefix cache: the share of the prompts' tokens, also where the cache would never lose a block.
_SHOWN_OF_A_CACHE = {"hits": ("cache/hit_rate", 1), "hits at most": ("cache/bound_rate", 1)}
_EXAMPLES = """examples:
  python -m sync show quickstart
  python -m sync show quickstart --where system=splitwise-ha rate=24,32
  python -m sync show quickstart 16 18          the runs of two points, by number (or name, or key), and their seeds
  python -m sync show quickstart --slo experiments/slo/paper.yaml   judged by a file's limits (`answers --help`)
  python -m sync show quickstart --all          also points of the experiment as it was before it was changed
  python -m sync show quickstart --each         a row for each run, also where runs differ by seed alone
"""


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    summary = "show the runs of one sweep: times in seconds, what is too slow, and means over seeds, with intervals"
    options = ("name", "runs", "--slo", "--where", *READING)
    parser = add_command(subparsers, "show", _run, summary, _EXAMPLES, options)
    parser.add_argument("--each", action="store_true", help="a row for each run, also where they differ by seed alone")
    parser.add_argument("--columns", action="store_true", help="list the columns that --where and --format csv have")
    text = "csv and json have a row for each run and all columns; default: %(default)s"
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table", help=text)


def _run(arguments: argparse.Namespace) -> int:
    sweep = read_sweep(arguments)
    chosen = chosen_runs(sweep, arguments)
    if arguments.columns or arguments.format != "table":
        frame = runs_frame(map(sweep.with_goodput, chosen), sweep.slo)
        if arguments.columns:
            print("\n".join(map(shown, frame.columns)))
        elif arguments.format == "csv":
            safe_frame(frame).to_csv(sys.stdout, index=False)
        else:
            print(frame.to_json(orient="records", indent=1, double_precision=15))
        return 0
    _print(sweep, chosen, arguments)
    return 0


@dataclass(frozen=True)
class _Row:
    """A run, or repetitions, in the table."""

    name: str
    key: str
    seeds: Repeated

    @classmethod
    def of(cls, seeds: Repeated) -> _Row:
        """The row of a run, or of repetitions by what their names have in common, with the key of the first."""
        first = seeds.runs[0]
        name = first.name if len(seeds.runs) == 1 else point_text(first.point_id)
        return cls(name, first.key[:SHOWN_OF_A_KEY], seeds)


def _print(sweep: Sweep, chosen: Sequence[Outcome], arguments: argparse.Namespace) -> None:
    ordered = sorted(chosen, key=lambda outcome: outcome.index)
    groups = [[outcome] for outcome in ordered] if arguments.each else repetitions(ordered)
    rows = [_Row.of(repeated(members, sweep.slo, sweep.with_counts)) for members in groups]
    is_named = bool(arguments.runs) and not arguments.each
    if is_named:
        rows = [row for named in rows for row in _with_all_seeds(named, sweep)]
    screen = console()
    columns = _columns(rows)
    if not fits(columns, screen.width):
        columns = [_name_and_key(columns[0], columns[1]), *columns[2:]]
    screen.print(draw(columns, screen.width, more="--format csv"), soft_wrap=True)
    for line in [*_provenance_lines(ordered), *_seed_lines(rows, is_named), *left_out(sweep)]:
        say(screen, line)


def _provenance_lines(runs: Sequence[Outcome]) -> list[str]:
    """Where the times of these runs' steps come from, and that too many of them were never measured."""
    found = shares_of_all(run.summary for run in runs)
    return ([text] if (text := caution(found)) else []) + ([f"Step times: {shares_text(found)}."] if found else [])


def _with_all_seeds(row: _Row, sweep: Sweep) -> list[_Row]:
    """The row of what was named, and one of all seeds where the sweep has more of them."""
    seeds = repeated(siblings(row.seeds.runs[0], sweep.outcomes.values()), sweep.slo, sweep.with_counts)
    return [row] if seeds.seeds <= row.seeds.seeds else [row, _Row(f"over {seeds.seeds} seeds", "", seeds)]


def _seed_lines(rows: Sequence[_Row], is_named: bool) -> list[str]:
    """What the figures of several seeds are; where runs were named, also that one seed has no interval."""
    several = [row.seeds.seeds for row in rows if row.seeds.seeds > 1]
    if not several:
        return ["One seed is one draw of the load: these figures have no interval."] if is_named else []
    few = f"; {TOO_FEW}" if min(several) < FEW else ""
    each = "" if is_named else "; --each lists the runs"
    return [f"Of several seeds: the mean, and its interval at {CONFIDENCE_TEXT} by Student's t{few}{each}."]


def _columns(rows: Sequence[_Row]) -> list[Column]:
    """Of the times the medians may be left out, before others."""
    columns = [
        Column("run", [row.name for row in rows]),
        Column("key", [row.key for row in rows]),
        Column("verdict", [_verdict_text(row.seeds) for row in rows]),
    ]
    if any(row.seeds.seeds > 1 for row in rows):
        columns.insert(2, Column("seeds", [f"{row.seeds.seeds}" for row in rows], right=True, spare=1))
    runs = [run for row in rows for run in row.seeds.runs]
    is_closed = any(run.concurrency is not None for run in runs)
    has_cache = any("cache/hit_rate" in run.summary for run in runs)
    shown_figures = (_SERVED if is_closed else {}) | _SHOWN | (_SHOWN_OF_A_CACHE if has_cache else {})
    return columns + [
        Column(head, [interval_text(row.seeds.interval(name)) for row in rows], right=True, spare=rank)
        for head, (name, rank) in shown_figures.items()
    ]


def _name_and_key(name: Column, key: Column) -> Column:
    """Both in one column, below each other."""
    cells = [lines(*pair) for pair in zip(name.texts, key.texts, strict=True)]
    return Column(lines(name.title, key.title), cells, whole=True)


def _verdict_text(seeds: Repeated) -> str:
    errors = [outcome.error for outcome in seeds.runs if outcome.status == "failed"]
    if len(errors) == len(seeds.runs):
        return f"failed: {(errors[0] or '').partition(chr(10))[0]}"
    return seeds.text
