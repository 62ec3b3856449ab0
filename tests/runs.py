"""Runs with their figures, as a sweep and a single run make them."""

from __future__ import annotations

from sim_core import SimSpec, Trace, simulate
from sync.results.measure import MeasuredRun, measure


def measured(spec: SimSpec, trace: Trace) -> MeasuredRun:
    """Simulate and measure."""
    return measure(simulate(spec, trace), spec)
