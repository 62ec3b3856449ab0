"""Numbers as people read them. Imports nothing that a start would wait for."""

from __future__ import annotations

import math

_UNKNOWN = "-"


def figure(value: float | None, unit: str = "") -> str:
    """A measured number with three significant digits, in plain notation: `0.0123`, `12.3`, `1,234`; `-` for None and
    NaN. `unit` follows a number."""
    if value is None or math.isnan(value):
        return _UNKNOWN
    if math.isinf(value) or value == 0.0:
        return f"{value:g}{unit}"
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 100.0:
        return f"{value:,.0f}{unit}"
    places = 2 - math.floor(math.log10(abs(rounded)))
    return f"{value:.{places}f}{unit}" if places <= 6 else f"{value:.3g}{unit}"
