"""`compare`: why one run beats another."""

from __future__ import annotations

import argparse
import json
import sys

from configs.terminal import console, say
from sim_core.errors import SpecError
from sync.analysis.compare import Profile, compare_runs, profile
from sync.analysis.compare_words import as_json, figure_table, paragraph, time_table
from sync.commands.base import Subparsers, add_command, print_table
from sync.commands.runs import find_run
from sync.results.outcome import Outcome
from sync.results.parquet import INSTANCES, read_beside
from sync.results.slo import Slo
from sync.results.slo_file import read_slo
from sync.results.sweep import Sweep

_EXAMPLES = """runs:
  a name, a key or the beginning of one (`python -m sync show SWEEP` lists them); with SWEEP: in front, of that sweep
examples:
  python -m sync compare 7f84ff 0190a3
  python -m sync compare 'quickstart:splitwise-ha 6P+4T conv 24 rps' 'baseline-h100 8xH100 conv 24 rps'
  python -m sync compare quickstart:7f84ff mine:0190a3 --format json
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add the parser of `compare`."""
    text = "explain why one run beats another: where the time goes, how busy and how full the machines are"
    parser = add_command(subparsers, "compare", _run, text, _EXAMPLES, ("--slo", "--source"))
    parser.add_argument("runs", nargs=2, metavar="RUN", help="see below")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: %(default)s")


def _run(arguments: argparse.Namespace) -> int:
    first = find_run(arguments.results, arguments.runs[0], arguments.source)
    second = find_run(arguments.results, arguments.runs[1], arguments.source, first[0])
    if first[1].key == second[1].key:
        raise SpecError("is the same run as the first", key="RUN", value=arguments.runs[1])
    slo = read_slo(arguments.slo) if arguments.slo else first[0].slo
    if arguments.slo is None and second[0].slo != slo:
        text = f"Both runs are judged by the limits of {first[0].name} ({slo.told()}); --slo FILE takes others."
        print(text, file=sys.stderr)
    found = compare_runs(_profile(*first, slo), _profile(*second, slo), slo)
    if arguments.format == "json":
        print(json.dumps(as_json(found), indent=1, allow_nan=False))
        return 0
    screen = console()
    say(screen, paragraph(found))
    for sweep, outcome in (first, second):
        if note := _seed_note(sweep, outcome):
            say(screen, note)
    screen.print()
    for letter, run in (("A", found.better), ("B", found.worse)):
        say(screen, f"{letter}: {run.outcome.name}")
    times = time_table(found)
    screen.print()
    print_table(screen, times, more="--format json")
    say(screen, times.title)
    screen.print()
    print_table(screen, figure_table(found), more="--format json")
    return 0


def _seed_note(sweep: Sweep, outcome: Outcome) -> str:
    """Which of several repetitions was compared; empty where there is one."""
    same = outcome.system, outcome.point_id.repeated
    seeds = sum((other.system, other.point_id.repeated) == same for other in sweep.outcomes.values())
    if seeds == 1:
        return ""
    return f"{outcome.name}: seed {outcome.seed} of {seeds} seeds; `answers` says what all of them say."


def _profile(sweep: Sweep, outcome: Outcome, slo: Slo) -> Profile:
    file = sweep.source.requests_file(outcome.key)
    if file is None:
        return profile(outcome, None, {}, slo)
    return profile(outcome, sweep.requests(outcome.key), read_beside(file.read_bytes(), INSTANCES), slo)
