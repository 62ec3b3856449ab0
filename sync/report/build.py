"""The report's files: made of a sweep's data, written whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from sim_core.whole_file import replacing
from sync.report import FIGURES
from sync.report.base import Missing, Plot
from sync.report.data import ReportData
from sync.report.page import Page
from sync.report.style import picture, printed
from sync.results.outcome import SweepInfo

HTML = "report.html"


def report_files(
    data: ReportData,
    info: SweepInfo | None,
    formats: Sequence[str],
    notes: Sequence[str] = (),
    told: Callable[[str], None] = lambda _: None,
) -> dict[str, bytes]:
    """The files by name: `report.html` for html, a file a figure for png, pdf and svg. Equal data make equal bytes.

    `told` is called with the name of each kind of figure before it is drawn.
    """
    files: dict[str, bytes] = {}
    with printed():
        made: list[Plot | Missing] = []
        for name, make in FIGURES.items():
            told(name)
            made += make(data)
        told("page")
        if "html" in formats:
            files[HTML] = Page(data, info, notes).html(made).encode()
        for plot in made:
            if isinstance(plot, Plot):
                for form in formats:
                    if form != "html":
                        files[_distinct(_file_name(plot.name), form, files)] = picture(plot.figure, form)
    return files


def write_files(files: dict[str, bytes], folder: Path) -> None:
    """Write them below `folder`, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with replacing(folder / name) as file:
            file.write(content)


def _file_name(name: str) -> str:
    """A figure's name as a file's: it may hold what a system is called."""
    return re.sub(r"[^A-Za-z0-9._+=-]+", "-", name).strip(".-")[:120] or "figure"


def _distinct(name: str, form: str, taken: dict[str, bytes]) -> str:
    number, found = 2, f"{name}.{form}"
    while found in taken:
        number, found = number + 1, f"{name}-{number}.{form}"
    return found
