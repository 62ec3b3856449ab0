"""What a planner searched: the clusters that carry the load, fail or are open, and where the answer lies among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sim_core.spec import PROMPT, TOKEN
from sync.analysis.answers.words import shown
from sync.analysis.found.compare import by_workload
from sync.analysis.found.texts import full_name, has_cluster, price, price_of
from sync.report.base import Missing, Plot
from sync.report.data import ReportData
from sync.report.style import legend_below, panels_of
from sync.results.found import Checked, Found, Plan
from sync.results.point_id import rate_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "What was searched"
_MOST_LABELS = 8  # splits that are named along an axis
# By verdict the look of a mark and the words for it, those that are drawn first, so below the others, first. The shapes
# differ, too, for whoever does not see colours.
_MARKS: Mapping[str, tuple[dict[str, Any], str]] = {
    "inferred": ({"marker": ".", "color": "#808080", "markersize": 3.0}, "below one that fails, not probed"),
    "open": ({"marker": "s", "color": "#808080", "markerfacecolor": "white", "markersize": 4.0}, "not probed yet"),
    "fails": ({"marker": "x", "color": "#D55E00", "markersize": 5.0, "markeredgewidth": 1.3}, "fails"),
    "undecided": ({"marker": "D", "color": "#0072B2", "markerfacecolor": "white", "markersize": 5.0}, "not decided"),
    "carries": ({"marker": "o", "color": "#009E73", "markersize": 5.0}, "carries it"),
}
_ANSWER: Mapping[str, Any] = {"marker": "*", "color": "black", "markerfacecolor": "#F0E442"}


@dataclass(frozen=True)
class _Mark:
    """A cluster in the figure: its numbers of prompt and token machines, or of all machines and 0, and its facts."""

    x: float
    y: float
    checked: Checked


def frontier(data: ReportData) -> Sequence[Plot | Missing]:
    """A figure for each workload and question of the sweep's planner, with a panel for each system; none for a sweep
    without a question."""
    return [] if data.found is None else frontiers(data.found)


def frontiers(plan: Plan) -> list[Plot | Missing]:
    """The figures of what a planner found; call within `style.printed`."""
    return [_figure(answers) for answers in by_workload(plan)]


def _figure(answers: Sequence[Found]) -> Plot | Missing:
    first = answers[0]
    load = "" if first.load is None else f" at {rate_text(first.load)} requests/s"
    title = f"{TITLE}, {first.workload}{load}"
    drawn = [found for found in answers if _clusters(found) or has_cluster(found)]
    if not drawn:
        return Missing(title, "no cluster is decided yet")
    figure, shown_panels = panels_of(len(drawn), **({"sharey": True} if first.asks == "most" else {}))
    for panel, found in zip(shown_panels, drawn, strict=True):
        panel.set_title(full_name(found) if has_cluster(found) else shown(found.system), pad=3)
        (_rates if first.asks == "most" else _counts)(panel, found)
    if first.asks == "most":
        shown_panels[0].set_ylabel("requests per second")
    legend_below(figure, *shown_panels, columns=3)
    return Plot(f"frontier-{first.workload}", title, figure, _caption(drawn))


def _clusters(found: Found) -> list[Checked]:
    """Every cluster that something is known of, each once: the later ones say more."""
    every = {(c.design, c.rate): c for c in (*found.certificate, *found.next, *found.undecided)}
    return list(every.values())


def _answer(found: Found, rate: float | None) -> Checked:
    """The answer as a cluster that carries a rate."""
    facts = found.design, found.machines, found.roles, found.cost, found.power, found.watts
    return Checked(*facts, rate=rate, seeds=found.seeds, verdict="carries")


def _is_split(clusters: Sequence[Checked]) -> bool:
    return bool(clusters) and all(PROMPT in c.roles and TOKEN in c.roles for c in clusters)


def _marks(clusters: Sequence[Checked]) -> list[_Mark]:
    if not _is_split(clusters):
        return [_Mark(float(sum(c.machines.values())), 0.0, c) for c in clusters]
    return [_Mark(float(sum(c.roles[TOKEN].values())), float(sum(c.roles[PROMPT].values())), c) for c in clusters]


def _counts(panel: Axes, found: Found) -> None:
    """Draw clusters by their numbers of machines: prompt against token machines, or in a row."""
    from matplotlib.ticker import MaxNLocator

    clusters = _clusters(found)
    answer = [_answer(found, found.load)] if has_cluster(found) else []
    marks = _marks([*clusters, *answer])
    known = marks[: len(clusters)]
    for verdict in _MARKS:
        places = [(mark.x, mark.y) for mark in known if mark.checked.verdict == verdict]
        _draw(panel, places, verdict)
    if _is_split([*clusters, *answer]):
        _pruned(panel, found, known)
        panel.set(xlabel="token machines", ylabel="prompt machines")
        panel.yaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        panel.set(xlabel="machines", yticks=[], ylim=(-1.0, 1.0))
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.margins(0.08)
    if answer:
        _equal_price(panel, found, marks)
        panel.plot([marks[-1].x], [marks[-1].y], linestyle="none", label="the answer", zorder=6, markersize=11.0,
                   **_ANSWER)  # fmt: skip


def _pruned(panel: Axes, found: Found, marks: Sequence[_Mark]) -> None:
    """Shade the clusters that are ruled out, since they have no more machines of either role than one that fails."""
    from matplotlib.patches import Rectangle

    if found.audit is None or not found.audit.pruned:
        return
    label = "no more machines than one that fails"
    for mark in (mark for mark in marks if mark.checked.verdict == "fails"):
        panel.add_patch(Rectangle((0.0, 0.0), mark.x, mark.y, facecolor="0.9", linewidth=0.0, zorder=0, label=label))
        label = "_nolegend_"


def _equal_price(panel: Axes, found: Found, marks: Sequence[_Mark]) -> None:
    """Draw the line of clusters that take as much as the answer, where two kinds of machines have a price each."""
    places = np.array([(mark.x, mark.y) for mark in marks])
    prices = np.array([price_of(mark.checked, found.measure) for mark in marks])
    each, *_ = np.linalg.lstsq(places, prices, rcond=None)
    if np.linalg.matrix_rank(places) < 2 or min(each) <= 0.0 or not np.allclose(places @ each, prices, rtol=0.01):
        return
    (low, high), bounds = panel.get_xlim(), panel.get_ylim()
    across = np.array([low, high])
    panel.plot(across, (prices[-1] - across * each[0]) / each[1], color="0.35", linewidth=0.9, linestyle=(0, (4, 2)),
               zorder=1, label="as much as the answer")  # fmt: skip
    panel.set(xlim=(low, high), ylim=bounds)


def _rates(panel: Axes, found: Found) -> None:
    """Draw each split of a design against the rates at which it was probed, and the interval of the best one."""
    clusters = [c for c in _clusters(found) if c.rate is not None]
    answer = [_answer(found, found.rate.low)] if found.rate is not None and has_cluster(found) else []
    marks = _marks([*clusters, *answer])
    order = sorted({(mark.y, mark.x) for mark in marks})
    column = {place: number for number, place in enumerate(order)}
    for verdict in _MARKS:
        places = [
            (float(column[mark.y, mark.x]), mark.checked.rate or 0.0)
            for mark in marks[: len(clusters)]
            if mark.checked.verdict == verdict
        ]
        _draw(panel, places, verdict)
    if answer and found.rate is not None:
        at = column[marks[-1].y, marks[-1].x]
        top = found.rate.estimate if found.rate.high is None else found.rate.high
        panel.plot([at, at], [found.rate.low, top], color="black", linewidth=2.0, marker="_", markersize=14.0,
                   zorder=5, label="interval of the best")  # fmt: skip
        panel.plot([at], [found.rate.estimate], linestyle="none", label="its estimate", zorder=6, markersize=7.0,
                   **_ANSWER)  # fmt: skip
    is_split = _is_split([mark.checked for mark in marks])
    step = max(1, -(-len(order) // _MOST_LABELS))
    labels = [f"{y:g}+{x:g}" if is_split else f"{x:g}" for y, x in order]
    panel.set_xticks(range(0, len(order), step), labels[::step])
    panel.set(xlim=(-0.6, max(len(order) - 0.4, 0.6)), xlabel="prompt + token machines" if is_split else "machines")


def _draw(panel: Axes, places: Sequence[tuple[float, float]], verdict: str) -> None:
    if places:
        look, words = _MARKS[verdict]
        across, high = zip(*places, strict=True)
        panel.plot(across, high, linestyle="none", label=words, zorder=2 + list(_MARKS).index(verdict) / 10, **look)


def _caption(drawn: Sequence[Found]) -> str:
    first = drawn[0]
    if first.asks == "most":
        return (
            "Each cluster of a design at the rates at which it was probed. Bar: from the highest rate that the best one"
            f" carries at {100.0 * first.confidence:.3g}% to the lowest that it does not; star: the rate at which all"
            " seeds together are at the limit."
        )
    lines = [f"{full_name(f)} {price(f.value or 0.0, f.measure)}" for f in drawn if has_cluster(f)]
    star = f" Star: the answer ({'; '.join(lines)})." if lines else ""
    return (
        "Each cluster of the search by its numbers of machines. A small dot was not probed: it has no more machines of"
        f" each kind than one that fails.{star} Dashed: clusters that would take as much as the answer."
    )
