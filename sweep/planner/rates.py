"""The rates that are probed: powers of one number, so that all searches share runs."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log

STEP = 1.01
UNIT = 8  # numbers of rates that a step of a search is: those between are ends of intervals, as wide as they may be
DIGITS, FINE_DIGITS = 4, 6  # of the powers of STEP, and of rates between them
_ROUNDED = 0.001  # what rounding to four digits may change a ratio by
LOWEST, HIGHEST = 1e-4, 1e5  # requests/s


@dataclass(frozen=True)
class Rates:
    """The rates STEP^(k / `parts`)."""

    parts: int = 1

    @classmethod
    def for_width(cls, width: float) -> Rates:
        """The grid for intervals of this width, of which two steps fit in: an undecided rate has one on each side."""
        parts = 1
        while 2 * log(STEP) / parts > log(1.0 + width) - _ROUNDED:
            parts *= 2
        return cls(parts)

    def __getitem__(self, k: int) -> float:
        """The rate with the number `k`."""
        digits = FINE_DIGITS if k % self.parts else DIGITS
        return float(f"{STEP ** (k / self.parts):.{digits}g}")

    def number(self, rate: float) -> int:
        """The number of the greatest rate that is not above `rate`."""
        k = floor(log(rate) / log(STEP) * self.parts) + 1  # rates are rounded, so this one may be it
        while self[k] > rate:
            k -= 1
        return k

    @property
    def first_step(self) -> int:
        """The step of a first bracket, a factor of 1.08; later ones double it."""
        return 8 * self.parts


def rates_of(width: float) -> Rates:
    """The rates that a search for an interval of this width numbers: whole steps, and those between."""
    return Rates(UNIT * Rates.for_width(width).parts)


def whole(k: int) -> int:
    """The number of the greatest rate up to `k` that is a whole step of `rates_of`."""
    return k - k % UNIT
