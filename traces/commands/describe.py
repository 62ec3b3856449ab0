"""`python -m traces describe`: what a trace asks of a cluster."""

from __future__ import annotations

import argparse

from rich.console import Console

from traces import describe
from traces.commands.arguments import Subparsers, open_trace, seed


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `describe`."""
    parser = subparsers.add_parser("describe", help="counts, rates and sizes of a named workload or a file")
    parser.add_argument("trace", metavar="NAME-or-FILE", help="a workload's name, a CSV file, or the name of a sample")
    parser.add_argument("--seed", type=seed, default=0, help="of a named workload; default: %(default)s")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prints the tables."""
    trace = open_trace(options.trace, options.seed)
    console = Console()
    console.print(describe.overview(trace))
    console.print(describe.sizes(trace))
