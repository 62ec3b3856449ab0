"""Bounds on the rate that a cluster can carry, from what its machines can do at best."""

from __future__ import annotations

from pathlib import Path

from sweep.experiment.point import Point


def rate_bound(point: Point, root: Path) -> float | None:
    """The rate that no cluster like the point's can exceed for long; None: not known."""
    return None
