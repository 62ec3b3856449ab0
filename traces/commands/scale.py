"""`python -m traces scale`: a trace at another rate, or with other sizes."""

from __future__ import annotations

import argparse

from sim_core.errors import TraceError
from traces.commands.arguments import Subparsers
from traces.commands.reading import add_reading, add_writing, finish, output_path, reading, watched

EXAMPLES = """examples:
  python -m traces scale conv.parquet twice.parquet --rate-factor 2
  python -m traces scale conv.parquet at70.parquet --rate 70
  python -m traces scale conv.parquet long.parquet --prompt-factor 1.5 --output-factor 0.5
"""


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `scale`."""
    parser = subparsers.add_parser(
        "scale",
        help="a trace at another rate, or with other sizes",
        description="Times are divided by the rate's factor, so that bursts stay bursts. Sizes are multiplied and "
        "rounded to the nearest whole number (halves up), at least 1.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="IN")
    parser.add_argument("out", metavar="OUT")
    rate = parser.add_mutually_exclusive_group()
    rate.add_argument("--rate-factor", type=float, metavar="F", help="2: twice as many requests a second")
    rate.add_argument("--rate", type=float, metavar="R", help="mean requests a second, first to last arrival")
    parser.add_argument("--prompt-factor", type=float, default=1.0, metavar="F")
    parser.add_argument("--output-factor", type=float, default=1.0, metavar="F")
    add_reading(parser)
    add_writing(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Scales; says by what."""
    from traces.edit import Scale, rate_factor, scaled
    from traces.writing import write_batches

    asked = options.rate_factor if options.rate_factor is not None else options.rate
    by = Scale(1.0 if asked is None else asked, options.prompt_factor, options.output_factor)
    if asked is None and (by.prompt, by.output) == (1.0, 1.0):
        raise TraceError("nothing to scale: give --rate, --rate-factor, --prompt-factor or --output-factor")
    by.check()
    path = output_path(options)
    with reading(options, options.file, path.parent) as opened:
        if options.rate is not None:
            by = Scale(rate_factor(opened, options.rate), options.prompt_factor, options.output_factor)
        rows = write_batches(scaled(watched(opened, path), by), path)
        finish(opened, path, rows, f" (rate times {by.rate:.6g})" if asked is not None else "")
