"""The fit of a factor and an offset, with an engine whose times are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_core.errors import SpecError
from sweep.calibrate.files import drawn, medians
from sweep.calibrate.fit import Fit, Times, compared, errors, fitted
from sweep.calibrate.formats.base import Lengths, MeasuredPoint

LENGTHS = Lengths(100, 100)


def engine(point: MeasuredPoint, fit: Fit) -> Times:
    """An engine whose steps are most of its TPOT; the rest does not depend on them."""
    clients = point.concurrency or 1
    ttft_ms = 100.0 * clients * fit.factor + 1e3 * fit.ttft_offset_s
    return Times(ttft_ms, 1.0 + (19.0 + clients) * fit.factor)


def measured(truth: Fit, clients: Sequence[int]) -> list[MeasuredPoint]:
    """What an engine of which `truth` holds would measure."""
    points = [MeasuredPoint(f"c{count}", LENGTHS, LENGTHS, None, None, concurrency=count) for count in clients]
    times = [engine(point, truth) for point in points]
    return [
        replace(point, ttft_ms=time.ttft_ms, tpot_ms=time.tpot_ms) for point, time in zip(points, times, strict=True)
    ]


@given(st.floats(0.5, 2.0), st.floats(0.0, 1.0), st.lists(st.integers(1, 20), min_size=1, max_size=6, unique=True))
def test_the_factor_and_the_offset_of_a_known_engine_are_found(
    factor: float, offset_s: float, clients: list[int]
) -> None:
    points = measured(Fit(factor, offset_s), clients)
    fit = fitted(points, engine)
    assert fit.factor == pytest.approx(factor, rel=0.01)  # each round comes closer
    for metric in ("tpot_ms", "ttft_ms"):
        assert max(errors([(point, engine(point, fit)) for point in points], metric)) < 0.02


def test_a_factor_that_all_times_follow_is_found_exactly() -> None:
    points = [
        MeasuredPoint("a", LENGTHS, LENGTHS, 250.0, 15.0, 1),
        MeasuredPoint("b", LENGTHS, LENGTHS, 450.0, 30.0, 2),
    ]

    def whole(point: MeasuredPoint, fit: Fit) -> Times:
        clients = point.concurrency or 1
        return Times(100.0 * clients * fit.factor + 1e3 * fit.ttft_offset_s, 10.0 * clients * fit.factor)

    assert fitted(points, whole) == Fit(1.5, 0.125)  # 250 - 150 and 450 - 300 ms, in the middle


def test_tokens_that_come_sooner_than_simulated_give_no_offset() -> None:
    points = [replace(point, ttft_ms=1.0) for point in measured(Fit(1.0, 0.0), [1, 2])]
    assert fitted(points, engine).ttft_offset_s == 0.0


def test_the_more_requests_wait_the_less_a_run_tells_of_a_delay_in_front_of_the_engine() -> None:
    point = MeasuredPoint("a", LENGTHS, LENGTHS, 500.0, 10.0, 1)
    for queue_ms, offset_s in ((0.0, 0.3), (50.0, 0.225), (200.0, 0.0)):
        assert fitted([point], lambda _, fit, q=queue_ms: Times(200.0, 10.0, q)).ttft_offset_s == offset_s


def test_one_odd_run_does_not_move_the_fit() -> None:
    points = measured(Fit(1.25, 0.2), range(1, 8))
    odd = replace(points[3], tpot_ms=900.0, ttft_ms=90_000.0)
    assert fitted([*points[:3], odd, *points[4:]], engine).factor == pytest.approx(fitted(points, engine).factor, 1e-2)


def test_weights_count_in_the_medians() -> None:
    (slow,), (quick,) = measured(Fit(2.0), [1]), measured(Fit(1.0), [1])
    quick = replace(quick, name="quick")
    heavy = replace(slow, weight=3.0)
    assert fitted([heavy, quick], engine) == fitted([slow], engine)
    assert fitted([slow, replace(quick, weight=3.0)], engine) == fitted([quick], engine)


def test_each_point_is_tried_with_the_fit_to_all_others() -> None:
    points = measured(Fit(1.25, 0.2), [1, 2, 3])
    points[2] = replace(points[2], tpot_ms=60.0)
    _, rows = compared(points, engine)
    for place, row in enumerate(rows):
        others = [point for number, point in enumerate(points) if number != place]
        assert row.left_out == engine(points[place], fitted(others, engine))
        assert row.before == engine(points[place], Fit())


def test_a_point_alone_is_not_left_out() -> None:
    _, (row,) = compared(measured(Fit(1.25), [1]), engine)
    assert row.left_out is None
    assert medians([row])["tpot"].keys() == {"before", "after"}


def test_no_run_is_simulated_twice() -> None:
    seen: list[tuple[str, Fit]] = []

    def watched(point: MeasuredPoint, fit: Fit) -> Times:
        seen.append((point.name, fit))
        return engine(point, fit)

    compared(measured(Fit(1.25, 0.2), [1, 2, 3, 4]), watched)
    assert len(seen) == len(set(seen))


def test_points_without_tpot_are_refused_with_what_is_needed() -> None:
    with pytest.raises(SpecError, match="no point has a TPOT, which the factor is fitted to; add a run"):
        fitted([MeasuredPoint("a", LENGTHS, Lengths(1, 1), 10.0, None, 1)], lambda point, fit: Times(5.0, None))


def test_a_factor_beyond_all_reason_is_refused() -> None:
    (point,) = measured(Fit(), [1])
    with pytest.raises(SpecError, match=r"steps would have to take .* times as long: compare the configuration"):
        fitted([replace(point, tpot_ms=exp(12.0))], engine)


def test_errors_are_of_what_was_measured_alone() -> None:
    point = MeasuredPoint("a", LENGTHS, LENGTHS, None, 20.0, 1)
    assert errors([(point, Times(5.0, 25.0)), (point, None)], "tpot_ms") == [0.25]
    assert errors([(point, Times(5.0, 25.0))], "ttft_ms") == []


def test_equal_fits_are_equal_pictures() -> None:
    _, rows = compared(measured(Fit(1.25, 0.2), [1, 2, 3]), engine)
    assert drawn(rows) == drawn(rows)
    assert b"<svg" in drawn(rows[:1])
