"""The sweep's own page: what its runs come to, as an HTML file that needs nothing else, a table and a figure."""

from __future__ import annotations

import base64
import csv
import html
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sync.analysis.standing import Standing, rank
from sync.results.grouping import grouped
from sync.results.outcome import SweepInfo
from sync.results.slo import Slo
from sync.results.statistics import mean

REPORT_FILE = "report.html"  # the sweep's own page, brought up to date whenever the sweep delivers
TITLES = {"ttft": "time to first token", "tbt": "time between tokens", "e2e": "end to end"}
_MOST_ROWS = 2000  # of the page; the table beside it has all
_MOST_LINES = 12  # in a figure: the best designs
_MARKERS = "osDv^<>Pp*hX"  # told apart in grey too
_SHOWN = {
    "$/h": "cost/dollars_per_hour",
    "TTFT p50 s": "ttft/p50_s",
    "TTFT p99 s": "ttft/p99_s",
    "TBT p50 s": "tbt/p50_s",
    "TBT p99 s": "tbt/p99_s",
    "E2E p50 s": "e2e/p50_s",
    "E2E p99 s": "e2e/p99_s",
    "TTFT p90 x": "ttft/p90_slowdown",
    "TBT p90 x": "tbt/p90_slowdown",
    "E2E p90 x": "e2e/p90_slowdown",
    "utilisation": "utilisation/mean",
    "unfinished": "run/unfinished",
    "rejected": "run/rejected",
}
_STYLE = """body{font:15px/1.5 sans-serif;margin:2em;max-width:80em}table{border-collapse:collapse;margin:1em 0}
td,th{padding:.2em .7em;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}.bad{background:#fdecea}img{max-width:100%}"""


@dataclass(frozen=True)
class ReportRow:
    """A run of the sweep: what it is called, what it says about its design, and its figures."""

    name: str
    standing: Standing
    metrics: Mapping[str, float]


def report_files(sweep: SweepInfo, rows: Sequence[ReportRow], summary: str) -> dict[str, bytes]:
    """The files of the page by name; `summary` is its first line, in plain words."""
    ordered = _best_first(rows)
    files = {"runs.csv": _csv(ordered)}
    if figure := slowdown_png(ordered, sweep.slo):
        files["slowdown.png"] = figure
    return {REPORT_FILE: _html(sweep, ordered, summary, figure).encode(), **files}


def _best_first(rows: Sequence[ReportRow]) -> list[ReportRow]:
    place = {design.design: number for number, design in enumerate(rank(row.standing for row in rows))}
    return sorted(rows, key=lambda row: (place[row.standing.design], row.standing.rate or 0.0, row.name))


def _csv(rows: Sequence[ReportRow]) -> bytes:
    names = sorted({name for row in rows for name in row.metrics})
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("run", "design", "rate", "verdict", *names))
    for row in rows:
        own = (row.name, row.standing.design, row.standing.rate, row.standing.verdict)
        writer.writerow((*own, *(row.metrics.get(name, "") for name in names)))
    return text.getvalue().encode()


def _html(sweep: SweepInfo, rows: Sequence[ReportRow], summary: str, figure: bytes) -> str:
    picture = f'<img alt="slowdown" src="data:image/png;base64,{base64.b64encode(figure).decode()}">' if figure else ""
    heads = ("run", "verdict", *_SHOWN)
    return "\n".join(
        [
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{_e(sweep.name)}</title>',
            f"<style>{_STYLE}</style><h1>{_e(sweep.name)}</h1><p><b>{_e(summary)}</b></p>",
            f"<p>{_e(sweep.description.strip())}</p><p><code>{_e(sweep.command)}</code></p>",
            picture,
            "<table><tr>" + "".join(f"<th>{_e(head)}" for head in heads),
            *(_row(row) for row in rows[:_MOST_ROWS]),
            "</table>",
            f"<p>and {len(rows) - _MOST_ROWS} more in runs.csv</p>" if len(rows) > _MOST_ROWS else "",
            f"<p>Times in s; x: slowdown against the same request alone. Limits: {_e(sweep.slo.told())}.</p>",
            f"<details><summary>The experiment</summary><pre>{_e(sweep.experiment_text)}</pre></details></html>\n",
        ]
    )


def _row(row: ReportRow) -> str:
    figures = ((name, row.metrics.get(name)) for name in _SHOWN.values())
    cells = "".join(
        f'<td class="{"bad" if value and name in ("run/unfinished", "run/rejected") else ""}">'
        f"{'-' if value is None else f'{value:.4g}'}"
        for name, value in figures
    )
    kind = "" if row.standing.within else "bad"
    return f'<tr><td>{_e(row.name)}<td class="{kind}">{_e(row.standing.verdict)}{cells}'


def _e(text: str) -> str:
    return html.escape(text)


def slowdown_png(rows: Iterable[ReportRow], slo: Slo) -> bytes:
    """Slowdown (90th percentile) against rate, a line a design, with the limits that `slo` sets there; empty where
    nothing is known of it."""
    lines = _lines(rows)
    if not lines:
        return b""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.2), layout="constrained")
    panels = figure.subplots(1, len(TITLES))
    for panel, (metric, title) in zip(panels, TITLES.items(), strict=True):
        limit = slo.slowdown.get(metric, {}).get("p90")
        for number, (design, (color, points)) in enumerate(lines.items()):
            known = [(rate, of[metric]) for rate, of in sorted(points.items()) if metric in of]
            marker = _MARKERS[number % len(_MARKERS)]
            panel.plot(*zip(*known, strict=True), color=color or None, marker=marker, label=design) if known else None
        panel.set(title=title, xlabel="requests per second")
        panel.set_ylim(0, None if limit is None else 3 * limit)
        if limit is not None:
            panel.axhline(limit, color="0.4", linewidth=1, linestyle="--")
            place = {"xycoords": ("axes fraction", "data"), "va": "bottom", "color": "0.3"}
            panel.annotate(f"limit {limit:g}", (0.01, limit), **place)
    panels[0].set_ylabel("90th percentile, times slower\nthan the request alone")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(picture, format="png")
    return picture.getvalue()


def _lines(rows: Iterable[ReportRow]) -> dict[str, tuple[str, dict[float, dict[str, float]]]]:
    """By design its colour, and by rate its slowdowns by metric: means over the runs with different seeds."""
    lines: dict[str, tuple[str, dict[float, dict[str, float]]]] = {}
    rated = [row for row in rows if row.standing.rate is not None]
    for members in grouped(rated, lambda row: (row.standing.design, row.standing.rate)):
        standing = members[0].standing
        names = {metric: f"{metric}/p90_slowdown" for metric in TITLES}
        known = {
            metric: mean([row.metrics[name] for row in members])
            for metric, name in names.items()
            if all(name in row.metrics for row in members)
        }
        if not known or (len(lines) >= _MOST_LINES and standing.design not in lines):
            continue
        lines.setdefault(standing.design, (standing.color, {}))[1][standing.rate or 0.0] = known
    return lines
