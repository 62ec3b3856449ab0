"""`python -m traces formats`: what can be read."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Table

from traces.commands.arguments import Subparsers


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `formats`."""
    parser = subparsers.add_parser("formats", help="the trace formats that can be read, and how they are recognised")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prints the table."""
    from traces.formats import FORMATS

    table = Table(
        "--format", "what", "recognised by", "also kept", "publisher", "licence", title="Formats", show_lines=True
    )
    for known in FORMATS:
        about = known.about
        table.add_row(about.name, about.title, about.recognised_by, about.kept or "-", about.publisher, about.licence)
    table.caption = "Each also as .gz or .zst, found by content. Written are Parquet and SplitwiseSim's CSV."
    Console().print(table)
