"""`report`: a sweep's answer in words and figures, as one HTML file."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from sim_core.errors import SpecError
from sync.commands import base
from sync.commands.runs import run_of
from sync.report.data import ReportData, Run, detailed_run
from sync.report.iterations import again
from sync.report.page import REPORT_FILE, report_files, write_files
from sync.report.style import FORMATS
from sync.results.sweep import Sweep
from sync.tracking.sink import deliver_report

_EXAMPLES = """examples:
  python -m sync report quickstart                              results/quickstart/report/report.html
  python -m sync report quickstart --format html png pdf        the figures as files, too
  python -m sync report quickstart --detail 7f84ff --out mine   look at the batches and the timeline of that run
  python -m sync report quickstart --slo my_slo.yaml            judged by the limits in a file (`answers --help`)
  python -m sync report costopt --rate 50                       the cheapest clusters, and their maps, at that rate
The page needs no other file and no network: send it, print it, open it anywhere. One run is simulated again, since a
sweep does not keep the batches and the timeline of its runs; `--detail none` leaves these figures out.
"""
_HELP = "a sweep's answer in words and figures, as one HTML file; also on the sweep's page in MLflow"


def add_parser(subparsers: base.Subparsers) -> None:
    """Add the parser of `report`."""
    options = ("name", "--slo", "--rate", *base.READING)
    parser = base.add_command(subparsers, "report", _run, _HELP, _EXAMPLES, options)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where to (default: RESULTS/SWEEP/report)")
    formats = ("html", *FORMATS)
    parser.add_argument(
        "--format", nargs="+", choices=formats, default=["html"], metavar="FORMAT",
        help=f"of {', '.join(formats)}; default: html",
    )  # fmt: skip
    text = "the run whose iterations are shown, or `none` (default: the best within the SLO)"
    parser.add_argument("--detail", metavar="RUN", help=text)
    parser.add_argument("--sink", choices=("mlflow", "none"), default="mlflow", help="default: %(default)s")


def _run(arguments: argparse.Namespace) -> int:
    folder = arguments.out or arguments.results / arguments.name / "report"
    if folder.exists() and not folder.is_dir():
        raise SpecError("is not a folder", key="--out", value=str(folder))
    sweep = base.read_sweep(arguments)
    data = ReportData(sweep, arguments.rate)
    detail = _detail(sweep, data, arguments.detail)
    with Console(stderr=True).status("reading") as status:
        if isinstance(detail, Run):
            status.update(f"running {escape(detail.name)} again")
            data.iterations = again(detail.outcome, data.requests_of(detail))
        else:
            data.iterations = detail
        formats = list(dict.fromkeys(arguments.format))
        notes = base.left_out(sweep, "`report --all` counts them in")
        files = report_files(data, sweep.source.info(), formats, notes, lambda name: status.update(f"drawing {name}"))
        write_files(files, folder)
        print(f"{len(files)} {'file' if len(files) == 1 else 'files'} in {folder}")
        if arguments.sink == "mlflow" and REPORT_FILE in files:
            status.update("logging to MLflow")
            print(deliver_report(arguments.results, arguments.name, files[REPORT_FILE], len(data.runs)))
    return 0


def _detail(sweep: Sweep, data: ReportData, choice: str | None) -> Run | str:
    """The run to make again, or why there is none."""
    if choice == "none":
        return "--detail none: no run was made again"
    if choice is not None:
        key = run_of(sweep, choice, "--detail").key
        return next(run for run in data.runs if run.outcome.key == key)
    return detailed_run(data) or "no run was completed"
