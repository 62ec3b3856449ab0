"""Draws docs/quickstart.png from the results of the demo: `make demo`, then `python docs/quickstart_picture.py`.

Run it in the project's folder. A file name as argument takes the place of docs/quickstart.png.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Python looks for imports in the folder of this script, not in the project's folder above it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sim_core.environment import told_what_is_missing
from sim_core.errors import SpecError

with told_what_is_missing():
    from matplotlib.figure import Figure

    from sync import load_sweep
    from sync.report.style import styles
    from sync.results.slo import SLO_LIMITS

TITLES = {"ttft": "time to first token", "tbt": "time between tokens", "e2e": "end to end"}


def main(file: Path) -> None:
    """Draw the picture into `file`, with the colours and markers of the report."""
    runs = load_sweep("quickstart").runs.sort_values("rate")
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    panels = figure.subplots(1, 3)
    for panel, (metric, title) in zip(panels, TITLES.items(), strict=True):
        limit = SLO_LIMITS[metric]["p90"]
        for system, style in styles(runs["system"]).items():
            rows = runs[runs["system"] == system]
            look = {**style.line, "markersize": style.size + 2}
            panel.plot(rows["rate"], rows[f"{metric}/p90_slowdown"], label=system, **look)
        panel.axhline(limit, color="0.4", linewidth=1)
        panel.annotate(f"SLO: {limit:g}x", (runs["rate"].min(), limit), textcoords="offset points", xytext=(0, 4),
                       color="0.3", fontsize=9)  # fmt: skip
        panel.set(title=title, xlabel="requests per second", ylim=(0, 3 * limit), xticks=sorted(runs["rate"].unique()))
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("90th percentile, slowdown against\nthe request alone on a DGX-A100")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    figure.savefig(file, dpi=130)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("quickstart.png"))
    except SpecError as error:  # such as no results of the demo yet
        sys.exit(f"error: {error}")
