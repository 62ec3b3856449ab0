"""What several commands ask for in the same way."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from sim_core.errors import TraceError, nearest
from sim_core.trace import Trace
from traces.reader import read_file
from traces.sizes import PREFIX
from traces.time_unit import AUTO, UNITS
from traces.workload import TraceRef, load

Subparsers = argparse._SubParsersAction  # the type has no public name
ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "traces" / "samples"


def add_command(
    subparsers: Subparsers[argparse.ArgumentParser],
    run: Callable[[argparse.Namespace], None],
    name: str,
    summary: str,
    description: str = "",
    examples: str = "",
) -> argparse.ArgumentParser:
    """Adds the command `name`. `examples` are lines below the options; their layout stays as it is."""
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=description or None,
        epilog=examples or None,
        formatter_class=argparse.RawDescriptionHelpFormatter if examples else argparse.HelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def seed(text: str) -> int:
    """A seed of random streams. ArgumentTypeError unless it is a whole number from 0 on."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def add_time_unit(parser: argparse._ActionsContainer, files: str) -> None:
    """Adds `--time-unit`, the unit of the times in the files that are read."""
    parser.add_argument(
        "--time-unit",
        choices=UNITS,
        default=AUTO,
        help=f"unit of the times in {files}; default: what the format's definition says, or what the file shows",
    )


def no_such_file(path: Path) -> str:
    """The reason why the file cannot be read, with the nearest name in its folder."""
    try:
        names = [file.name for file in path.parent.iterdir() if file.is_file()]
    except OSError:
        return f"no such file, nor its folder {path.parent}"
    close = nearest(path.name, names)
    return f"no such file{f'; did you mean {str(path.with_name(close))!r}?' if close else ''}"


def find_trace(text: str, seed: int, time_unit: str = AUTO) -> Trace:
    """The trace in the file `text`; if there is none, the named workload or the sample of that name."""
    path = Path(text)
    if path.is_file():
        return read_file(path, time_unit=time_unit)
    if path.name != text or (path.suffix and not text.startswith(PREFIX)):
        raise TraceError(no_such_file(path), source=text)
    folder = SAMPLES.relative_to(ROOT).as_posix()
    return load(TraceRef(text.removesuffix(".csv"), folder, seed, time_unit), ROOT)
