"""The report as one HTML file that needs nothing else: no network, no script, the figures within it."""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Iterable, Sequence

from sync.analysis.answers import sentences
from sync.report.base import Missing, Plot
from sync.report.data import ReportData, Run
from sync.report.style import picture
from sync.report.words import Table, counts, front, highest, least
from sync.results.outcome import SweepInfo
from sync.results.privacy import Scrubber

_MOST_ROWS = 2000  # of the table of all runs: a browser has to lay it out
_FIGURES = {
    "$/h": "cost",
    "power": "power",
    **{f"{m.upper()} {p} ×": f"{m}/{p}_slowdown" for m in ("ttft", "tbt", "e2e") for p in ("p50", "p90", "p99")},
    "utilisation": "utilisation/mean",
    "memory peak": "memory/peak_fraction",
    "rejected": "run/rejected",
    "unfinished": "run/unfinished",
}
_CSS = """
body{font:16px/1.5 system-ui,sans-serif;color:#111;margin:2em auto;max-width:72em;padding:0 1em}
h1{font-size:1.6em;margin:0}h2{font-size:1.2em;margin:2.2em 0 .4em;border-top:1px solid #ccc;padding-top:.8em}
.answer{font-size:1.15em;margin:.6em 0}.small,figcaption{font-size:.85em;color:#333}
figure{margin:1em 0;break-inside:avoid}figure img{width:100%;max-width:54em;height:auto}
.scroll{overflow-x:auto}table{border-collapse:collapse;margin:.8em 0;font-size:.85em}
th,td{padding:.2em .5em;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
th{border-bottom:1px solid #111}.left{text-align:left}.wide{white-space:normal;min-width:14em}
caption{text-align:left;font-weight:600}.bad{color:#8c2d04;font-weight:600}
pre{overflow-x:auto;background:#f6f6f6;padding:.8em;font-size:.8em}
@media print{body{max-width:none;margin:0;font-size:11pt}details{display:none}}
"""
# Whatever a name may hold: nothing is loaded, nothing is run.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


class Page:
    """Puts the page together. All texts are scrubbed of secrets and escaped."""

    def __init__(self, data: ReportData, info: SweepInfo | None, notes: Sequence[str] = ()) -> None:
        """`info` is what the sweep was, where its source says so; `notes` are lines below the answer."""
        self._data, self._info, self._notes = data, info, notes
        self._scrub = Scrubber(os.environ)

    def html(self, figures: Iterable[Plot | Missing]) -> str:
        """The whole file. Call within `style.printed`."""
        made = list(figures)
        name = self._text(self._data.name)
        return "\n".join(
            [
                '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
                '<meta name="viewport" content="width=device-width,initial-scale=1">',
                f"<title>{name}</title>\n<style>{_CSS}</style>\n</head>\n<body>\n<h1>{name}</h1>",
                *self._first(),
                *(self._figure(plot) for plot in made if isinstance(plot, Plot)),
                *self._left_out([one for one in made if isinstance(one, Missing)]),
                *self._runs(),
                *self._how(),
                "</body>\n</html>\n",
            ]
        )

    def _first(self) -> Iterable[str]:
        if self._info is not None and self._info.description.strip():
            yield f"<p>{self._text(self._info.description.strip())}</p>"
        answers = self._data.answers
        yield from (f'<p class="answer"><b>{self._text(told)}</b></p>' for told in sentences(answers))
        told = [
            counts(self._data),
            f"The SLO: {answers.slo.told()} (x: as slow as the same request alone on a DGX-A100). Within it is a run"
            " that meets all of that and serves every request. A design carries the highest rate up to which all of its"
            " runs are within it; rates that were not run are not asked for. Of a limit: the largest share of one that"
            " it takes there.",
            *self._notes,
        ]
        for of in answers.workloads:
            yield from (self._table(table) for table in (highest(of), least(of)) if table is not None)
            told.append(front(of))
        yield from (f'<p class="small">{self._text(line)}</p>' for line in told if line)

    def _table(self, table: Table) -> str:
        last = len(table.heads) - 1

        def cell(tag: str, number: int, text: str) -> str:
            kind = "left" if number == 0 else "left wide" if number == last else ""
            return f'<{tag} class="{kind}">{self._text(text)}'

        rows = "\n".join("<tr>" + "".join(cell("td", n, text) for n, text in enumerate(row)) for row in table.rows)
        head = "".join(cell("th", n, text) for n, text in enumerate(table.heads))
        title = self._text(table.title)
        return f'<div class="scroll"><table><caption>{title}</caption>\n<tr>{head}\n{rows}</table></div>'

    def _figure(self, plot: Plot) -> str:
        file = picture(plot.figure, "svg")
        svg = base64.b64encode(file[file.index(b"<svg") :]).decode()  # without the address of a document type
        title, caption = self._text(plot.title), self._text(plot.caption)
        return (
            f'<h2>{title}</h2>\n<figure><img alt="{title}. {caption}" src="data:image/svg+xml;base64,{svg}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )

    def _left_out(self, missing: Sequence[Missing]) -> Iterable[str]:
        if missing:
            yield "<h2>Left out</h2><ul>"
            yield from (f"<li>{self._text(one.title)}: {self._text(one.reason)}." for one in missing)
            yield "</ul>"

    def _runs(self) -> Iterable[str]:
        heads = "".join(f"<th>{self._text(head)}" for head in _FIGURES)
        yield '<h2>All runs</h2>\n<div class="scroll"><table><tr><th class="left">run<th class="left">verdict' + heads
        yield from (self._run(run) for run in self._data.runs[:_MOST_ROWS])
        yield "</table></div>"
        if (left := len(self._data.runs) - _MOST_ROWS) > 0:
            yield f'<p class="small">And {left:,} more: <code>python -m sync export</code> writes them all.</p>'

    def _run(self, run: Run) -> str:
        outcome = run.outcome
        figures = {"cost": outcome.cost, "power": outcome.power, **outcome.summary}
        cells = "".join(f"<td>{figures[name]:.4g}" if name in figures else "<td>-" for name in _FIGURES.values())
        kind = "left" if run.within else "left bad"
        return f'<tr><td class="left">{self._text(outcome.name)}<td class="{kind}">{self._text(run.verdict)}{cells}'

    def _how(self) -> Iterable[str]:
        if self._info is None:
            return
        yield f"<h2>How it was made</h2>\n<pre>{self._text(self._info.command)}</pre>"
        if self._info.experiment_text.strip():
            text = self._text(self._info.experiment_text)
            yield f"<details><summary>The experiment</summary><pre>{text}</pre></details>"

    def _text(self, text: str) -> str:
        return html.escape(self._scrub(text))
