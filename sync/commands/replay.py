"""`replay`: deliver to a sink what the journal has and the sink has not."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from sim_core.errors import SpecError
from sync.commands.base import Subparsers, add_command, add_name, add_slo, journal_of, shown, slo_of
from sync.commands.verify import tell
from sync.results.journal import Journal
from sync.results.outcome import SweepInfo
from sync.results.sweep import Sweep
from sync.tracking.sinks import SINKS, make_sink
from sync.tracking.verify import compare, stored_runs


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    told = "deliver to MLflow what did not arrive, such as after an outage, and judge what is there by the SLO"
    epilog = "The next start of the sweep does the same. It reads the journal: nothing is simulated again."
    parser = add_command(subparsers, "replay", _run, told, epilog)
    add_name(parser)
    add_slo(parser)
    keeping = [name for name in SINKS if name != "none"]
    parser.add_argument("--sink", choices=keeping, default="mlflow", help="where to (default: %(default)s)")


def _run(arguments: argparse.Namespace) -> int:
    journal = journal_of(arguments.results, arguments.name)
    info = journal.info()
    if info is None:
        raise SpecError("its sweep.json is missing or torn; start the sweep again", key="sweep", value=arguments.name)
    slo = slo_of(arguments)
    info = info if slo is None else replace(info, slo=slo)
    with journal:  # a sweep under way delivers by itself
        sweep = Sweep(arguments.name, journal, everything=True, slo=slo)
        torn = _deliver(sweep, journal, info, arguments)
    for key in torn:
        print(f"warning: {key[:10]} in the journal is torn: the next start runs it again", file=sys.stderr)
    if arguments.sink != "mlflow":
        print(f"{len(sweep.outcomes) - len(torn)} of {len(sweep.outcomes)} points are in {arguments.sink}")
        return 1 if torn else 0
    _, runs = stored_runs(arguments.results, arguments.name)
    found = compare(sweep, runs)
    print(found)
    tell(found, sweep)
    return 0 if found.same else 1


def _deliver(sweep: Sweep, journal: Journal, info: SweepInfo, arguments: argparse.Namespace) -> list[str]:
    """Write every outcome (what is there already stays); the keys of those that cannot be read."""
    torn = []
    sink = make_sink(arguments.sink, arguments.results)
    sink.open(info)
    for key in shown(list(sweep.outcomes), "delivering"):
        outcome = journal.whole(key)
        if outcome is None:
            torn.append(key)
        else:
            sink.write(outcome)
    sink.close()
    return torn
