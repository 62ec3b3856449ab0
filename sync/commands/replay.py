"""`replay`: make MLflow equal to the journal, and say what was done; `verify`: its dry run, which changes nothing."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from configs.terminal import console, say
from sim_core.errors import SpecError, shown
from sync.commands.base import Subparsers, add_command, watched
from sync.commands.runs import run_of
from sync.load import load_sweep
from sync.results.journal import Journal, sweeps_in
from sync.results.outcome import ResultSink
from sync.results.parquet import check_table
from sync.results.point_id import SHOWN_OF_A_KEY
from sync.results.privacy import one_line
from sync.results.sweep import Sweep
from sync.tracking.differences import (
    Differences,
    fetched_files,
    find_differences,
    remove_files,
    stored_runs,
    superfluous_files,
    superfluous_runs,
)
from sync.tracking.runs import StoredRun
from sync.tracking.sinks import make_sink
from sync.tracking.store import MlflowStore

_MOST = 20  # points named one by one
_EPILOG = """The journal is read: nothing is simulated again. The next start of the sweep delivers what is missing, too.

Without --prune nothing of the journal is removed, and in MLflow only runs that are replaced at once: half written ones,
failed ones whose point has succeeded since, and those that have a metric which their new limits lack. With --prune go
  - runs in MLflow that newer runs of the same point superseded, that broke off, or that are there twice;
  - runs in MLflow with other measurements than the journal, which are delivered anew;
  - entries of the journal that newer runs superseded, tables without an entry, and files of writes that broke off;
  - copies of files that were fetched from an MLflow server.
`python -m sync verify SWEEP --prune` lists them. MLflow keeps deleted runs until `mlflow gc` frees their space.
"""


def add_parser(subparsers: Subparsers) -> None:
    """Add `verify` and `replay`; `prune`, a command of former versions, only says what took its place."""
    summary = "compare journal and MLflow point by point and change nothing; exit status 1 where they differ"
    epilog = "`python -m sync replay SWEEP` takes the same options and delivers what is missing."
    run = partial(_make_equal, dry_run=True)
    verify = add_command(subparsers, "verify", run, summary, epilog, ("name", "runs", "--slo"))
    verify.add_argument("--prune", action="store_true", help="also list what `replay --prune` removes")
    summary = "make MLflow equal to the journal: deliver what is missing, judge by the SLO, and say what was done"
    run = partial(_make_equal, dry_run=False)
    replay = add_command(subparsers, "replay", run, summary, _EPILOG, ("name", "runs", "--slo"))
    text = "also remove what is superfluous, see below; `verify --prune` lists it"
    replay.add_argument("--prune", action="store_true", help=text)
    replay.add_argument("--sink", default="mlflow", help=argparse.SUPPRESS)
    for parser in (verify, replay):
        parser.add_argument("--tables", action="store_true", help="compare the tables of requests too, byte by byte")
    former = subparsers.add_parser("prune")
    former.add_argument("name", nargs="?", default="SWEEP")
    former.add_argument("--yes", action="store_true")
    former.set_defaults(run=_refuse_prune)


def _refuse_prune(arguments: argparse.Namespace) -> int:
    reason = "is a part of replay now: type `verify SWEEP --prune` for the list, `replay SWEEP --prune` to remove"
    raise SpecError(reason, key="prune", value=arguments.name)


def _make_equal(arguments: argparse.Namespace, *, dry_run: bool) -> int:
    """Compare, and unless it is a `dry_run` deliver and remove; the exit status: 1 where differences are left."""
    results, name = arguments.results, arguments.name
    if arguments.prune and arguments.runs:
        raise SpecError("is for whole sweeps: leave out the runs", key="--prune", value=True)
    if arguments.prune and name not in sweeps_in(results):  # nothing to compare with
        store, runs = stored_runs(results, name)
        if runs:
            _prune(store, superfluous_runs(runs), fetched_files(results, runs), dry_run)
            return 0
    sweep: Sweep = load_sweep(name, results, "journal", everything=True, slo=arguments.slo)
    if arguments.runs:
        sweep = sweep.only([run_of(sweep, text).key for text in arguments.runs])
    if dry_run:
        return 0 if _compare(arguments, sweep, dry_run).same else 1
    sink, info = make_sink(arguments.sink, results), sweep.source.info()
    if info is None:
        raise SpecError("its sweep.json is missing or torn; start the sweep again", key="sweep", value=name)
    with Journal(results / name) as journal:  # a sweep under way delivers by itself
        before = _compare(arguments, sweep, dry_run)
        sink.open(replace(info, slo=sweep.slo))
        _deliver(sweep, journal, sink)
    after = _differences(arguments, sweep, *stored_runs(results, name))
    mended = len(before.differing.keys() - after.reasons().keys())
    say(console(), f"{len(set(before.missing) - set(after.missing))} points delivered, {mended} brought up to date")
    _tell(after, sweep)
    return 0 if after.same else 1


def _compare(arguments: argparse.Namespace, sweep: Sweep, dry_run: bool) -> Differences:
    """Compare MLflow with the journal, and with --prune remove what is superfluous; a dry run tells both."""
    store, runs = stored_runs(arguments.results, sweep.name)
    found = _differences(arguments, sweep, store, runs)
    if dry_run:
        _tell(found, sweep)
    if arguments.prune:
        surplus = {run.run_id: run for run in [*superfluous_runs(runs), *found.measured_otherwise]}
        files = [*superfluous_files(arguments.results / sweep.name, sweep), *fetched_files(arguments.results, runs)]
        _prune(store, list(surplus.values()), files, dry_run)
    return found


def _differences(
    arguments: argparse.Namespace, sweep: Sweep, store: MlflowStore, runs: Sequence[StoredRun]
) -> Differences:
    """What is not alike, of the runs that the arguments name, or of all."""
    found = find_differences(sweep, store, runs, arguments.results, tables=arguments.tables)
    if arguments.runs:
        found.remnants = [key for key in found.remnants if key in sweep.outcomes]
    return found


def _deliver(sweep: Sweep, journal: Journal, sink: ResultSink) -> None:
    """Write every outcome to the sink, which leaves what it has; say which outcomes cannot be read."""
    for key in watched(list(sweep.outcomes), "delivering"):
        outcome = journal.whole(key)
        if outcome is None:
            place = f"{key[:SHOWN_OF_A_KEY]} in the journal"
            print(f"warning: {place} is torn: the next start runs it again", file=sys.stderr)
            continue
        try:
            check_table(outcome)
        except ValueError as error:
            reason = f"its table of requests is torn ({shown(one_line(error, 200))})"
            print(f"warning: {key[:SHOWN_OF_A_KEY]} is not delivered: {reason}", file=sys.stderr)
            continue
        sink.write(outcome)
    sink.close()


def _prune(store: MlflowStore, surplus: Sequence[StoredRun], files: Sequence[Path], dry_run: bool) -> None:
    """Remove runs and files, or in a dry run list them."""
    size_mb = sum(path.stat().st_size for path in files) / 1e6
    counts = f"{len(files)} files ({size_mb:.1f} MB) and {len(surplus)} runs in MLflow"
    if dry_run:
        for path in files:
            print(f"  {shown(path)}")
        for run in surplus:
            print(f"  MLflow run {shown(run.run_id)} {shown(run.name)}")
        say(console(), f"{counts} could go: `replay --prune` removes them")
        return
    for run in watched(surplus, "deleting runs"):
        with store.plain_errors():
            store.delete_run(run.run_id)
    remove_files(files)
    say(console(), f"{counts} removed")


def _tell(found: Differences, sweep: Sweep) -> None:
    """Print the counts, and name the points that are not alike."""
    screen = console()
    say(screen, str(found))
    reasons = found.reasons()
    for key, reason in list(reasons.items())[:_MOST]:
        name = sweep.finished[key].name if key in sweep.finished else "not in the journal"
        say(screen, f"  {key[:SHOWN_OF_A_KEY]} {name}: {reason}")
    if len(reasons) > _MOST:
        print(f"  and {len(reasons) - _MOST} more")
