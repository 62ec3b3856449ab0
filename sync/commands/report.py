"""`report`: a sweep's answer in words and figures, as one HTML file."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sim_core.errors import SpecError
from sync.commands.base import (
    Subparsers,
    add_command,
    add_name,
    add_rate,
    add_reading,
    add_slo,
    info_of,
    left_out,
    rate_of,
    read_sweep,
)
from sync.commands.runs import run_of
from sync.report.build import HTML, report_files, write_files
from sync.report.data import ReportData, Run, detailed_run, report_data
from sync.report.iterations import again
from sync.results.sweep import Sweep
from sync.tracking.deliver import deliver

_EXAMPLES = """examples:
  python -m sync report quickstart                              results/quickstart/report/report.html
  python -m sync report quickstart --format html png pdf        the figures as files, too
  python -m sync report quickstart --detail 7f84ff --out mine   look at that run's batches and timeline
  python -m sync report quickstart --slo my_slo.yaml            by other limits (`answers --help`)
  python -m sync report costopt --rate 50                       the cheapest clusters, and their maps, at that rate
The page needs nothing else: send it, print it, open it without a network. One run is made again, for what a sweep does
not keep of it (batches and timeline); `--detail none` leaves that out.
"""
_FORMATS = ("html", "png", "pdf", "svg")


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    told = "a sweep's answer in words and figures, as one HTML file; also on the sweep's page in MLflow"
    parser = add_command(subparsers, "report", _run, told, _EXAMPLES)
    add_name(parser)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to (default: RESULTS/SWEEP/report)")
    parser.add_argument(
        "--format", nargs="+", choices=_FORMATS, default=["html"], metavar="FORMAT",
        help=f"of {', '.join(_FORMATS)}; default: html",
    )  # fmt: skip
    add_slo(parser)
    add_rate(parser)
    parser.add_argument(
        "--detail",
        metavar="RUN",
        help="the run whose iterations are shown, or `none` (default: the best within the SLO)",
    )
    parser.add_argument("--sink", choices=("mlflow", "none"), default="mlflow", help="default: %(default)s")
    add_reading(parser)


def _run(arguments: argparse.Namespace) -> int:
    folder = arguments.out or arguments.results / arguments.name / "report"
    if folder.exists() and not folder.is_dir():
        raise SpecError("is not a folder", key="--out", value=str(folder))
    rate = rate_of(arguments.rate)
    sweep = read_sweep(arguments)
    data = report_data(sweep, rate)
    chosen = _detail(sweep, data, arguments.detail)
    console = Console(stderr=True)
    with console.status("reading") as status:
        if isinstance(chosen, Run):
            status.update(f"running {escape(chosen.outcome.name)} again")
            made = again(chosen, data.requests_of(chosen.outcome.key))
        else:
            made = chosen
        data = dataclasses.replace(data, iterations=made)
        formats = list(dict.fromkeys(arguments.format))
        notes = left_out(sweep, "`report --all` counts them in")
        files = report_files(data, info_of(sweep), formats, notes, lambda name: status.update(f"drawing {name}"))
        write_files(files, folder)
        print(f"{len(files)} {'file' if len(files) == 1 else 'files'} in {folder}")
        if arguments.sink == "mlflow" and HTML in files:
            status.update("logging to MLflow")
            print(deliver(arguments.results, arguments.name, files[HTML], len(data.runs)))
    return 0


def _detail(sweep: Sweep, data: ReportData, told: str | None) -> Run | str:
    """The run to make again, or why there is none."""
    if told == "none":
        return "--detail none: no run was made again"
    if told is not None:
        key = run_of(sweep, told, "--detail").key
        return next(run for run in data.runs if run.outcome.key == key)
    return detailed_run(data) or "no run was completed"
