"""`python -m traces formats`: what can be read."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Column, Table

from traces.commands.arguments import Subparsers


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `formats`."""
    parser = subparsers.add_parser("formats", help="the trace formats that can be read, and how they are recognised")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prints the table."""
    from traces.formats import FORMATS

    columns = [Column(head, overflow="fold") for head in ("what it is", "recognised by", "kept too")]
    table = Table(Column("--format", no_wrap=True), *columns, title="Formats")
    for known in FORMATS:
        about = known.about
        what = f"{about.title}. {about.publisher}. {about.licence}"
        recognised = about.recognised_by + (f"; times in {about.times.text()}" if about.times.unit else "")
        table.add_row(about.name, what, recognised, about.kept or "-", end_section=True)
    table.caption = "Each also as .gz or .zst, found by content. Written are Parquet and SplitwiseSim's CSV."
    Console().print(table)
