"""Draws docs/quickstart.png from the results of the demo: `make demo`, then `python docs/quickstart_picture.py`.

Run it in the project's folder. A file name as argument takes the place of docs/quickstart.png.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

# Python looks for imports in the folder of this script, not in the project's folder above it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sync import load_sweep
from sync.results.slo import SLO_LIMITS

TITLES = {"ttft": "time to first token", "tbt": "time between tokens", "e2e": "end to end"}
# Okabe and Ito's colours, which the colour-blind can tell apart. Markers and dashes distinguish the lines in grey.
STYLES = {
    "baseline-a100": ("#999999", "s", ":"),
    "baseline-h100": ("#000000", "o", ":"),
    "splitwise-aa": ("#56B4E9", "s", "-"),
    "splitwise-hh": ("#D55E00", "v", "--"),
    "splitwise-ha": ("#009E73", "D", "-"),
    "splitwise-hhcap": ("#E69F00", "^", "--"),
}


def main(file: Path) -> None:
    """Draw the picture into `file`."""
    runs = load_sweep("quickstart").runs.sort_values("rate")
    figure, panels = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
    for panel, (metric, title) in zip(panels, TITLES.items(), strict=True):
        limit = SLO_LIMITS[metric]["p90"]
        for system, (colour, marker, dashes) in STYLES.items():
            rows = runs[runs["system"] == system]
            panel.plot(rows["rate"], rows[f"{metric}/p90_slowdown"], dashes, color=colour, marker=marker, label=system)
        panel.axhline(limit, color="0.4", linewidth=1)
        panel.annotate(f"SLO: {limit:g}x", (runs["rate"].min(), limit), textcoords="offset points", xytext=(0, 4),
                       color="0.3", fontsize=9)  # fmt: skip
        panel.set(title=title, xlabel="requests per second", ylim=(0, 3 * limit), xticks=sorted(runs["rate"].unique()))
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("90th percentile, slowdown against\nthe request alone on a DGX-A100")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    figure.savefig(file, dpi=130)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("quickstart.png"))
