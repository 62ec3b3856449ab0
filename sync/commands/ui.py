"""`ui`: MLflow's interface on the results."""

from __future__ import annotations

import argparse
import socket

from sim_core.errors import SpecError
from sync.commands.base import Subparsers, add_command
from sync.results.privacy import mask_uri
from sync.tracking.address import DATABASE, PORT, is_server, local_address, sqlite_uri, tracking_uri, ui_lines


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    what = "serve MLflow's interface on the results, on loopback alone, until Ctrl-C or the end of the starting process"
    parser = add_command(subparsers, "ui", _run, what)
    parser.add_argument("--port", type=int, default=PORT, help="default: %(default)s")
    parser.add_argument("--print", action="store_true", help="print the command instead of running it")


def _run(arguments: argparse.Namespace) -> int:
    uri = tracking_uri(arguments.results)
    if arguments.print or is_server(uri):
        print("\n".join(ui_lines(uri)))
        return 0
    _refuse_unusable(arguments.port)
    from sync.tracking.page import page
    from sync.tracking.read import experiments_in_mlflow
    from sync.tracking.received import check_places
    from sync.tracking.serve import serve

    address, artifacts = local_address(arguments.port), (arguments.results / "mlartifacts").absolute()
    print(f"starting MLflow's interface of {mask_uri(uri)}; this takes some seconds", flush=True)
    pages = [
        f"  {experiment.name}: {address}{page(experiment.experiment_id)}"
        for experiment in experiments_in_mlflow(arguments.results)
    ]
    ready = "\n".join([f"ready on {address} (Ctrl-C ends it)", *pages])
    if uri == sqlite_uri(arguments.results / DATABASE):  # it may have come with the results
        check_places(arguments.results / DATABASE, artifacts)
    serve(uri, artifacts, arguments.port, lambda: print(ready, flush=True))
    return 0


def _refuse_unusable(port: int) -> None:
    """Raise SpecError for a port that nothing can be served on, of which MLflow tells in many lines."""
    if not 0 < port < 65536:
        raise SpecError("must be from 1 to 65535", key="--port", value=port)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise SpecError(f"cannot be used ({error.strerror}); name another", key="--port", value=port) from error
