"""The one HTML page, of the report and of a sweep's run in MLflow: no network, no script, the figures within it."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sync.analysis.texts import Table, number
from sync.report.base import Missing
from sync.report.runs import RunRow, best_first
from sync.results.outcome import SweepInfo
from sync.results.privacy import Scrubber
from sync.results.slo import Slo

_MOST_ROWS = 2000  # of the table of all runs: browsers take long to lay out more
_METRICS = ("ttft", "tbt", "e2e")
# By head of the table of all runs the figure in the column.
_FIGURES = {
    "$/h": "cost/dollars_per_hour",
    "power": "power/weight",
    **{f"{m.upper()} {p} s": f"{m}/{p}_s" for m in _METRICS for p in ("p50", "p99")},
    **{f"{m.upper()} {p} ×": f"{m}/{p}_slowdown" for m in _METRICS for p in ("p50", "p90", "p99")},
    "utilisation": "utilisation/mean",
    "memory peak": "memory/peak_fraction",
    "rejected": "run/rejected",
    "unfinished": "run/unfinished",
}
_UNSERVED = ("run/rejected", "run/unfinished")


@dataclass(frozen=True)
class Image:
    """A figure within the page. `picture` is its file in the format `form`, svg or png."""

    title: str
    caption: str
    picture: bytes
    form: str

    @property
    def address(self) -> str:
        """The picture as a data address."""
        kind, content = self.form, self.picture
        if kind == "svg":
            kind, content = "svg+xml", content[content.index(b"<svg") :]  # without the address of a document type
        return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


@dataclass(frozen=True)
class Page:
    """The contents of the page, in its order. `answers` are sentences, `notes` lines in small print; `more` says where
    the runs are that the table has no room for. Parts that are empty are left out."""

    name: str
    sweep: SweepInfo | None
    answers: Sequence[str]
    tables: Sequence[Table]
    notes: Sequence[str]
    images: Sequence[Image]
    missing: Sequence[Missing]
    runs: Sequence[RunRow]
    more: str

    def html(self) -> bytes:
        """The file. All texts are scrubbed of secrets and escaped; equal pages make equal bytes."""
        from jinja2 import Environment, StrictUndefined

        scrub = Scrubber(os.environ)

        def scrubbed(value: object) -> object:
            return scrub(value) if type(value) is str else value  # a subclass of str is what was escaped already

        environment = Environment(
            autoescape=True, undefined=StrictUndefined, finalize=scrubbed, trim_blocks=True, lstrip_blocks=True
        )
        template = environment.from_string(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
        runs = best_first(self.runs)[:_MOST_ROWS]
        return template.render(page=self, runs=runs, figures=_FIGURES, unserved=_UNSERVED, number=number).encode()


def slo_note(slo: Slo) -> str:
    """The limits, and what it means to be within them."""
    return (
        f"The SLO: {slo.told()} (x: as slow as the same request alone on a DGX-A100). A run is within the SLO if it"
        " meets all limits and serves every request. A design carries the highest rate up to which all of its runs are"
        " within the SLO; rates that were not run are left open."
    )
