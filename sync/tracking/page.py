"""The experiment's page in MLflow's interface: where it is, the saved view that opens first, and the descriptions.

The interface (3.17) opens an experiment on its runs only by the address, or where the reader chose that last; no tag
does it. So people are shown an address, which names a saved view that lists the best designs first.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence

from configs.figure import figure
from sim_core.errors import shown
from sync.analysis.repetitions import FEW
from sync.analysis.seeds import CONFIDENCE_TEXT
from sync.analysis.standing import DesignStanding, Standing, rank
from sync.analysis.terms import Terms, caveats, listed, terms_lines
from sync.report.page import REPORT_FILE
from sync.results.curves import BY_PERCENTILE, OVER_TIME, TIME_CURVES, unserved_words
from sync.results.metrics import METRICS
from sync.results.outcome import Outcome, SweepInfo
from sync.results.plugins import reproduce
from sync.results.point_id import rate_text
from sync.results.privacy import Scrubber
from sync.results.slo import Limit, Slo
from sync.results.verdict import verdict
from sync.tracking.markdown import code, code_block, paragraphs, plain

SUPERSEDED_TAG = "superseded"
FULL_REPORT_FILE = "full-report.html"  # what `python -m sync report` makes, as it was then
RATE_METRIC = "load/requests_per_s"
SERVED_METRIC = "slo/served_per_s"
COST_TAG = "USD/h"  # as the head of a column it is short, which the metric's name is not
# Set on every run: MLflow's search drops runs that lack a tag, even for `!=`.
CURRENT = f'tags.{SUPERSEDED_TAG} = "false"'
_SEE = f" See `{REPORT_FILE}`"
_VIEW = "designs"
_CREATED = "runDateAndNestInfo"  # the column that the interface always shows
_LONGEST_NOTE = 5000  # older servers take no more
LONGEST_TAG = 4000
_MOST_DESIGNS = 15
_GAP = "\u00a0" * 3  # the interface sets the columns of a table edge to edge
_SECTIONS = {
    _VIEW: "Which design?",
    BY_PERCENTILE: "Times by percentile (step: percent of the requests)",
    OVER_TIME: "Over simulated time (step: seconds since the first arrival)",
}
_MOST_NAMED = 3
_MOST_SIGNS = 105  # of the one line that is visible before the description is unfolded
_LONGEST_DESCRIPTION = 1500


def page(experiment_id: str, *, charts: bool = False) -> str:
    """The part of the address behind the server's: the runs of an experiment, as a table or as charts."""
    mode = "&compareRunsMode=CHART" if charts else ""
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={_VIEW}&workflowType=machine_learning{mode}"


def report_page(experiment_id: str, report_id: str, file: str = REPORT_FILE) -> str:
    """The part of the address of the sweep's report, which is a run with an HTML file."""
    return f"#/experiments/{experiment_id}/runs/{report_id}/artifacts/{file}?workflowType=machine_learning"


def report_links(experiment_id: str, report_id: str, full: str = "") -> str:
    """Links to the sweep's page, and to its full report where there is one; `full` says of how many runs that was."""
    links = f" · [report]({report_page(experiment_id, report_id)})"
    address = report_page(experiment_id, report_id, FULL_REPORT_FILE)
    return f"{links} · [full report]({address}) of {full}" if full else links


def with_report_links(description: str, experiment_id: str, report_id: str, full: str) -> str:
    """A description with these links in place of those that it has."""
    old = re.escape(report_links(experiment_id, report_id)) + r"( · \[full report\]\([^)]*\) of \S+ runs?)?"
    return re.sub(old, lambda _: report_links(experiment_id, report_id, full), description, count=1)


def report_note(findings: str, full: str = "") -> str:
    """The description of the run that is the sweep's report; `findings` say what its runs come to."""
    more = f", and `{FULL_REPORT_FILE}` (of {full}) for all figures" if full else ""
    return f"{findings.partition(_SEE)[0]}{_SEE}{more}."


def saved_view() -> tuple[str, str]:
    """Name and value of the experiment's tag in which the interface keeps the view called `Designs`. What answers comes
    first and is visible in a narrow window: price, rate, times that the SLO limits, verdict. Columns of metrics would
    show all digits."""
    columns = {
        "attributes.`Run Name`": 240,
        _CREATED: 44,  # room for how the run ended
        f"tags.`{COST_TAG}`": 65,
        "params.`rate`": 50,
        **{f"tags.`{metric.upper()}`": 95 for metric in ("ttft", "tbt")},
        "tags.`verdict`": 270,
        f"metrics.`{SERVED_METRIC}`": 145,
        "tags.`E2E`": 95,
        "metrics.`run/unfinished`": 120,
        "metrics.`run/rejected`": 115,
        "tags.`model`": 110,
    }
    state = {
        "searchFilter": CURRENT,
        "orderByKey": f"metrics.`{SERVED_METRIC}`",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "selectedColumns": list(columns)[2:],
        "columnOrder": list(columns),
        "columnWidths": columns,
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": _charts(),
        "compareRunSections": [
            {"uuid": section, "name": name, "display": True, "isReordered": False}
            for section, name in _SECTIONS.items()
        ],
        "isAccordionReordered": True,
    }
    view = {"name": "Designs", "createdAt": 0, "updatedAt": 0, "state": json.dumps(state, separators=(",", ":"))}
    return f"mlflow.sharedViewState.{_VIEW}", json.dumps(view, separators=(",", ":"))


def shown_times(outcome: Outcome, slo: Slo) -> dict[str, str]:
    """By metric, in capitals, the figure that its column shows: `1.84x p90`. It is one that the SLO limits, if possible
    the 90th percentile; the metrics of the run have all figures in full."""
    times = {}
    for metric in METRICS:
        limited = [limit for limit in slo.limits() if limit.metric == metric] or [Limit(metric, "p90", "slowdown", 0.0)]
        limit = next((limit for limit in limited if limit.percentile == "p90"), limited[-1])
        if limit.figure in outcome.summary:
            unit = "x" if limit.unit == "slowdown" else " s"
            times[metric.upper()] = f"{figure(outcome.summary[limit.figure], unit)} {limit.percentile}"
    return times


def _charts() -> list[dict[str, object]]:
    """Charts with one point for each run, in its design's colour, and below them the curves of the runs."""
    rate, cost = {"key": "rate", "type": "PARAM"}, {"key": "cost/dollars_per_hour", "type": "METRIC"}
    by_rate = ("ttft/p90_slowdown", "tbt/p90_slowdown", "e2e/p90_slowdown", SERVED_METRIC, "utilisation/mean")
    points: list[dict[str, object]] = [
        {"type": "SCATTER", "metricSectionId": _VIEW, "xaxis": x, "yaxis": {"key": y, "type": "METRIC"}}
        for x, y in [*((rate, y) for y in by_rate), (cost, SERVED_METRIC)]
    ]
    percentiles = [(BY_PERCENTILE, f"{BY_PERCENTILE}/{metric}_s") for metric in ("ttft", "tbt", "e2e")]
    over_time = [(OVER_TIME, f"{OVER_TIME}/{name}") for name in TIME_CURVES]
    plain: dict[str, object] = {"xAxisKey": "step", "lineSmoothness": 0}  # smoothing would change percentiles
    lines: list[dict[str, object]] = [
        {"type": "LINE", "metricSectionId": section, "metricKey": key, "selectedMetricKeys": [key], **plain}
        for section, key in [*percentiles, *over_time]
    ]
    each: dict[str, object] = {"runsCountToCompare": 500}
    return [{"uuid": f"chart{number}", **each, **chart} for number, chart in enumerate([*points, *lines])]


def headline(designs: Sequence[DesignStanding], terms: Terms) -> str:
    """What limits the answer (see `caveats`), then the best designs, or that none is within the SLO."""
    lead, names = _answer(designs, terms)
    return " ".join([*caveats(terms), lead, *names])


def _answer(designs: Sequence[DesignStanding], terms: Terms) -> tuple[str, list[str]]:
    """The words before the best designs, and the sentence that names them; none where no design is within the SLO."""
    if not any(design.holds for design in designs):
        known = "known to be " if terms.is_partial else ""
        return f"No design is {known}within the SLO.", []
    lead = f"Most requests within the SLO{' so far' if terms.is_partial else ''}{_by(designs)}:"
    return lead, [summary(designs, _MOST_SIGNS - len(lead))]


def _by(designs: Sequence[DesignStanding]) -> str:
    """` (one seed, no interval)`, ` (8 seeds, 95%)`: what the answer rests on; short, since it is in the line that is
    visible first."""
    counts = sorted({design.seeds for design in designs})
    if counts == [1]:
        return " (one seed, no interval)"
    span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    if not all(design.are_judged for design in designs):
        return f" ({span} seeds, no interval)"
    return f" ({span} seeds, {CONFIDENCE_TEXT if counts[0] >= FEW else 'too few to be sure'})"


def note(
    sweep: SweepInfo,
    experiment_id: str,
    standings: Iterable[Standing],
    superseded: int,
    terms: Terms | None = None,
    *,
    report_id: str = "",
    full: str = "",
    unserved: str = "",
    found: Sequence[str] = (),
) -> str:
    """The experiment's description, Markdown. Its first line is visible while it is folded: the best designs, and
    before them what limits this answer. Then it says what the answer stands on, what the sweep is, and lists all
    designs. Texts of the sweep are escaped here, so secrets in them are masked before.

    `report_id` is the run that is the sweep's report, `full` says of how many runs its full report is (empty: there is
    none), `unserved` which requests were not served, `found` (`found_note.found_parts`) what a planner found: then this
    is the answer, in place of the designs by rates that were run.
    """
    terms = terms or Terms(sweep.slo)
    designs = rank(standings, sweep.systems)
    links = f"[table]({page(experiment_id)}) · [charts]({page(experiment_id, charts=True)})"
    links += report_links(experiment_id, report_id, full) if report_id else ""
    what = paragraphs(_cut(sweep.description.strip(), _LONGEST_DESCRIPTION))
    what = what or f"{sweep.points or 'Some'} simulated points: {code(sweep.command)}"
    if not designs:
        return _within_room([links, what], sweep.experiment_text)
    stands_on = "\n".join(f"- {plain(line)}" for line in terms_lines(terms))
    second = [f"**{plain(unserved)}**"] if unserved else []
    if found:
        return _within_room([found[0], " ".join([*second, links]), *found[1:], stands_on, what], sweep.experiment_text)
    lead, names = _answer(designs, terms)
    first = [f"**{plain(text)}**" for text in [*caveats(terms), lead]] + [plain(text) for text in names]
    parts = [" ".join(first), " ".join([*second, links]), stands_on, what, "\n".join(_table(designs))]
    return _within_room([*parts, _how(designs, superseded)], sweep.experiment_text)


def _within_room(parts: Sequence[str], experiment_text: str) -> str:
    """The parts as long as there is room, each whole, and below them as much of the experiment as fits."""
    text = ""
    for part in parts:
        if len(text) + len(part) + 2 <= _LONGEST_NOTE:
            text += f"\n\n{part}" if text else part
    room = _LONGEST_NOTE - len(text) - 50  # of which a fence takes some
    experiment = experiment_text.rstrip()
    block = code_block(_cut(experiment, room), "yaml") if experiment and room >= 50 else ""
    return f"{text}\n\n{block}" if block and len(text) + len(block) + 2 <= _LONGEST_NOTE else text


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def run_note(outcome: Outcome, slo: Slo, unserved: Mapping[str, int], scrub: Scrubber) -> str:
    """The run's description, Markdown: the verdict, which requests were not served and why, how to run it again."""
    text = verdict(outcome, slo).text
    lines = [f"**{plain(text[:1].upper() + text[1:])}.**" + (f" SLO: {plain(slo.told())}." if outcome.summary else "")]
    if outcome.error:
        lines.append(plain(_cut(scrub(outcome.error.partition("\n")[0]), _LONGEST_DESCRIPTION)))
    if unserved:
        lines += [
            "Not served:",
            "\n".join(f"- {count} {plain(unserved_words(state))}" for state, count in unserved.items()),
        ]
    checkout = f"git checkout {outcome.git_commit}\n" if outcome.git_commit else ""
    python, module, program, *words = reproduce(outcome, scrub)
    command = " \\\n    ".join([f"{python} {module} {program}", *map(shlex.quote, words)])
    again = code_block(f"{checkout}{command}")  # in one line it would push the figures off the page
    short = len(again) < LONGEST_TAG // 2
    return "\n\n".join([*lines, "The same run again:", again if short else "see the artifact `reproduce.sh`"])


def summary(designs: Iterable[DesignStanding], most: int) -> str:
    """The designs that serve most: as many as fit into `most` signs, and at least the first."""
    good = [design for design in designs if design.holds]
    names = [shown(d.design if d.best is None else f"{d.design} {rate_text(d.best)}/s") for d in good]
    texts = []
    for count in range(1, min(len(good), _MOST_NAMED) + 1):
        more = [f"{len(good) - count} more"] if len(good) > count else []
        texts.append(f"{', '.join(names[:count] + more)}.")
    return next((text for text in reversed(texts) if len(text) <= most), texts[0])


def _table(designs: list[DesignStanding]) -> list[str]:
    lines = [f"| design |{_GAP}$/h |{_GAP}within the SLO up to |{_GAP}then |", "|:---|---:|:---|:---|"]
    for d in designs[:_MOST_DESIGNS]:
        then = "" if d.worse is None else d.worse.text
        then = then if d.worse is None or d.worse.rate is None else f"{rate_text(d.worse.rate)}/s {then}"
        if d.beyond is not None and d.worse is not None and d.worse.state == "undecided":
            then += f"; beyond at {rate_text(d.beyond)}/s"
        if d.missing:
            then = "; ".join(filter(None, [then, f"no result at {listed([rate_text(rate) for rate in d.missing])}/s"]))
        lines.append(f"| {plain(d.design)} |{_GAP}{d.cost:.2f} |{_GAP}{_up_to(d)} |{_GAP}{plain(then)} |")
    left = len(designs) - _MOST_DESIGNS
    return [*lines, f"| and {left} more | | | |"] if left > 0 else lines


def _up_to(design: DesignStanding) -> str:
    """The highest rate within the SLO, or why there is none."""
    if design.best is not None:
        return f"{rate_text(design.best)}/s"
    if design.holds:
        return "yes"
    return "open" if design.is_open else "undecided" if design.is_undecided else "-"


def _how(designs: list[DesignStanding], superseded: int) -> str:
    rates = [rate for d in designs for rate in (d.best, d.worse.rate if d.worse else None) if rate is not None]
    example = f'`params.rate = "{rate_text(rates[0])}"` or ' if rates else ""
    hint = f"Type {example}``metrics.`slo/within` = 1`` above the runs to see only those; group by the tag `design`."
    if not superseded:
        return hint
    runs = "1 run is" if superseded == 1 else f"{superseded} runs are"
    return f"{hint} {runs} superseded (the same point was run again by newer code or settings): `{CURRENT}` hides them."
