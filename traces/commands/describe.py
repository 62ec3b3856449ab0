"""`python -m traces describe`: shows what a trace asks of a cluster."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from configs.terminal import console, draw
from configs.terminal import say as say_in_lines
from sim_core.errors import TraceError
from sim_core.trace import Trace
from traces.commands.shared import Subparsers, add_command, add_reading, no_such_file, read_with_progress, say, seed
from traces.reader import read_file, warn
from traces.recipe_file import SUFFIX, read_recipe
from traces.sizes import PREFIX
from traces.time_unit import TimeUnit
from traces.workload import TraceRef, load

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = "traces/samples"
EXAMPLES = """examples:
  python -m traces describe rr_conv_70
  python -m traces describe AzureLLMInferenceTrace_conv.csv --png conv.png
  python -m traces describe load.yaml --seed 3 --json
  python -m traces describe mine.jsonl --time-unit s
"""


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `describe`."""
    parser = add_command(
        subparsers,
        run,
        "describe",
        "show counts, rates over time, sizes and burstiness of a trace, as tables, JSON or a picture",
        "Shows what a trace asks of a cluster: requests and tokens over time, how unevenly they come, and their sizes.",
        EXAMPLES,
    )
    add = parser.add_argument
    add("trace", metavar="TRACE", help="a workload's name, a file of any format, a recipe, or a sample")
    add("--seed", type=seed, default=0, help="seed of a named workload or recipe; default: %(default)s")
    add("--json", action="store_true", help="print JSON instead of tables")
    add("--bins", type=int, default=12, metavar="N", help="number of time intervals in the table; default: %(default)s")
    add("--png", metavar="FILE", help="draw arrivals and sizes into FILE, which is replaced")
    add_reading(parser)


def run(options: argparse.Namespace) -> None:
    """Prints the tables, or JSON, and draws the picture."""
    if options.bins < 1 or options.bins > 10_000:
        raise TraceError(f"--bins {options.bins}: must be from 1 to 10,000")
    if options.png and (Path(options.png).is_dir() or not Path(options.png).parent.is_dir()):
        raise TraceError("cannot be written: must be a file in an existing folder", source=options.png)
    read, unit = _read(options)
    trace = read.on_run_clock()
    from traces import describe, statistics  # NumPy, which errors in arguments do without

    facts = statistics.describe(trace, options.bins)
    if unit:
        facts["time_unit"] = {"unit": unit.unit, "source": unit.source, "reason": unit.reason}
    if options.json:
        sys.stdout.write(json.dumps(facts, indent=2, allow_nan=False) + "\n")
    else:
        screen = console()
        if unit:
            say_in_lines(screen, f"time unit: {unit.text()}")
        for number, table in enumerate(describe.tables(facts)):
            if number or unit:
                screen.print()
            say_in_lines(screen, table.title, style="bold")
            screen.print(draw(table.columns, screen.width, more="--json"), soft_wrap=True)
    if options.png:
        from traces import picture

        picture.draw(trace, Path(options.png))
        say(f"picture in {options.png}")


def _read(options: argparse.Namespace) -> tuple[Trace, TimeUnit | None]:
    """The trace, and the unit of a file's times where its format does not say it."""
    path = Path(options.trace)
    if not path.is_file():
        if path.name != options.trace or (path.suffix and not options.trace.startswith(PREFIX)):
            raise TraceError(no_such_file(path), source=options.trace)
        name = options.trace.removesuffix(".csv")
        return load(TraceRef(name, SAMPLES, options.seed, options.time_unit), ROOT), None
    if path.suffix == SUFFIX:
        recipe = read_recipe(path, read_file, confined=False, time_unit=options.time_unit)
        return recipe.generate(options.seed, path.stem), None
    opened = read_with_progress(options, options.trace)
    from traces.reading import stem, to_trace

    trace = to_trace(opened.batches(), stem(path.name))
    warn(opened.counts, notes=False)
    return trace, opened.counts.time_unit
