"""The terminal, as tables want it."""

from __future__ import annotations

import sys

from rich.console import Console


def output_console() -> Console:
    """Standard output; without a terminal as wide as needed, so that a program reads whole lines."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)
