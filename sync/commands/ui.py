"""`ui`: MLflow's interface on the results."""

from __future__ import annotations

import argparse
import os
import subprocess

from sync.commands.base import Subparsers, add_command
from sync.privacy import mask_uri
from sync.tracking import VARIABLE, is_server, tracking_uri
from sync.ui import PORT, local_address, ui_arguments, ui_lines


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    parser = add_command(subparsers, "ui", _run, "open MLflow's interface on the results (loopback only)")
    parser.add_argument("--port", type=int, default=PORT, help="default: %(default)s")
    parser.add_argument("--print", action="store_true", help="print the command instead of running it")


def _run(arguments: argparse.Namespace) -> int:
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
    return subprocess.call(ui_arguments(arguments.port), env=environment)
