"""Which code decides an outcome, for its content key."""

from __future__ import annotations

from sim_core import Code

FIGURES = ("sync.results.measure",)  # the modules outside of the simulator that compute the figures of a run


def deciding_code() -> Code:
    """The code that decides outcomes: the simulator's, and that of the figures."""
    return Code(figures=FIGURES)
