"""How well one measured point calibrates the rest of its configuration: the rules and figures of the benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from benchmarks import calibration
from benchmarks.calibration import BEFORE, at_low_load, errors_of, figures
from benchmarks.validation.points import Point
from benchmarks.validation.runs import run
from tests.validation import made

CLIENTS = (1, 2, 4, 8)


def measured(factor: float, offset_s: float) -> list[Point]:
    """What an engine would measure whose steps take `factor` times as long, and whose first tokens come later."""
    found = []
    for clients in CLIENTS:
        point = made.point(name=f"c{clients}", concurrency=clients)
        outcome = run(point, made.Tables(), factor, offset_s)  # type: ignore[arg-type]
        found.append(replace(point, ttft_ms=outcome.ttft_ms, tpot_ms=outcome.tpot_ms))
    return found


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "Package", lambda answers: made.Tables())


def figures_of(points: Sequence[Point]) -> dict[str, Any]:
    return figures([errors_of(points, 0, {})])


@pytest.mark.usefixtures("tables")
def test_one_point_of_an_engine_that_is_slower_throughout_calibrates_all_others() -> None:
    said = figures_of(measured(1.5, 0.0))
    assert said[BEFORE]["points"] == len(CLIENTS)
    assert said[BEFORE]["tpot_median"] > 25
    for rule in calibration.RULES:
        assert said[rule]["points"] == len(CLIENTS) - 1
        assert max(said[rule][f"{metric}_p90"] for metric in ("tpot", "ttft")) < 5


@pytest.mark.usefixtures("tables")
def test_points_that_cannot_be_simulated_are_left_out_and_a_point_alone_calibrates_nothing() -> None:
    unknown = made.point(name="unknown", family="unknown")
    (first, *_), none = measured(1.5, 0.0), errors_of([unknown], 0, {})
    assert none == errors_of([first, unknown], 0, {}) == {}


def test_the_point_of_low_load_is_at_the_first_quartile_of_ttft() -> None:
    points = [made.point(name=str(ms), ttft_ms=float(ms)) for ms in (80, 10, 70, 20, 60, 30, 50, 40)]
    assert at_low_load(points, Random(0)).ttft_ms == 30.0
