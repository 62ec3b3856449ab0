"""Batches of one run: the distribution of batch tokens, and the machines' time by batch size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sync.report.base import Missing, Plot
from sync.report.data import ReportData
from sync.report.style import panels, plain_log_ticks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "Batches"
# By role its colour, line style and hatch.
ROLES: dict[str, tuple[str, Any, str]] = {
    "prompt": ("#D55E00", "-", "///"),
    "token": ("#0072B2", (0, (5, 1.5)), ""),
    "mixed": ("#009E73", (0, (1, 1.2)), "xxx"),
    "any": ("#000000", "-", "..."),
}


def batches(data: ReportData) -> Sequence[Plot | Missing]:
    """One figure of two panels."""
    iterations = data.iterations
    if isinstance(iterations, str):
        return [Missing(TITLE, iterations)]
    figure, ((left, right),) = panels(1, 2, 2.7)
    table = iterations.table
    roles = [role for role in ROLES if (table["role"] == role).any()]
    for role in roles:
        _tokens(left, role, table[table["role"] == role])
    left.set(xscale="log", ylim=(0, 1.005), xlabel="tokens in the batch", ylabel="share of busy time")
    plain_log_ticks(left.xaxis, 1, float(table["tokens"].max()))
    left.set_title("batch tokens", pad=3)
    _sizes(right, table, roles)
    right.set_title("time by batch size", pad=3)
    _legend(figure, roles)
    caption = (
        "Left: the tokens that an iteration works on (a prompt counts its size, a decode 1), by the time that they"
        " take. Right: of the time of the machines in each role from the first to the last iteration of the run, by"
        " requests in the batch. A machine that changes its role counts in its role at the time, when idle in its last"
        f" role. {iterations.note}"
    )
    return [Plot("batches", f"{TITLE} of {iterations.name}", figure, caption)]


def _legend(figure: Figure, roles: Sequence[str]) -> None:
    """A legend with the line and the bar of a role in one entry."""
    from matplotlib.legend_handler import HandlerTuple
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    looks = [ROLES[role] for role in roles]
    handles: Any = [
        (Line2D([], [], color=color, linestyle=dashes), Patch(facecolor="white", edgecolor=color, hatch=hatch))
        for color, dashes, hatch in looks
    ]
    names = [f"{role} machines" for role in roles]
    divided = {tuple: HandlerTuple(ndivide=None)}
    figure.legend(handles, names, loc="outside lower center", ncols=4, frameon=False, handler_map=divided,
                  handlelength=5)  # fmt: skip


def _tokens(panel: Axes, role: str, rows: pd.DataFrame) -> None:
    by_tokens = (rows["end_s"] - rows["start_s"]).groupby(rows["tokens"]).sum().sort_index()
    color, dashes, _ = ROLES[role]
    share = by_tokens.cumsum().to_numpy() / by_tokens.sum()
    edges = np.maximum(by_tokens.index.to_numpy(dtype=float), 1.0)
    panel.step([edges[0], *edges], [0.0, *share], where="post", color=color, linestyle=dashes)


def _sizes(panel: Axes, table: pd.DataFrame, roles: Sequence[str]) -> None:
    most = int(table["requests"].max())  # the bins end at powers of 2: 1, 2, 3 to 4, 5 to 8 and so on
    bins = [(2**power // 2 + 1, 2**power) for power in range((most - 1).bit_length() + 1)]
    width = 0.8 / max(len(roles), 1)
    for number, role in enumerate(roles):
        color, _, hatch = ROLES[role]
        places = np.arange(len(bins) + 1) + (number - (len(roles) - 1) / 2) * width
        shares = 100 * time_shares(table, role, bins)
        panel.bar(places, shares, width, color="white", edgecolor=color, hatch=hatch, linewidth=0.9)
    names = ["idle", *(f"{low}" if low == high else f"{low}–{high}" for low, high in bins)]
    panel.set_xticks(range(len(names)), names, rotation=40, ha="right")
    panel.tick_params(axis="x", length=0)
    panel.set(xlabel="requests in the batch", ylabel="% of the machines' time")


def time_shares(table: pd.DataFrame, role: str, bins: Sequence[tuple[int, int]]) -> npt.NDArray[np.float64]:
    """The shares of the time of a role's machines: idle, then in batches of each bin's sizes. They sum to 1."""
    span_s = table["end_s"].max() - table["start_s"].min()
    busy = table["end_s"] - table["start_s"]
    last = table.sort_values("end_s", kind="stable").groupby("machine")["role"].last()
    idle_s = span_s - busy.groupby(table["machine"]).sum()
    times = [max(0.0, float(idle_s[last == role].sum()))]
    in_role, size = table["role"] == role, table["requests"]
    times += [float(busy[in_role & (size >= low) & (size <= high)].sum()) for low, high in bins]
    return np.array(times) / max(sum(times), 1e-12)
