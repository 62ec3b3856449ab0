"""`python -m sync list | show NAME | ui`: what results there are, one sweep's runs, and MLflow's interface."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sim_core.errors import SimError
from sync.base import Outcome
from sync.load import RESULTS, list_sweeps, load_sweep
from sync.privacy import mask_uri
from sync.tracking import VARIABLE, is_server, tracking_uri
from sync.ui import local_address, ui_arguments, ui_lines

_SHOWN = ("ttft/p50_s", "ttft/p99_s", "tbt/p50_s", "tbt/p99_s", "e2e/p50_s", "e2e/p99_s", "run/unfinished")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status (2: the user's to mend)."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except SimError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sync", description="Results of sweeps.")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of results (default: %(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="the sweeps that have results")
    listing.set_defaults(run=_list)
    show = commands.add_parser("show", help="the runs of one sweep")
    show.add_argument("name")
    show.set_defaults(run=_show)
    ui = commands.add_parser("ui", help="open MLflow's interface on the results (loopback only)")
    ui.add_argument("--port", type=int, default=5000)
    ui.add_argument("--print", action="store_true", help="print the command instead of running it")
    ui.set_defaults(run=_ui)
    return parser


def _list(arguments: argparse.Namespace) -> int:
    table = Table("sweep", "completed", "failed")
    for name in list_sweeps(arguments.results):
        outcomes = load_sweep(name, arguments.results).outcomes.values()
        failed = sum(outcome.status == "failed" for outcome in outcomes)
        table.add_row(name, str(len(outcomes) - failed), str(failed))
    Console().print(table)
    return 0


def _show(arguments: argparse.Namespace) -> int:
    outcomes = load_sweep(arguments.name, arguments.results).outcomes.values()
    table = Table("key", "run", "within SLO", *_SHOWN)
    for outcome in sorted(outcomes, key=lambda outcome: outcome.index):
        table.add_row(*(escape(cell) for cell in (outcome.key[:10], outcome.name, *_figures(outcome))))
    Console().print(table)
    return 0


def _figures(outcome: Outcome) -> list[str]:
    if outcome.status == "failed":
        return [f"failed: {(outcome.error or '').partition(chr(10))[0]}"]
    within = {1.0: "yes", 0.0: "no"}.get(outcome.summary.get("slo/within", -1.0), "-")
    return [within, *(f"{outcome.summary[name]:.4g}" if name in outcome.summary else "-" for name in _SHOWN)]


def _ui(arguments: argparse.Namespace) -> int:
    uri = tracking_uri(arguments.results)
    if arguments.print or is_server(uri):
        print("\n".join(ui_lines(uri)))
        return 0
    from sync.mlflow_sink import experiment_pages
    from sync.mlflow_store import QUIET

    address = local_address(arguments.port)
    print(f"serving {mask_uri(uri)} on {address} in some seconds (Ctrl-C ends it)", flush=True)
    for name, page in experiment_pages(uri).items():
        print(f"  {name}: {address}{page}", flush=True)
    # The address goes by the environment: a list of processes shows arguments, and with them a password.
    defaults = {**QUIET, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # else seven idle processes for language models
    environment = {**defaults, **os.environ, "MLFLOW_BACKEND_STORE_URI": uri, VARIABLE: uri}
    try:
        return subprocess.call(ui_arguments(arguments.port), env=environment)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
