"""Standard output for tables."""

from __future__ import annotations

import sys

from rich.console import Console


def output_console() -> Console:
    """Standard output; wide enough for whole lines where it is no terminal."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)
