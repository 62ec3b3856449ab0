"""What several commands ask for in the same way."""

from __future__ import annotations

import argparse
from pathlib import Path

from sim_core.errors import TraceError
from sim_core.trace import Trace
from traces.reader import read_file
from traces.sizes import PREFIX
from traces.time_unit import AUTO, UNITS
from traces.workload import TraceRef, load

Subparsers = argparse._SubParsersAction  # the type has no public name
ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "traces" / "samples"


def seed(text: str) -> int:
    """Of a random stream. Raises ArgumentTypeError for what is no whole number from 0 on."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def add_time_unit(parser: argparse._ActionsContainer, of: str) -> None:
    """Adds `--time-unit`, the unit of the times in the files that are read."""
    parser.add_argument(
        "--time-unit",
        choices=UNITS,
        default=AUTO,
        help=f"of the times in {of}; default: as the format's definition says, or as the file shows",
    )


def open_trace(text: str, seed: int, time_unit: str = AUTO) -> Trace:
    """A file if there is one of that name, else a named workload or a sample."""
    path = Path(text)
    if path.is_file():
        return read_file(path, time_unit=time_unit)
    if path.name != text or (path.suffix and not text.startswith(PREFIX)):
        raise TraceError("no such file", source=text)
    folder = SAMPLES.relative_to(ROOT).as_posix()
    return load(TraceRef(text.removesuffix(".csv"), folder, seed, time_unit), ROOT)
