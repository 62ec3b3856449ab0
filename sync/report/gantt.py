"""A timeline of the machines of one run over a few seconds: prompts, decodes, both, or idle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sync.report.base import Missing, Plot
from sync.report.data import ReportData
from sync.report.style import panels

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Timeline"
_MOST_MACHINES = 16
_WINDOW_S = 10.0
_KINDS = {"prompts": ("#D55E00", "////"), "prompts and decodes": ("#E69F00", "xxxx"), "decodes": ("#A9D6F5", "")}
_JOIN_S = 1e-6  # spans of decodes that are this close are drawn as one


def gantt(data: ReportData) -> Sequence[Plot | Missing]:
    """One figure."""
    from matplotlib.patches import Patch

    iterations = data.iterations
    if isinstance(iterations, str):
        return [Missing(TITLE, iterations)]
    table = iterations.table
    from_s, to_s = window(table)
    shown = _machines(table)
    figure, ((panel,),) = panels(1, 1, 0.9 + 0.19 * max(len(shown), 3))
    drawn: set[str] = set()
    for place, machine in enumerate(shown["machine"]):
        rows = table[(table["machine"] == machine) & (table["end_s"] > from_s) & (table["start_s"] < to_s)]
        for kind, spans in spans_by_kind(rows).items():
            drawn.add(kind)
            color, hatch = _KINDS[kind]
            panel.broken_barh(
                spans, (place - 0.36, 0.72), facecolor=color, hatch=hatch, edgecolor="0.15", linewidth=0.25
            )
    roles = ["" if role == "any" else f" ({role})" for role in shown["role"]]
    panel.set_yticks(range(len(shown)), shown["name"] + roles)
    panel.set(xlim=(from_s, to_s), ylim=(len(shown) - 0.4, -0.6), xlabel="time since the first arrival (s)")
    panel.tick_params(axis="y", length=0)
    kinds = {kind: look for kind, look in _KINDS.items() if kind in drawn}
    handles = [Patch(facecolor=c, hatch=h, edgecolor="0.15", linewidth=0.4, label=k) for k, (c, h) in kinds.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
    machines = table["machine"].nunique()
    left = f" {len(shown)} of {machines} machines, as many of each role as there is room for."
    caption = (
        f"The {to_s - from_s:g} s in the middle of the run; white is idle. Decodes that follow one another are"
        f" one span.{left if machines > len(shown) else ''} {iterations.note}"
    )
    return [Plot("timeline", f"{TITLE} of {iterations.name}", figure, caption)]


def window(table: pd.DataFrame) -> tuple[float, float]:
    """The `_WINDOW_S` seconds around the time by which half of the iterations have begun, or the whole run."""
    first, last = float(table["start_s"].min()), float(table["end_s"].max())
    if last - first <= _WINDOW_S:
        return first, last
    begin = float(int(min(max(table["start_s"].median() - _WINDOW_S / 2, first), last - _WINDOW_S)))
    return begin, begin + _WINDOW_S


def _machines(table: pd.DataFrame) -> pd.DataFrame:
    """The first row of each machine that is shown, by the role that it starts in, prompt machines first; of each role
    as many as there is room for."""
    firsts = table.drop_duplicates("machine")
    firsts = firsts.sort_values("role", key=lambda roles: roles.where(roles != "prompt", ""), kind="stable")
    number_in_role = firsts.groupby("role").cumcount()
    is_extra = number_in_role >= _MOST_MACHINES // firsts["role"].nunique()
    return firsts[firsts.index.isin(is_extra.sort_values(kind="stable").index[:_MOST_MACHINES])]


def spans_by_kind(rows: pd.DataFrame) -> dict[str, list[tuple[float, float]]]:
    """Spans as (start, duration) by kind; spans of decodes that touch are joined."""
    spans: dict[str, list[tuple[float, float]]] = {}
    columns = zip(rows["start_s"], rows["end_s"], rows["requests"], rows["prompts"], strict=True)
    for start_s, end_s, requests, prompts in sorted(columns):
        kind = "decodes" if not prompts else "prompts" if prompts == requests else "prompts and decodes"
        of_kind = spans.setdefault(kind, [])
        if kind == "decodes" and of_kind and start_s - sum(of_kind[-1]) < _JOIN_S:
            of_kind[-1] = (of_kind[-1][0], end_s - of_kind[-1][0])
        else:
            of_kind.append((start_s, end_s - start_s))
    return spans
