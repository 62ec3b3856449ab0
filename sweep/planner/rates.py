"""The rates that are probed: powers of one number, so that all searches share runs, with four significant digits."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log

STEP = 1.01
DIGITS = 4
LOWEST, HIGHEST = 1e-4, 1e5  # requests/s


@dataclass(frozen=True)
class Rates:
    """The rates STEP^(k / `parts`)."""

    parts: int = 1

    @classmethod
    def for_width(cls, width: float) -> Rates:
        """The grid for intervals of this width: at least three steps of it fit in."""
        parts = 1
        while 3 * log(STEP) / parts > log(1.0 + width) + log(STEP):
            parts *= 2
        return cls(parts)

    def __getitem__(self, k: int) -> float:
        """The rate with the number `k`."""
        return float(f"{STEP ** (k / self.parts):.{DIGITS}g}")

    def number(self, rate: float) -> int:
        """The number of the greatest rate that is not above `rate`."""
        k = floor(log(rate) / log(STEP) * self.parts + 1e-9)
        return k if self[k] <= rate else k - 1

    @property
    def first_step(self) -> int:
        """The step of a first bracket, a factor of 1.08; later ones double it."""
        return 8 * self.parts
