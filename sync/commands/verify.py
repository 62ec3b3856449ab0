"""`verify`: what `replay` would do. Compares journal and MLflow, and changes nothing."""

from __future__ import annotations

import argparse

from sync.commands.base import Subparsers, add_command
from sync.commands.replay import add_options, make_equal


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    summary = "compare journal and MLflow point by point and change nothing; exit status 1 where they differ"
    epilog = "`python -m sync replay SWEEP` takes the same options and delivers what is missing."
    parser = add_command(subparsers, "verify", _run, summary, epilog, ("name", "--slo"))
    add_options(parser, "also list what `replay --prune` removes")


def _run(arguments: argparse.Namespace) -> int:
    return make_equal(arguments, dry_run=True)
