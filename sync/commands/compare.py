"""`compare`: why one run beats another."""

from __future__ import annotations

import argparse
import json

from configs.terminal import console, say
from sim_core.errors import SpecError
from sync.analysis.compare import Profile, RunComparison, compare_runs, profile
from sync.analysis.compare_seeds import SAME, SeedComparison, compare_seeds, seeds_table
from sync.analysis.compare_words import as_json, figure_table, paragraph, time_table
from sync.analysis.repeated import Repeated, repeated, siblings
from sync.commands.base import Subparsers, add_command, print_table
from sync.commands.runs import Found, find_run
from sync.results.inside import read_inside
from sync.results.outcome import Outcome
from sync.results.parquet import INSTANCES, read_beside
from sync.results.point_id import SHOWN_OF_A_KEY
from sync.results.slo import Slo
from sync.results.slo_file import read_slo
from sync.results.sweep import Sweep, sound_table

_EXAMPLES = """runs:
  a name as any table or MLflow shows it, the number of a point, or the beginning of a key; with SWEEP: in front, of
  that sweep. `python -m sync show SWEEP` lists names and keys, `python -m sweep FILE --dry-run` also numbers.
examples:
  python -m sync compare 'quickstart:splitwise-ha 6P+4T conv 24 rps' 'baseline-h100 8xH100 conv 24 rps'
  python -m sync compare 'quickstart:24/s splitwise-ha 6P+4T conv' '24/s baseline-h100 8xH100 conv'
  python -m sync compare quickstart:18 quickstart:6 --format json
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
        say(console(error=True), text)
    seeds = None
    if not _are_siblings(first, second):
        one, other = _seeds(*first, slo), _seeds(*second, slo)
        seeds = compare_seeds(one, other)
        if seeds.better is other:
            first, second = second, first
    in_order = seeds is not None and seeds.have_intervals
    found = compare_runs(_profile(*first, slo), _profile(*second, slo), slo, in_order=in_order)
    if arguments.format == "json":
        print(json.dumps(as_json(found, seeds), indent=1, allow_nan=False))
    else:
        _print(found, seeds)
    return 0


def _print(found: RunComparison, seeds: SeedComparison | None) -> None:
    screen = console()
    say(screen, paragraph(found, seeds))
    if seeds is None:
        say(screen, SAME)
    screen.print()
    for letter, run in (("A", found.better), ("B", found.worse)):
        say(screen, f"{letter}: {run.outcome.name} (key {run.outcome.key[:SHOWN_OF_A_KEY]})")
    tables = [time_table(found), figure_table(found)]
    if seeds is not None and seeds.have_intervals and seeds.differences:
        tables.insert(0, seeds_table(seeds))
    for table in tables:
        screen.print()
        print_table(screen, table, more="--format json")
        if table.title:
            say(screen, table.title)


def _are_siblings(first: Found, second: Found) -> bool:
    """Whether the runs are of one sweep and differ by their seed alone."""
    (sweep, run), (other_sweep, other) = first, second
    same = (sweep.name, run.system, run.point_id.repeated) == (other_sweep.name, other.system, other.point_id.repeated)
    return same and run.seed != other.seed


def _seeds(sweep: Sweep, outcome: Outcome, slo: Slo) -> Repeated:
    """The run with its repetitions in the sweep, judged by `slo`."""
    judged = Sweep(sweep.name, sweep.source, everything=True, slo=slo)
    return repeated(siblings(outcome, sweep.outcomes.values()), slo, judged.with_counts)


def _profile(sweep: Sweep, outcome: Outcome, slo: Slo) -> Profile:
    file = sweep.source.requests_file(outcome.key)
    if file is None:
        return profile(outcome, None, {}, slo)
    with sound_table(outcome, file):
        instances = read_beside(read_inside(file, "requests_bytes"), INSTANCES)
        return profile(outcome, sweep.requests(outcome.key), instances, slo)
