"""The report's files, and the one HTML page: no network, no script, the figures within it. A sweep's page in MLflow is
the same page with fewer sections."""

from __future__ import annotations

import base64
import csv
import io
import itertools
import os
import re
from collections.abc import Callable, Container, Sequence
from pathlib import Path

from sim_core.whole_file import replacing
from sync.analysis.answers import OF_A_LIMIT, counts, sentences, tables
from sync.analysis.texts import Table, number
from sync.report import FIGURES
from sync.report.base import Missing, Plot
from sync.report.data import ReportData, RunRow, best_first
from sync.report.slowdown import TITLE, design_lines, slowdown_plot
from sync.report.style import picture, printed
from sync.results.metrics import METRICS
from sync.results.outcome import SweepInfo
from sync.results.privacy import Scrubber
from sync.results.slo import Slo

REPORT_FILE = "report.html"
_MOST_ROWS = 2000  # of the table of all runs: browsers take long to lay out more
# By head of the table of all runs the figure in the column.
_COLUMNS = {
    "$/h": "cost/dollars_per_hour",
    "power": "power/weight",
    **{f"{m.upper()} {p} s": f"{m}/{p}_s" for m in METRICS for p in ("p50", "p99")},
    **{f"{m.upper()} {p} ×": f"{m}/{p}_slowdown" for m in METRICS for p in ("p50", "p90", "p99")},
    "utilisation": "utilisation/mean",
    "memory peak": "memory/peak_fraction",
    "rejected": "run/rejected",
    "unfinished": "run/unfinished",
}


def report_files(
    data: ReportData,
    info: SweepInfo | None,
    formats: Sequence[str],
    notes: Sequence[str] = (),
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, bytes]:
    """The files by name: `REPORT_FILE` for html, a file a figure for png, pdf and svg. Equal data make equal bytes.

    `info` is what the sweep was, where its source says so; `notes` are lines below the answer. `say` is called with the
    name of each kind of figure before it is drawn.
    """
    files: dict[str, bytes] = {}
    with printed():
        figures: list[Plot | Missing] = []
        for name, make in FIGURES.items():
            say(name)
            figures += make(data)
        say("page")
        plots = [figure for figure in figures if isinstance(figure, Plot)]
        if "html" in formats:
            files[REPORT_FILE] = _page(
                data.sweep.name,
                info,
                data.runs,
                answers=sentences(data.answers),
                tables=[table for workload in data.answers.workloads for table in tables(workload)],
                notes=[counts(data.answers), f"{_slo_note(data.answers.slo)} {OF_A_LIMIT}", *notes],
                images=[(plot, _address(picture(plot.figure, "svg"), "svg")) for plot in plots],
                missing=[figure for figure in figures if isinstance(figure, Missing)],
                more="`python -m sync export` writes them all",
            )
        for plot, form in itertools.product(plots, formats):
            if form != "html":
                files[_file_name(plot.name, form, files)] = picture(plot.figure, form)
    return files


def sweep_files(sweep: SweepInfo, runs: Sequence[RunRow], answer: str) -> dict[str, bytes]:
    """The files of a sweep's page in MLflow by name: the page, its figure, and all figures of the runs as a table.
    `answer` is the page's first line. Secrets are scrubbed from the page only."""
    ordered = best_first(runs)
    files = {"runs.csv": _csv(ordered)}
    images = []
    if lines := design_lines(ordered, sweep.slo):
        which = "The best designs." if len(lines) < len({run.standing.design for run in runs}) else ""
        with printed():
            plot = slowdown_plot("slowdown", TITLE, lines, sweep.slo, which)
            files["slowdown.png"] = picture(plot.figure, "png")
        images = [(plot, _address(files["slowdown.png"], "png"))]
    answers, notes = [answer] if answer else [], [_slo_note(sweep.slo)]
    page = _page(sweep.name, sweep, runs, answers=answers, notes=notes, images=images, more="runs.csv has them all")
    return {REPORT_FILE: page, **files}


def _page(
    name: str,
    sweep: SweepInfo | None,
    runs: Sequence[RunRow],
    *,
    answers: Sequence[str],
    notes: Sequence[str],
    images: Sequence[tuple[Plot, str]],
    more: str,
    tables: Sequence[Table] = (),
    missing: Sequence[Missing] = (),
) -> bytes:
    """The page. `answers` are sentences, `notes` lines in small print, `images` figures with their addresses; `more`
    says where the runs are that the table has no room for. Empty parts are left out. All texts are scrubbed of secrets
    and escaped; equal contents make equal bytes."""
    from jinja2 import Environment, StrictUndefined

    scrub = Scrubber(os.environ)

    def scrubbed(value: object) -> object:
        return scrub(value) if type(value) is str else value  # a subclass of str is what was escaped already

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=scrubbed, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    shown = best_first(runs)[:_MOST_ROWS]
    return template.render(
        name=name, sweep=sweep, runs=shown, left_out=len(runs) - len(shown), more=more, columns=_COLUMNS, number=number,
        answers=answers, tables=tables, notes=notes, images=images, missing=missing,
    ).encode()  # fmt: skip


def _address(content: bytes, form: str) -> str:
    """A picture, svg or png, as a data address."""
    if form == "svg":
        form, content = "svg+xml", content[content.index(b"<svg") :]  # without the address of a document type
    return f"data:image/{form};base64,{base64.b64encode(content).decode()}"


def _slo_note(slo: Slo) -> str:
    """The limits, and what it means to be within them."""
    return (
        f"The SLO: {slo.told()} (x: as slow as the same request alone on a DGX-A100). A run is within the SLO if it"
        " meets all limits and serves every request. A design carries the highest rate up to which all of its runs are"
        " within the SLO; rates that were not run are left open."
    )


def _csv(runs: Sequence[RunRow]) -> bytes:
    """The runs with every figure that one of them has."""
    names = sorted({name for run in runs for name in run.figures})
    text = io.StringIO()
    writer = csv.DictWriter(text, ["run", "design", "rate", "verdict", *names])
    writer.writeheader()
    for run in runs:
        facts = {name: getattr(run.standing, name) for name in ("design", "rate", "verdict")}
        writer.writerow({"run": run.name, **facts, **run.figures})
    return text.getvalue().encode()


def _file_name(figure: str, form: str, taken: Container[str]) -> str:
    """A file name that is not taken, for a figure whose own name may hold whatever a system is called."""
    stem = re.sub(r"[^A-Za-z0-9._+=-]+", "-", figure).strip(".-")[:120] or "figure"
    numbered = (f"{stem}-{number}.{form}" for number in itertools.count(2))
    return next(name for name in itertools.chain([f"{stem}.{form}"], numbered) if name not in taken)


def write_files(files: dict[str, bytes], folder: Path) -> None:
    """Write the files below `folder`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with replacing(folder / name) as file:
            file.write(content)
