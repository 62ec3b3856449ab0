"""`report`: a sweep's answer in words and figures, as one HTML file."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path

from rich.text import Text

from configs.terminal import console
from sim_core.errors import SpecError, shown
from sync.analysis.answers import check_rate
from sync.commands import base
from sync.commands.found import found_of
from sync.commands.runs import run_of
from sync.report.data import ReportData, Run, detailed_run
from sync.report.files import REPORT_FILE, mark_of, own_folder, page_file, remove_former, write_files
from sync.report.iterations import again
from sync.report.page import report_files
from sync.report.style import FORMATS
from sync.results.inside import refuse_links
from sync.results.sweep import Sweep
from sync.tracking.sink import deliver_report

_EXAMPLES = """examples:
  python -m sync report quickstart                              results/quickstart/report/report.html
  python -m sync report quickstart --format html png pdf        the figures as files, too
  python -m sync report quickstart --detail 'splitwise-ha 6P+4T conv 16 rps' --out mine
                                                                the batches and the timeline of that run
  python -m sync report quickstart --slo experiments/slo/paper.yaml   judged by a file's limits: report-paper.html
  python -m sync report how-many --rate 16                      the cheapest clusters, and maps of counts, at that rate
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
    folder = arguments.out or own_folder(arguments.results, arguments.name)
    if folder.exists() and not folder.is_dir():
        raise SpecError("is not a folder", key="--out", value=str(folder))
    inside = arguments.results if arguments.out is None else None
    if inside is not None:
        refuse_links(folder, inside)  # before the work, too
    sweep = base.read_sweep(arguments)
    limits = "" if arguments.slo is None else arguments.slo.stem
    data = ReportData(sweep, arguments.rate)
    check_rate(data.answers, arguments.rate)
    detail = _detail(sweep, data, arguments.detail)
    with console(error=True).status("reading") as status:
        if isinstance(detail, Run):
            status.update(Text(f"running {shown(detail.name)} again"))
            data.iterations = again(detail.outcome, data.requests_of(detail))
        else:
            data.iterations = detail
        formats = list(dict.fromkeys(arguments.format))
        not_found = found_of(sweep, is_part=False, rate=arguments.rate)[1]
        notes = [*not_found, *base.left_out(sweep, "`report --all` counts them in", missing=False)]
        info = sweep.source.info()
        files = report_files(data, info, formats, notes, lambda name: status.update(f"drawing {name}"), limits)
        write_files(files, folder, inside)
        mark = mark_of(sweep.name, page_file(limits))
        removed = remove_former(folder, files, mark, is_own=inside is not None)
        print(_written(files, folder, removed))
        if arguments.sink == "mlflow" and limits:
            print("not in MLflow, which keeps the report by the experiment's own limits")
        elif arguments.sink == "mlflow" and REPORT_FILE in files:
            status.update("logging to MLflow")
            print(deliver_report(arguments.results, arguments.name, files[REPORT_FILE], len(data.runs)))
    return 0


def _written(files: Collection[str], folder: Path, removed: int) -> str:
    """`report.html in FOLDER`, and how many pictures of an earlier report were removed."""
    page = next((name for name in files if name.endswith(".html")), "")
    pictures = len(files) - bool(page)
    drawn = f"{pictures} {'picture' if pictures == 1 else 'pictures'}" if pictures else ""
    text = f"{' and '.join(filter(None, (page, drawn)))} in {shown(folder)}"
    return f"{text}; pictures of the report before it that were removed: {removed}" if removed else text


def _detail(sweep: Sweep, data: ReportData, choice: str | None) -> Run | str:
    """The run to make again, or why there is none."""
    if choice == "none":
        return "--detail none: no run was made again"
    if choice is not None:
        key = run_of(sweep, choice, "--detail").key
        return next(run for run in data.runs if run.outcome.key == key)
    return detailed_run(data) or "no run was completed"
