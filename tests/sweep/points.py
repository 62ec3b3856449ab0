"""From the text of an experiment to its points, or to the one line that says why there are none."""

from __future__ import annotations

import pytest

from sim_core.errors import SimError
from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import Point, project_root


def points_of(text: str, *extra: str) -> list[Point]:
    return expand(parse_experiment(text, "x.yaml"), extra, project_root())


def error_of(text: str, *extra: str) -> str:
    with pytest.raises(SimError) as caught:
        points_of(text, *extra)
    message = str(caught.value)
    assert "\n" not in message
    return message
