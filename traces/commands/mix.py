"""`python -m traces mix`: merges several traces into one."""

from __future__ import annotations

import argparse

from sim_core.errors import TraceError
from traces.commands import shared

DESCRIPTION = """
Writes the requests of all IN in order of arrival. Applications get new numbers from 0, in the order of the files;
the command prints which got which. Requests get new ids in order of arrival.
"""
EXAMPLES = """examples:
  python -m traces mix code.parquet conv.parquet both.parquet
  python -m traces mix monday.csv tuesday.csv days.parquet --keep-times
"""


def add_parser(subparsers: shared.Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `mix`."""
    parser = shared.add_command(
        subparsers, run, "mix", "merge several traces into one; applications get new numbers", DESCRIPTION, EXAMPLES
    )
    parser.add_argument("files", metavar="IN", nargs="+", help="the trace files to read")
    parser.add_argument("out", metavar="OUT", help="the file to write")
    parser.add_argument("--keep-times", action="store_true", help="keep the times; otherwise each trace starts at 0")
    shared.add_reading_and_writing(parser)


def run(options: argparse.Namespace) -> None:
    """Merges the traces; prints the applications' new numbers."""
    from traces.edit import mixed

    if len(options.files) < 2:
        raise TraceError("mix takes two or more traces, followed by the name of the result")
    path = shared.output_path(options)
    traces = [shared.read_with_progress(options, name) for name in options.files]
    result, renumbered = mixed(traces, shift=not options.keep_times)
    shared.write(result, path, sources=traces)
    for name, numbers in zip(options.files, renumbered, strict=True):
        changes = ", ".join(f"{old} is now {new}" for old, new in sorted(numbers.items())[:8])
        shared.say(f"{name}: application {changes}{', ...' if len(numbers) > 8 else ''}")
