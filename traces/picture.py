"""Draws the arrivals and sizes of a trace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sim_core.trace import Trace
from traces.statistics import RATES, bin_width, over_time, whole
from traces.writer import written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rates = dict[str, list[float]]  # of each interval of time
BINS = 200  # of time
POINTS = 2000  # of a curve
# Okabe and Ito's colours are distinct for people with any colour vision; lines differ in dashes, too.
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#666666"


def draw(trace: Trace, path: Path) -> None:
    """Four panels as a PNG file: requests and tokens over time, sizes, gaps. Replaces `path` when it is complete."""
    from matplotlib.figure import Figure  # half a second, only when a picture is drawn

    figure = Figure(figsize=(12, 8), layout="constrained")
    figure.suptitle(f"{trace.name}: {len(trace):,} requests")
    panels = figure.subplots(2, 2)
    _over_time(panels[0, 0], panels[0, 1], trace)
    _sizes(panels[1, 0], trace)
    _gaps(panels[1, 1], trace)
    for panel in panels.flat:
        panel.grid(alpha=0.3)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
    with written(path) as file:
        figure.savefig(file, format="png", dpi=120)


def _rates(trace: Trace) -> tuple[list[float], Rates, float]:
    arrival_s = np.frombuffer(trace.arrival_s)
    rows = over_time(arrival_s, whole(trace.prompt_tokens), whole(trace.output_tokens), BINS)
    rows = [row for row in rows if row["requests_per_s"] is not None]
    edges = [row["from_s"] for row in rows] + [row["to_s"] for row in rows[-1:]]
    return edges, {name: [row[name] for row in rows] for name in RATES}, bin_width(float(np.ptp(arrival_s)), BINS)


def _over_time(requests: Axes, tokens: Axes, trace: Trace) -> None:
    edges, rates, width_s = _rates(trace)
    requests.set(title="Arrivals", xlabel="time (s)", ylabel="requests per second")
    tokens.set(title="Tokens that the requests bring", xlabel="time (s)", ylabel="tokens per second")
    if rates["requests_per_s"]:
        _draw_requests(requests, edges, rates, width_s, len(trace))
        _draw_tokens(tokens, edges, rates)
    else:
        for panel in (requests, tokens):
            _say(panel, "all at one instant")


def _draw_requests(panel: Axes, edges: list[float], rates: Rates, width_s: float, requests: int) -> None:
    panel.stairs(rates["requests_per_s"], edges, color=BLUE, baseline=None, label=f"in stretches of {width_s:g} s")
    mean = requests / (edges[-1] - edges[0])
    panel.axhline(mean, color=GREY, linestyle="--", label=f"mean: {mean:,.4g}")
    panel.set_ylim(bottom=0)
    panel.legend()


def _draw_tokens(panel: Axes, edges: list[float], rates: Rates) -> None:
    panel.stairs(rates["tokens_in_per_s"], edges, color=BLUE, baseline=None, label="in (prompts)")
    panel.stairs(
        rates["tokens_out_per_s"], edges, color=VERMILION, baseline=None, linestyle="--", label="out (outputs)"
    )
    panel.set_ylim(bottom=0)
    panel.yaxis.set_major_formatter("{x:,.0f}")
    panel.legend()


def _sizes(panel: Axes, trace: Trace) -> None:
    for label, column, colour, dashes in (
        ("prompt", trace.prompt_tokens, BLUE, "-"),
        ("output", trace.output_tokens, VERMILION, "--"),
    ):
        x, share = _curve(np.sort(whole(column)))
        mean = sum(column) / len(column)
        panel.step(x, share, where="post", color=colour, linestyle=dashes, label=f"{label}: mean {mean:,.4g}")
    panel.set_xscale("log")
    panel.set(title="Sizes", xlabel="tokens", ylabel="share of requests with at most so many", ylim=(0, 1.02))
    panel.legend(loc="lower right")


def _gaps(panel: Axes, trace: Trace) -> None:
    gaps = np.sort(np.diff(np.frombuffer(trace.arrival_s)))
    panel.set(title="Gaps between arrivals", xlabel="seconds", ylabel="share of gaps that are longer")
    if not len(gaps) or gaps[-1] <= 0.0:
        _say(panel, "no gaps")
        return
    x, share = _curve(gaps)
    panel.step(x, 1.0 - share, where="post", color=BLUE, label=f"this trace: sd / mean {gaps.std() / gaps.mean():.3g}")
    line = np.linspace(0.0, gaps[-1], POINTS)
    panel.plot(line, np.exp(-line / gaps.mean()), color=GREY, linestyle="--", label="Poisson arrivals: sd / mean 1")
    panel.set_yscale("log")
    panel.set_ylim(0.5 / len(gaps), 1.2)
    panel.legend()


def _curve(ordered: Any) -> tuple[Any, Any]:
    """Some of the ascending values, most of them near the end, and the share of values that are at most as large."""
    last = len(ordered) - 1
    places = np.concatenate([np.linspace(0, last, POINTS), last + 1 - np.geomspace(1, last + 1, POINTS)])
    places = np.unique(np.clip(places, 0, last).astype(int))
    return ordered[places], (places + 1) / len(ordered)


def _say(panel: Axes, text: str) -> None:
    panel.text(0.5, 0.5, text, transform=panel.transAxes, ha="center", color=GREY)
