"""`verify`: is all that the journal has in MLflow, once?"""

from __future__ import annotations

import argparse

from sync.commands.base import Subparsers, add_command, add_name, add_slo, journal_of, slo_of
from sync.results.sweep import Sweep
from sync.tracking.verify import Comparison, compare, compare_tables, stored_runs

_MOST = 20  # points named one by one


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    told = "compare journal and MLflow point by point; exit status 1 where they differ"
    epilog = "`python -m sync replay SWEEP` delivers what is missing, `prune` removes what is too much."
    parser = add_command(subparsers, "verify", _run, told, epilog)
    add_name(parser)
    add_slo(parser)
    parser.add_argument("--tables", action="store_true", help="compare the tables of requests too, byte by byte")


def _run(arguments: argparse.Namespace) -> int:
    journal = journal_of(arguments.results, arguments.name)
    sweep = Sweep(arguments.name, journal, everything=True, slo=slo_of(arguments))
    store, runs = stored_runs(arguments.results, arguments.name)
    found = compare(sweep, runs)
    if arguments.tables and runs:
        compare_tables(found, journal, store, runs, arguments.results)
    print(found)
    tell(found, sweep)
    return 0 if found.same else 1


def tell(found: Comparison, sweep: Sweep) -> None:
    """Name the points that are not alike."""
    reasons = {
        **dict.fromkeys(found.missing, "missing"),
        **dict.fromkeys(found.doubled, "there more than once"),
        **dict.fromkeys(found.remnants, "half written"),
        **found.differing,
    }
    for key, reason in list(reasons.items())[:_MOST]:
        name = sweep.finished[key].name if key in sweep.finished else "not in the journal"
        print(f"  {key[:10]} {name}: {reason}")
    if len(reasons) > _MOST:
        print(f"  and {len(reasons) - _MOST} more")
