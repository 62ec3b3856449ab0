"""`python -m traces scale`: writes a trace at another rate, or with other sizes."""

from __future__ import annotations

import argparse

from sim_core.errors import TraceError
from traces.commands import shared

DESCRIPTION = """
Divides all times by the rate's factor, so that bursts stay bursts. Multiplies sizes and rounds them to the nearest
whole number (halves up), at least 1.
"""
EXAMPLES = """examples:
  python -m traces scale conv.parquet twice.parquet --rate-factor 2
  python -m traces scale conv.parquet at70.parquet --rate 70
  python -m traces scale conv.parquet long.parquet --prompt-factor 1.5 --output-factor 0.5
"""


def add_parser(subparsers: shared.Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `scale`."""
    parser = shared.add_command(
        subparsers, run, "scale", "write a trace at another rate, or with other sizes", DESCRIPTION, EXAMPLES
    )
    add = parser.add_argument
    add("file", metavar="IN", help="the trace file to read")
    add("out", metavar="OUT", help="the file to write")
    rate = parser.add_mutually_exclusive_group()
    factor = "multiply the rate by F; 2: twice as many requests a second"
    rate.add_argument("--rate-factor", type=float, metavar="F", help=factor)
    rate.add_argument("--rate", type=float, metavar="R", help="make the mean rate R requests a second")
    add("--prompt-factor", type=float, default=1.0, metavar="F", help="multiply prompt sizes by F")
    add("--output-factor", type=float, default=1.0, metavar="F", help="multiply output sizes by F")
    shared.add_reading_and_writing(parser)


def run(options: argparse.Namespace) -> None:
    """Scales the trace; prints the rate's factor."""
    from traces.edit import Scale, rate_factor, scaled

    asked = options.rate_factor if options.rate_factor is not None else options.rate
    by = Scale(1.0 if asked is None else asked, options.prompt_factor, options.output_factor)
    if asked is None and (by.prompt, by.output) == (1.0, 1.0):
        raise TraceError("nothing to scale: give --rate, --rate-factor, --prompt-factor or --output-factor")
    by.check()
    path = shared.output_path(options)
    opened = shared.read_with_progress(options, options.file)
    if options.rate is not None:
        by = Scale(rate_factor(opened, options.rate), options.prompt_factor, options.output_factor)
    note = f" (rate times {by.rate:.6g})" if asked is not None else ""
    shared.write(opened, path, lambda batches: scaled(batches, by), note)
