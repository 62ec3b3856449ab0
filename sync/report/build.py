"""The files of a sweep's report."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from sim_core.whole_file import replacing
from sync.analysis.answers import OF_A_LIMIT, counts, sentences, tables
from sync.report import FIGURES
from sync.report.base import Missing, Plot
from sync.report.data import ReportData
from sync.report.page import Image, Page, slo_note
from sync.report.style import picture, printed
from sync.report.sweep_page import REPORT_FILE
from sync.results.outcome import SweepInfo


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
            missing = [figure for figure in figures if isinstance(figure, Missing)]
            files[REPORT_FILE] = _page(data, info, notes, plots, missing).html()
        for plot in plots:
            for form in formats:
                if form != "html":
                    files[_distinct(_file_name(plot.name), form, files)] = picture(plot.figure, form)
    return files


def _page(
    data: ReportData, info: SweepInfo | None, notes: Sequence[str], plots: Sequence[Plot], missing: Sequence[Missing]
) -> Page:
    return Page(
        name=data.name,
        sweep=info,
        answers=sentences(data.answers),
        tables=[table for workload in data.answers.workloads for table in tables(workload)],
        notes=[counts(data.answers), f"{slo_note(data.answers.slo)} {OF_A_LIMIT}", *notes],
        images=[Image(plot.title, plot.caption, picture(plot.figure, "svg"), "svg") for plot in plots],
        missing=missing,
        runs=data.runs,
        more="`python -m sync export` writes them all",
    )


def write_files(files: dict[str, bytes], folder: Path) -> None:
    """Write the files below `folder`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with replacing(folder / name) as file:
            file.write(content)


def _file_name(name: str) -> str:
    """The file name of a figure, whose own name may hold whatever a system is called."""
    return re.sub(r"[^A-Za-z0-9._+=-]+", "-", name).strip(".-")[:120] or "figure"


def _distinct(name: str, form: str, taken: dict[str, bytes]) -> str:
    number, found = 2, f"{name}.{form}"
    while found in taken:
        number, found = number + 1, f"{name}-{number}.{form}"
    return found
