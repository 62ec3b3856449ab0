"""`export`: a sweep as files of its own."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from configs.terminal import console, say
from sim_core.errors import SimError, SpecError
from sync.commands.base import READING, Subparsers, add_command, left_out, read_sweep, watched
from sync.commands.runs import chosen_runs
from sync.files.of_outcome import write_splitwisesim
from sync.results.frame import runs_frame
from sync.results.inside import FOLDER_MODE, read_inside, refuse_links
from sync.results.outcome import Outcome
from sync.results.parquet import open_table, read_requests
from sync.results.spreadsheet import safe_frame
from sync.results.sweep import Sweep, sound_table

_FORMATS = ("csv", "parquet", "splitwisesim")
_EXAMPLES = """formats:
  csv           runs.csv with a row for each run, and requests/RUN.csv with a row for each request; a text that
                begins like a formula of a spreadsheet (= + - @) has a ' in front of it
  parquet       the same as Parquet
  splitwisesim  runs.csv, and for each run summary.csv, detailed/0.csv and so on, as a single run writes them
examples:
  python -m sync export quickstart --to mine
  python -m sync export quickstart 'splitwise-ha 6P+4T conv 24 rps' --to mine
  python -m sync export quickstart --to mine --format splitwisesim --where system=splitwise-ha rate=24
"""


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    summary = "write a sweep's runs and requests as CSV, Parquet or SplitwiseSim's files"
    parser = add_command(subparsers, "export", _run, summary, _EXAMPLES, ("name", "runs", "--slo", "--where", *READING))
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="a folder that is not there yet")
    parser.add_argument("--format", choices=_FORMATS, default="csv", help="default: %(default)s")


def _run(arguments: argparse.Namespace) -> int:
    target: Path = arguments.to
    refuse_links(target.parent, arguments.results)
    if os.path.lexists(target):
        raise SpecError("is there already; name a new folder", key="--to", value=str(target))
    sweep = read_sweep(arguments)
    outcomes = chosen_runs(sweep, arguments)
    try:
        left = _write(sweep, outcomes, arguments.format, target)
    except OSError as error:
        if error.errno is None or error.filename:  # ConnectionError; an error that names its file
            raise
        raise SimError(f"--to={str(target)!r}: cannot be written: {error.strerror}") from error
    runs = "1 run" if len(outcomes) == 1 else f"{len(outcomes):,} runs"
    for line in (f"{runs}{left} in {target}", *left_out(sweep)):
        say(console(), line)
    return 0


def _write(sweep: Sweep, outcomes: Sequence[Outcome], form: str, target: Path) -> str:
    """Write the export to `target`, whole or not at all; returns in words how many runs have no requests."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Made in a folder of its own and renamed: an interrupted export must not be taken for a whole one.
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as aside:
        folder = Path(aside) / "export"
        folder.mkdir(FOLDER_MODE)  # for its owner alone, as the results are
        runs = runs_frame(map(sweep.with_goodput, outcomes), sweep.slo)
        if form == "parquet":
            runs.to_parquet(folder / "runs.parquet", index=False)
        else:
            safe_frame(runs).to_csv(folder / "runs.csv", index=False)
        without = 0
        for outcome in watched(outcomes, "exporting"):
            table = sweep.source.requests_file(outcome.key)
            if table is None:
                without += 1
            else:
                with sound_table(outcome, table):
                    _write_requests(outcome, table, form, folder)
        folder.replace(target)
    return f" ({without} of them left no requests)" if without else ""


def folder_name(outcome: Outcome) -> str:
    """A name for one file or folder, made of the run's name and the beginning of its key."""
    return f"{re.sub(r'[^A-Za-z0-9._+=-]+', '-', outcome.name).strip('.-')[:100]}-{outcome.key[:8]}"


def _write_requests(outcome: Outcome, table: Path, form: str, folder: Path) -> None:
    if form == "splitwisesim":
        write_splitwisesim(outcome, read_inside(table, "requests_bytes"), folder / folder_name(outcome))
        return
    completed = outcome.summary.get("run/completed")
    target = folder / "requests" / f"{folder_name(outcome)}.{form}"
    target.parent.mkdir(exist_ok=True)
    if form == "parquet":
        open_table(table, completed).close()  # raises for what is none
        shutil.copyfile(table, target)
    else:
        safe_frame(read_requests(table, completed=completed).to_pandas()).to_csv(target, index=False)
