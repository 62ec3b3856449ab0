"""Points as JSON, for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sweep.experiment.point import Point, describing_fields

JSON_FIELDS = (
    *("index", "name", "key", "system", "design", "workload", "seed", "axes", "overrides"),
    *("machines", "roles", "cost", "power", "rate", "concurrency", "trace", "plugins"),
)


def points_json(points: Sequence[Point]) -> str:
    """The points as JSON, for programs."""
    described = [describing_fields(point) for point in points]
    return json.dumps([{name: values[name] for name in JSON_FIELDS} for values in described], indent=1)
