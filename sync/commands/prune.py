"""`prune`: remove what newer runs have taken the place of, what broke off, and copies of what a server has."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from sync.commands.base import Subparsers, add_command, add_name, journal_of, shown
from sync.results.journal import PLACES, sweeps_in
from sync.results.sweep import Sweep
from sync.tracking import fields
from sync.tracking.page import SUPERSEDED_TAG
from sync.tracking.read import CACHE
from sync.tracking.runs import FINAL
from sync.tracking.store import MlflowStore, StoredRun
from sync.tracking.verify import stored_runs


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    told = "list what newer code superseded, what broke off, and copies fetched from a server; with --yes, remove it"
    epilog = "In MLflow such runs are deleted as its interface does it: `mlflow gc` then frees their space."
    parser = add_command(subparsers, "prune", _run, told, epilog)
    add_name(parser)
    parser.add_argument("--yes", action="store_true", help="remove it, instead of only listing it")


def _run(arguments: argparse.Namespace) -> int:
    name, results = arguments.name, arguments.results
    store, runs = stored_runs(results, name)
    if not runs or name in sweeps_in(results):
        journal = journal_of(results, name)
        with journal:
            runs = stored_runs(results, name)[1] if runs else []  # as they are while nobody writes
            files = superfluous_files(results / name, Sweep(name, journal, everything=True))
            return _prune([*files, *fetched_tables(results, runs)], store, superfluous_runs(runs), arguments.yes)
    return _prune(fetched_tables(results, runs), store, superfluous_runs(runs), arguments.yes)


def _prune(files: Sequence[Path], store: MlflowStore, surplus: Sequence[StoredRun], remove: bool) -> int:
    size_mb = sum(path.stat().st_size for path in files) / 1e6
    told = f"{len(files)} files ({size_mb:.1f} MB) and {len(surplus)} runs in MLflow"
    if not remove:
        for path in files:
            print(f"  {path}")
        for run in surplus:
            print(f"  MLflow run {run.run_id} {run.name}")
        print(f"{told} could go: the same with --yes removes them")
        return 0
    for run in shown(surplus, "deleting runs"):
        with store.plain_errors():
            store.delete_run(run.run_id)
    for path in files:
        path.unlink(missing_ok=True)
        if path.parent.parent.name == CACHE and not any(path.parent.iterdir()):
            path.parent.rmdir()
    print(f"{told} removed")
    return 0


def fetched_tables(results: Path, runs: Iterable[StoredRun]) -> list[Path]:
    """The tables of requests that were once fetched from a server, for any of the runs: they can be fetched again."""
    folders = (results / CACHE / run.run_id for run in runs)
    return sorted(path for folder in folders for path in folder.glob("*") if path.is_file())


def superfluous_files(folder: Path, sweep: Sweep) -> list[Path]:
    """Below a sweep's folder: outcomes and tables that are superseded, tables without an outcome, unfinished files.

    An outcome comes first, its table after it: what is interrupted halfway leaves no outcome without its table.
    """
    keep = set(sweep.outcomes)
    found: list[Path] = []
    for places in PLACES.values():
        for place in dict.fromkeys(places):
            for path in sorted((folder / place).glob("*")):
                unfinished = path.suffix == ".tmp"
                if unfinished or (path.suffix in (".json", ".parquet") and path.stem not in keep):
                    found.append(path)
    return sorted(found, key=lambda path: (path.suffix != ".json", path))


def superfluous_runs(runs: Iterable[StoredRun]) -> list[StoredRun]:
    """Runs that are superseded, that broke off, or that are there once more under the same key."""
    kept: set[str] = set()
    surplus = []
    for run in sorted(runs, key=lambda run: (run.status == "FAILED", -len(run.metrics), run.start_ms)):
        key = run.tags[fields.KEY_TAG]
        if run.status not in FINAL or run.tags.get(SUPERSEDED_TAG) == "true" or key in kept:
            surplus.append(run)
        else:
            kept.add(key)
    return surplus
