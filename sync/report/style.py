"""The look of figures: sizes, fonts, and colours with markers, dashes and hatches that also differ in grey."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

WIDTH_IN = 7.2  # the width of both columns of a paper
MOST_DESIGNS = 8  # in one figure: as many as there are styles
# By format the metadata that are left out: matplotlib would write a time, its version and addresses.
FORMATS = {"png": (), "pdf": ("CreationDate",), "svg": ("Date", "Creator", "Format", "Type")}
_ABOUT = {"png": "Description", "pdf": "Subject", "svg": "Description"}  # by format the entry that says what it is


@dataclass(frozen=True)
class Style:
    """The look of one design. `dashes` is matplotlib's line style, `hatch` fills bars. `size` is the marker's, in
    points: where curves lie on each other, larger markers of the lower curve are seen around those of the upper one."""

    color: str = "#000000"
    marker: str = "o"
    dashes: Any = "-"
    hatch: str = ""
    hollow: bool = False
    size: float = 4.0

    @property
    def line(self) -> dict[str, Any]:
        """The arguments of `Axes.plot`."""
        face = "white" if self.hollow else self.color
        look = {"color": self.color, "marker": self.marker, "linestyle": self.dashes}
        return {**look, "markerfacecolor": face, "markersize": self.size, "zorder": 3.0 - self.size / 10}


# Colours by Okabe and Ito, which colour-blind people can distinguish, without their yellow: too light for a line.
_DASHED: Any = (0, (5, 1.5))
_DOTTED: Any = (0, (1, 1.2))
_DASH_DOT: Any = (0, (4, 1.5, 1, 1.5))
STYLES = (
    Style("#009E73", "D", "-", "///"),
    Style("#D55E00", "v", _DASHED, "\\\\\\"),
    Style("#56B4E9", "s", "-", "...", size=6.0),
    Style("#E69F00", "^", _DASH_DOT, "xxx", size=5.0),
    Style("#000000", "o", _DOTTED, ""),
    Style("#0072B2", "P", _DASHED, "+++"),
    Style("#CC79A7", "X", _DASH_DOT, "---"),
    Style("#808080", "s", _DOTTED, "ooo", hollow=True),
)
# The designs of the Splitwise paper look alike in every report.
_KNOWN = {
    "splitwise-ha": STYLES[0],
    "splitwise-hh": STYLES[1],
    "splitwise-aa": STYLES[2],
    "splitwise-hhcap": STYLES[3],
    "baseline-h100": STYLES[4],
    "baseline-a100": STYLES[7],
}
_SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "legend.fontsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.3,
    "lines.markersize": 4,
    "hatch.linewidth": 0.5,
    "pdf.fonttype": 42,  # letters that can be searched for and edited
    "svg.hashsalt": "report",  # the same bytes each time
    "svg.fonttype": "path",
    "text.usetex": False,
    "text.parse_math": False,  # a design may be called $x$
}


def styles(systems: Iterable[str]) -> dict[str, Style]:
    """A style for each system, no two alike: the paper's systems have fixed styles, the others take the free ones by
    their names in order."""
    names = sorted(set(systems))
    taken = [_KNOWN[name] for name in names if name in _KNOWN]
    free = iter(varied(taken))
    return {name: _KNOWN[name] if name in _KNOWN else next(free) for name in names}


def varied(taken: Iterable[Style]) -> Iterator[Style]:
    """Styles without end, none of them among `taken`: first of colours that are not taken, then of all colours again,
    with the markers, dashes and hatches of others."""
    used = {style.color for style in taken}
    yield from (style for style in STYLES if style.color not in used)
    for lap in itertools.count(1):
        for place, style in enumerate(STYLES):
            other = STYLES[(place + lap) % len(STYLES)]
            hollow = lap // len(STYLES) % 2 == other.hollow
            yield Style(style.color, other.marker, other.dashes, other.hatch, not hollow, other.size)


def printed() -> AbstractContextManager[None]:
    """Within this context figures are drawn and written with the report's settings, not with the user's."""
    from matplotlib.style import context

    return context(_SETTINGS, after_reset=True)


def panels(rows: int, columns: int, height_in: float, **options: Any) -> tuple[Figure, list[list[Axes]]]:
    """A figure across the page with rows x columns panels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options).tolist()


def panels_of(count: int, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure across the page with so many panels, and the panels, row by row."""
    columns = columns_of(count)
    rows = -(-count // columns)
    figure, grid = panels(rows, columns, 0.6 + (2.0 if columns > 1 else 2.4) * rows, **options)
    every = [axes for row in grid for axes in row]
    for axes in every[count:]:
        axes.remove()
    return figure, every[:count]


def columns_of(count: int) -> int:
    """The columns in which `panels_of` arranges so many panels."""
    return 2 if count == 4 else min(count, 3)


def label_outer(shown: Sequence[Axes], label: str) -> None:
    """Give the panels that have none below them the numbers and the label of the horizontal axis."""
    for axes in shown[-columns_of(len(shown)) :]:
        axes.set_xlabel(label)
        axes.tick_params(axis="x", labelbottom=True)


def plain_log_ticks(axis: Axis, least: float, most: float) -> None:
    """Label a logarithmic axis from `least` to `most` with plain figures (0.1, 0.2, 0.5, 1), as many as fit."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    steps = (1.0, 2.0, 5.0) if most < 50 * least else (1.0, 3.0) if most < 500 * least else (1.0,)
    axis.set_major_locator(LogLocator(subs=steps, numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def plain_symlog_ticks(axis: Axis, most: float) -> None:
    """Label an axis that is linear up to 1 and logarithmic up to `most`: 0, 1, 10 and so on."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis.set_major_locator(FixedLocator([0.0, *(10.0**power for power in range(12) if 10.0**power <= 2 * most)]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_minor_locator(NullLocator())


def legend_below(figure: Figure, *panels: Axes, columns: int = 3) -> None:
    """Draw one legend for all panels, of what these panels show, each label once."""
    shown: dict[str, Artist] = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            shown.setdefault(label, handle)
    if shown:
        figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=columns, frameon=False)


def picture(figure: Figure, form: str, about: str = "") -> bytes:
    """The figure as a file of one of `FORMATS`, with a text about it in its metadata; the same bytes for the same
    figure. Call within `printed`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    if figure.get_layout_engine() is not None:  # each layout moves things a little: do it once
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    file = io.BytesIO()
    metadata: dict[str, str | None] = {**dict.fromkeys(FORMATS[form]), **({_ABOUT[form]: about} if about else {})}
    canvas.print_figure(file, format=form, dpi=200, metadata=metadata)
    return file.getvalue()
