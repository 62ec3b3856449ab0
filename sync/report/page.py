"""The report's files, and the one HTML page: no network, no script, the figures within it. A sweep's page in MLflow is
the same page with fewer sections."""

from __future__ import annotations

import base64
import csv
import io
import itertools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from sync.analysis import found
from sync.analysis.answers import counts, sentences, tables
from sync.analysis.answers import notes as notes_of
from sync.analysis.seeds import NO_COUNTS_NOTE, ONE_NOTE, SEVERAL_NOTE
from sync.analysis.terms import caveats, slo_text, terms_lines
from sync.analysis.texts import Table
from sync.report import FIGURES
from sync.report.base import Missing, Plot
from sync.report.data import ReportData, RunRow, best_first, repetitions_of
from sync.report.ends import ends_table
from sync.report.files import REPORT_FILE, mark_of, page_file, picture_file
from sync.report.frontier import frontiers
from sync.report.runs_table import HEADS, run_lines
from sync.report.slowdown import design_lines, slowdown_plot, title_of
from sync.report.style import picture, printed
from sync.results.found import Plan
from sync.results.outcome import SweepInfo
from sync.results.privacy import Scrubber
from sync.results.slo import Slo

__all__ = ["REPORT_FILE", "report_files", "sweep_files"]
_FIRST = ("frontier", "tightest", "slowdown")  # kinds of figures that stand in front of the tables
_HOW_JUDGED = (
    "A run is within the SLO if it meets all limits and serves every request. A design carries the highest rate up to"
    " which all rates are within the SLO; rates that were not run are left open."
)


def report_files(
    data: ReportData,
    info: SweepInfo | None,
    formats: Sequence[str],
    notes: Sequence[str] = (),
    say: Callable[[str], None] = lambda _: None,
    limits: str = "",
) -> dict[str, bytes]:
    """The files by name: the page for html, a file a figure for png, pdf and svg. Equal data make equal bytes.

    `info` is what the sweep was, where its source says so; `notes` are lines below the answer. `say` is called with the
    name of each kind of figure before it is drawn. `limits` names the file of limits that runs are judged by, where it
    is not the experiment: the files have other names then.
    """
    files: dict[str, bytes] = {}
    page = page_file(limits)
    with printed():
        figures, first = _drawn(data, say)
        say("page")
        plots = [figure for figure in figures if isinstance(figure, Plot)]
        if "html" in formats:
            files[page] = _page(
                data.sweep.name,
                info,
                data.runs,
                data.answers.slo,
                limits=limits,
                answers=_answers(data),
                terms=terms_lines(data.answers.terms),
                deciding=_deciding(data),
                tables=_tables(data),
                notes=_once(*_notes(data), *notes),
                first=_embedded(first),
                images=_embedded([plot for plot in plots if plot not in first]),
                missing=[figure for figure in figures if isinstance(figure, Missing)],
                more="`python -m sync export` writes them all",
            )
        for plot, form in itertools.product(plots, formats):
            if form != "html":
                name = picture_file(plot.name, form, files, page)
                files[name] = picture(plot.figure, form, mark_of(data.sweep.name, page))
    return files


def _answers(data: ReportData) -> list[str]:
    """The answers in sentences, after what limits them."""
    if data.found is None:
        return sentences(data.answers)
    return [*caveats(data.answers.terms), *found.sentences(data.found)]


def _deciding(data: ReportData) -> list[Table]:
    """The tables that stand with the answer."""
    if data.found is not None:
        return found.tables(data.found)
    return [table for workload in data.workloads if (table := ends_table(data, workload)) is not None]


def _tables(data: ReportData) -> list[Table]:
    """The tables behind the first figures. Where a planner searched there are none: the rates of its runs are uneven,
    so a ranking by them would mislead."""
    return [] if data.found is not None else [t for workload in data.answers.workloads for t in tables(workload)]


def _notes(data: ReportData) -> list[str]:
    if data.found is not None:
        return [*found.notes(data.found), counts(data.answers)]
    return [counts(data.answers), _HOW_JUDGED, *_seed_notes(data.runs), *notes_of(data.answers)]


def _drawn(data: ReportData, say: Callable[[str], None]) -> tuple[list[Plot | Missing], list[Plot]]:
    """All figures, and those that stand at the top of the page."""
    figures: list[Plot | Missing] = []
    first: list[Plot] = []
    for name, make in FIGURES.items():
        say(name)
        made = make(data)
        figures += made
        first += [figure for figure in made if isinstance(figure, Plot) and name in _FIRST]
    return figures, first


def _seed_notes(runs: Sequence[RunRow]) -> list[str]:
    """What the page says of seeds: that one has no interval, how several are judged."""
    groups = repetitions_of(runs)
    several = [members for members in groups if len(members) > 1]
    notes = [ONE_NOTE] if len(several) < len(groups) else []
    notes += [SEVERAL_NOTE] if any(members[0].judgement is not None for members in several) else []
    return notes + ([NO_COUNTS_NOTE] if any(members[0].judgement is None for members in several) else [])


def _once(*notes: str) -> list[str]:
    return list(dict.fromkeys(notes))


def _embedded(plots: Sequence[Plot]) -> list[tuple[Plot, str]]:
    return [(plot, _address(picture(plot.figure, "svg"), "svg")) for plot in plots]


def sweep_files(
    sweep: SweepInfo,
    runs: Sequence[RunRow],
    answer: str,
    terms: Sequence[str] = (),
    searched: Plan | None = None,
) -> dict[str, bytes]:
    """The files of a sweep's page in MLflow by name: the page, its figures, and all figures of the runs as a table.
    `answer` is the page's first line, `terms` are the lines that say what it stands on. Of a sweep with a question the
    answer is `searched`, what its planner found. Secrets are scrubbed from the page only."""
    ordered = best_first(runs)
    files = {"runs.csv": _csv(ordered)}
    images = []
    if lines := design_lines(ordered, sweep.slo, sweep.systems):
        which = "The best designs." if len(lines) < len({run.standing.design for run in runs}) else ""
        with printed():
            plot = slowdown_plot("slowdown", title_of(sweep.slo), lines, sweep.slo, which)
            files["slowdown.png"] = picture(plot.figure, "png")
        images = [(plot, _address(files["slowdown.png"], "png"))]
    if searched is not None:
        images = [*_searched(searched, files), *images]
    page = _page(
        sweep.name,
        sweep,
        runs,
        sweep.slo,
        answers=found.sentences(searched) if searched is not None else [answer] if answer else [],
        terms=terms or [f"SLO: {slo_text(sweep.slo)}; and every request served."],
        notes=[_HOW_JUDGED, *_seed_notes(runs)] if searched is None else found.notes(searched),
        deciding=[] if searched is None else found.tables(searched),
        first=images,
        more="runs.csv has them all",
    )
    return {REPORT_FILE: page, **files}


def _searched(plan: Plan, files: dict[str, bytes]) -> list[tuple[Plot, str]]:
    """The figures of what a planner searched, with their addresses; their files are added to `files`."""
    drawn = []
    with printed():
        for plot in frontiers(plan):
            if isinstance(plot, Plot):
                name = picture_file(plot.name, "png", files, REPORT_FILE)
                files[name] = picture(plot.figure, "png")
                drawn.append((plot, _address(files[name], "png")))
    return drawn


def _page(
    name: str,
    sweep: SweepInfo | None,
    runs: Sequence[RunRow],
    slo: Slo,
    *,
    answers: Sequence[str],
    terms: Sequence[str],
    notes: Sequence[str],
    first: Sequence[tuple[Plot, str]],
    more: str,
    limits: str = "",
    deciding: Sequence[Table] = (),
    tables: Sequence[Table] = (),
    images: Sequence[tuple[Plot, str]] = (),
    missing: Sequence[Missing] = (),
) -> bytes:
    """The page. `answers` are sentences, `terms` the lines that say what they stand on, `deciding` tables that stand
    with them, `first` and `images` figures with their addresses, in front of `tables` and behind them, `notes` lines in
    small print; `more` says where the runs are that the table has no room for. Empty parts are left out. All texts are
    scrubbed of secrets and escaped; equal contents make equal bytes."""
    from jinja2 import Environment, StrictUndefined

    scrub = Scrubber(os.environ)

    def scrubbed(value: object) -> object:
        return scrub(value) if type(value) is str else value  # a subclass of str is what was escaped already

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=scrubbed, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    rows = run_lines(runs, slo)
    starts = [] if sweep is None else sweep.starts or [sweep.command]
    return template.render(
        name=name, sweep=sweep, limits=limits, heads=HEADS, rows=rows, more=more,
        left_out=len(runs) - sum(row.runs for row in rows), has_seeds=any(row.runs > 1 for row in rows),
        answers=answers, terms=terms, deciding=deciding, first=first, tables=tables, notes=notes, images=images,
        missing=missing, starts=starts,
    ).encode()  # fmt: skip


def _address(content: bytes, form: str) -> str:
    """A picture, svg or png, as a data address."""
    if form == "svg":
        form, content = "svg+xml", content[content.index(b"<svg") :]  # without the address of a document type
    return f"data:image/{form};base64,{base64.b64encode(content).decode()}"


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
