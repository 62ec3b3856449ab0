"""`python -m traces formats`: lists the formats of trace files that can be read."""

from __future__ import annotations

import argparse

from rich.console import Console
from rich.table import Column, Table

from traces.commands.shared import Subparsers, add_command


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `formats`."""
    add_command(subparsers, run, "formats", "list the trace formats that can be read, and how they are recognised")


def run(options: argparse.Namespace) -> None:
    """Prints the table."""
    from traces.formats import FORMATS

    columns = [Column(head, overflow="fold") for head in ("what it is", "recognised by", "kept too")]
    table = Table(Column("--format", no_wrap=True), *columns, title="Formats")
    for known in FORMATS:
        about = known.about
        description = f"{about.title}. {about.publisher}. {about.licence}"
        recognised = about.recognised_by + (f"; times in {about.times.text()}" if about.times.unit else "")
        table.add_row(about.name, description, recognised, about.kept or "-", end_section=True)
    table.caption = "Each may be packed as .gz or .zst. Only Parquet and SplitwiseSim's CSV can be written."
    Console().print(table)
