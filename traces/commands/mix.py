"""`python -m traces mix`: several traces in one."""

from __future__ import annotations

import argparse
from contextlib import ExitStack

from sim_core.errors import TraceError
from traces.commands.arguments import Subparsers
from traces.commands.reading import add_reading, add_writing, finish, output_path, reading, say, watched

EXAMPLES = """examples:
  python -m traces mix code.parquet conv.parquet both.parquet
  python -m traces mix monday.csv tuesday.csv days.parquet --keep-times
"""


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `mix`."""
    parser = subparsers.add_parser(
        "mix",
        help="several traces in one, their applications told apart",
        description="Writes the requests of all IN in order of arrival. Applications get new numbers from 0, in the "
        "order of the files (said at the end); requests get new ids in order of arrival.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", metavar="IN", nargs="+")
    parser.add_argument("out", metavar="OUT")
    parser.add_argument("--keep-times", action="store_true", help="otherwise each trace starts at 0")
    add_reading(parser)
    add_writing(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Mixes; says which application has become which."""
    from traces.edit import mixed
    from traces.writing import write_batches

    if len(options.files) < 2:
        raise TraceError("mix takes two or more traces, and the name of the result behind them")
    path = output_path(options)
    with ExitStack() as stack:
        traces = [stack.enter_context(reading(options, name, path.parent)) for name in options.files]
        result, renumbered = stack.enter_context(mixed(traces, path.parent, shift=not options.keep_times))
        rows = write_batches(watched(result, path), path)
        finish(result, path, rows, sources=traces)
        for name, numbers in zip(options.files, renumbered, strict=True):
            said = ", ".join(f"{old} is now {new}" for old, new in sorted(numbers.items())[:8])
            say(f"{name}: application {said}{', ...' if len(numbers) > 8 else ''}")
