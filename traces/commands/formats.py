"""`python -m traces formats`: lists the formats of trace files that can be read."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from configs.terminal import Column, console, draw, say
from traces.commands.shared import Subparsers, add_command

if TYPE_CHECKING:
    from traces.formats.base import About


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `formats`."""
    add_command(subparsers, run, "formats", "list the trace formats that can be read, and how they are recognised")


def run(options: argparse.Namespace) -> None:
    """Prints the table."""
    from traces.formats import FORMATS

    abouts = [known.about for known in FORMATS]
    columns = [
        Column("--format", [about.name for about in abouts]),
        Column("what it is", [f"{about.title}. {about.publisher}. {about.licence}" for about in abouts]),
        Column("recognised by", [_recognised(about) for about in abouts]),
        Column("kept too", [about.kept or "-" for about in abouts]),
    ]
    screen = console()
    screen.print(draw(columns, screen.width, gap=1), soft_wrap=True)
    screen.print()
    say(screen, "Each may be packed as .gz or .zst. Only Parquet and SplitwiseSim's CSV can be written.")


def _recognised(about: About) -> str:
    return about.recognised_by + (f"; times in {about.times.text()}" if about.times.unit else "")
