"""Command line: `python -m traces --help`."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sim_core.errors import SimError, TraceError
from sim_core.trace import Trace
from traces import describe, named
from traces.reader import read_csv
from traces.sizes import workload_names
from traces.workload import TraceRef, load
from traces.writer import csv_lines, write_csv

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "traces" / "samples"
EXAMPLES = """examples:
  python -m traces describe rr_conv_70                 conversation, 70 requests a second, 600 s
  python -m traces describe traces/samples/test_trace.csv
  python -m traces generate rr_code_0.5_2min --seed 7 --out slow.csv
  python -m sim_core trace.filename=rr_conv_70 ...     a run takes such names as they are; nothing need be written
"""


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="python -m traces",
        description=f"Workloads. Named ones are {named.FORM}; WORKLOAD is {' or '.join(workload_names())}; "
        f"{named.DEFAULT_DURATION_S:g} s unless the name says otherwise.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    generate = commands.add_parser("generate", help="write a named workload as SplitwiseSim's CSV")
    generate.add_argument("name", metavar="NAME", help="such as rr_conv_70 or rr_code_20_30s")
    generate.add_argument("--seed", type=_seed, default=0, help="default: %(default)s")
    generate.add_argument("--out", metavar="FILE", help="default: NAME.csv here; '-' is the standard output")
    generate.add_argument("--force", action="store_true", help="replace FILE if it is there")
    show = commands.add_parser("describe", help="counts, rates and sizes of a named workload or a file")
    show.add_argument("trace", metavar="NAME-or-FILE", help="a workload's name, a CSV file, or the name of a sample")
    show.add_argument("--seed", type=_seed, default=0, help="of a named workload; default: %(default)s")
    return top


def _seed(text: str) -> int:
    seed = int(text)
    if seed < 0:
        raise ValueError(text)
    return seed


def run_generate(options: argparse.Namespace) -> None:
    """Writes the trace; says where."""
    trace = named.generate(named.parse(options.name, options.seed), options.name)
    if options.out == "-":
        sys.stdout.writelines(csv_lines(trace))
        sys.stdout.flush()
        return
    path = Path(options.out or f"{options.name}.csv")
    if path.exists() and not options.force:
        raise TraceError("is there already; --force replaces it", source=str(path))
    write_csv(trace, path)
    Console(stderr=True, highlight=False).print(f"{len(trace):,} requests in {escape(str(path))}", soft_wrap=True)


def open_trace(text: str, seed: int) -> Trace:
    """A file if there is one of that name, else a named workload or a sample."""
    path = Path(text)
    if path.is_file():
        return read_csv(path)
    if path.name != text or (path.suffix and not text.startswith(named.PREFIX)):
        raise TraceError("no such file", source=text)
    folder = SAMPLES.relative_to(ROOT).as_posix()
    return load(TraceRef(text.removesuffix(".csv"), folder, seed), ROOT)


def run_describe(options: argparse.Namespace) -> None:
    """Prints the tables."""
    trace = open_trace(options.trace, options.seed)
    console = Console()
    console.print(describe.overview(trace))
    console.print(describe.sizes(trace))


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, or 2 when a trace cannot be made, read or written."""
    options = parser().parse_args(arguments)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            (run_generate if options.command == "generate" else run_describe)(options)
            status = 0
        except SimError as error:
            print(f"error: {error}", file=sys.stderr)
            status = 2
        except BrokenPipeError:  # `... | head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = 0
    for warning in caught:
        print(f"warning: {warning.message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
