"""The page that a sweep keeps in MLflow: the report's, of what the runs in the store say, with one figure."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from sync.report.page import Image, Page, slo_note
from sync.report.runs import RunRow, best_first
from sync.report.slowdown import TITLE, design_lines, slowdown_plot
from sync.report.style import picture, printed
from sync.results.outcome import SweepInfo

REPORT_FILE = "report.html"


def sweep_files(sweep: SweepInfo, runs: Sequence[RunRow], answer: str) -> dict[str, bytes]:
    """The files by name: the page, its figure, and all figures of the runs as a table. `answer` is the page's first
    line. Secrets are scrubbed from the page only."""
    ordered = best_first(runs)
    files = {"runs.csv": _csv(ordered)}
    images = []
    if lines := design_lines(ordered, sweep.slo):
        which = "The best designs." if len(lines) < len({run.standing.design for run in runs}) else ""
        with printed():
            plot = slowdown_plot("slowdown", TITLE, lines, sweep.slo, which)
            files["slowdown.png"] = picture(plot.figure, "png")
        images = [Image(plot.title, plot.caption, files["slowdown.png"], "png")]
    page = Page(
        name=sweep.name,
        sweep=sweep,
        answers=[answer] if answer else [],
        tables=[],
        notes=[slo_note(sweep.slo)],
        images=images,
        missing=[],
        runs=runs,
        more="runs.csv has them all",
    )
    return {REPORT_FILE: page.html(), **files}


def _csv(runs: Sequence[RunRow]) -> bytes:
    """The runs with every figure that one of them has."""
    names = sorted({name for run in runs for name in run.figures})
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("run", "design", "rate", "verdict", *names))
    for run in runs:
        standing = run.standing
        figures = (run.figures.get(name, "") for name in names)
        writer.writerow((run.name, standing.design, standing.rate, standing.verdict, *figures))
    return text.getvalue().encode()
