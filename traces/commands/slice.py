"""`python -m traces slice`: writes a part of a trace."""

from __future__ import annotations

import argparse
from math import inf

from sim_core.errors import TraceError
from traces.commands import shared

DESCRIPTION = """
Writes the requests of IN that all options choose: first the window of time, then applications and sizes, then the
count. Requests keep their ids.
"""
EXAMPLES = """examples:
  python -m traces slice week.parquet monday.parquet --from 0 --to 86400
  python -m traces slice conv.csv short.csv --prompt-tokens 1:2048 --first 10000
  python -m traces slice mix.parquet one.parquet --application 1
"""


def add_parser(subparsers: shared.Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `slice`."""
    parser = shared.add_command(
        subparsers, run, "slice", "write a part of a trace: by time, count, application or size", DESCRIPTION, EXAMPLES
    )
    add = parser.add_argument
    add("file", metavar="IN", help="the trace file to read")
    add("out", metavar="OUT", help="the file to write")
    add("--from", dest="from_s", type=float, default=0.0, metavar="S", help="start of the window, seconds; default: 0")
    add("--to", dest="to_s", type=float, default=inf, metavar="S", help="end of the window, seconds, not included")
    only = "only this application; may be repeated"
    add("--application", type=int, action="append", default=[], metavar="ID", help=only)
    sizes = "range of prompt sizes; MIN or MAX may be empty"
    add("--prompt-tokens", type=_range, default=(0, inf), metavar="MIN:MAX", help=sizes)
    add("--output-tokens", type=_range, default=(0, inf), metavar="MIN:MAX", help="output sizes")
    add("--skip", type=int, default=0, metavar="N", help="leave out the first N of the chosen requests")
    add("--first", type=int, metavar="N", help="then write at most N")
    add("--keep-times", action="store_true", help="keep the times; otherwise the window's start becomes 0")
    shared.add_reading_and_writing(parser)


def _range(text: str) -> tuple[float, float]:
    least, colon, most = text.partition(":")
    if not colon:
        raise argparse.ArgumentTypeError(f"{text!r} must be MIN:MAX, such as 1:2048 or 1000:")
    return (int(least) if least else 0), (int(most) if most else inf)


def run(options: argparse.Namespace) -> None:
    """Slices the trace; prints how many requests are left."""
    from traces.edit import Slice, sliced

    which = Slice(
        from_s=options.from_s,
        to_s=options.to_s,
        applications=frozenset(options.application),
        prompt_tokens=options.prompt_tokens,
        output_tokens=options.output_tokens,
        skip=options.skip,
        count=options.first,
        shift=not options.keep_times,
    )
    which.check()
    path = shared.output_path(options)
    opened = shared.read_with_progress(options, options.file)
    if which.to_s <= opened.first_s or which.from_s > opened.last_s:
        raise TraceError(
            f"no request arrives from {which.from_s:g} s to {which.to_s:g} s: --from and --to are the trace's own "
            f"times, which go from {opened.first_s:.13g} s to {opened.last_s:.13g} s",
            source=options.file,
        )
    shared.write(opened, path, lambda batches: sliced(batches, which))
