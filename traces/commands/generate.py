"""`python -m traces generate`: a named workload as a file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sim_core.errors import TraceError
from traces import named
from traces.commands.arguments import Subparsers, seed
from traces.writer import csv_lines, write_csv


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `generate`."""
    parser = subparsers.add_parser("generate", help="write a named workload as SplitwiseSim's CSV")
    parser.add_argument("name", metavar="NAME", help="such as rr_conv_70 or rr_code_20_30s")
    parser.add_argument("--seed", type=seed, default=0, help="default: %(default)s")
    parser.add_argument("--out", metavar="FILE", help="default: NAME.csv here; '-' is the standard output")
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Writes the trace; says where."""
    trace = named.generate(named.parse(options.name, options.seed), options.name)
    if options.out == "-":
        sys.stdout.writelines(csv_lines(trace))
        sys.stdout.flush()
        return
    path = Path(options.out or f"{options.name}.csv")
    if path.exists() and not options.force:
        raise TraceError("is there already; --force replaces it", source=str(path))
    write_csv(trace, path)
    Console(stderr=True, highlight=False).print(f"{len(trace):,} requests in {escape(str(path))}", soft_wrap=True)
