"""Figures of errors, of order and of noise, worked out by hand."""

from __future__ import annotations

import pytest

from benchmarks.validation import causes, errors
from benchmarks.validation.errors import TPOT, TTFT, Errors
from benchmarks.validation.points import Parallelism
from tests.validation.made import compared, point


def test_figures_are_of_the_sizes_of_errors_and_the_bias_of_signed_ones() -> None:
    found = errors.errors_of([-10.0, 20.0, -30.0])
    assert found == Errors(3, 20.0, pytest.approx(20.0), pytest.approx(28.0), -10.0)
    assert errors.errors_of([]) is None


def test_an_error_is_relative_to_the_measurement() -> None:
    comparison = compared(1.5, 0.5, package=(2.0, 1.0))
    assert [comparison.error(metric) for metric in (TTFT, TPOT)] == [50.0, -50.0]
    assert [comparison.package_error(metric) for metric in (TTFT, TPOT)] == [100.0, 0.0]


def test_points_without_an_estimate_of_the_package_do_not_count_in_its_figures() -> None:
    found = errors.package_errors_in([compared(1, 1), compared(1, 1, package=(1.0, 1.2))], TPOT)
    assert found is not None
    assert (found.count, found.median) == (1, pytest.approx(20.0))


@pytest.mark.parametrize(("said", "right"), [(0.9, 100.0), (2.5, 0.0)])
def test_two_configurations_are_in_order_if_the_simulator_says_which_is_better(said: float, right: float) -> None:
    pair = [compared(1, 1), compared(1, said, engine=Parallelism(2), tpot_ms=2.5)]
    found = errors.order(pair, errors.PARALLELISM, errors.VALUES["TPOT"])
    assert found == errors.Order(1, right, 1, right)


def test_pairs_that_hardly_differ_or_differ_in_more_than_what_is_asked_do_not_count() -> None:
    value = errors.VALUES["TPOT"]
    alike = [compared(1, 1), compared(1, 1, engine=Parallelism(2), tpot_ms=5.4)]
    assert errors.order(alike, errors.PARALLELISM, value).pairs == 0
    for change in ({"concurrency": 2}, {"system": "b200_sxm"}, {"isl": 2}, {"backend": "sglang"}, {"precision": "fp4"}):
        other = compared(1, 1, engine=Parallelism(2), tpot_ms=50.0, **change)
        assert errors.order([compared(1, 1), other], errors.PARALLELISM, value).pairs == 0


def test_pairs_that_differ_by_more_than_half_are_counted_apart() -> None:
    three = [compared(1, 1, engine=Parallelism(size), tpot_ms=tpot) for size, tpot in ((1, 10.0), (2, 8.0), (4, 4.0))]
    found = errors.order(three, errors.PARALLELISM, errors.VALUES["TPOT"])
    assert (found.pairs, found.very_clear_pairs) == (3, 2)


def test_tokens_a_second_follow_from_the_clients_loop() -> None:
    assert errors.tokens_per_s(point(concurrency=4, osl=11), 50.0, 5.0) == pytest.approx(4 * 11 / 0.1)


def test_one_factor_a_group_leaves_what_differs_within_it() -> None:
    group = [compared(1, factor, name=str(factor)) for factor in (0.5, 0.5, 1.0)]
    found = errors.residual(group, TPOT)
    assert found is not None
    assert (found.median, found.bias) == (0.0, 0.0)
    apart = [*group[:2], compared(1, 1.0, system="b200_sxm")]
    left = errors.residual(apart, TPOT)
    assert left is not None
    assert left.p90 == 0.0


def test_noise_is_by_which_factor_two_runs_differ() -> None:
    assert errors.noise([(point(tpot_ms=5.0), point(tpot_ms=4.0))], TPOT) == (1.25, 1.25)
    assert errors.noise([], TPOT) is None


def test_an_engine_that_is_slower_with_fewer_clients_is_doubtful() -> None:
    runs = [(1, 30.0), (2, 5.0), (4, 6.0)]
    found = causes.doubtful(
        [compared(1, 1, name=str(clients), concurrency=clients, tpot_ms=tpot) for clients, tpot in runs]
    )
    assert found == {"1"}


def test_a_group_whose_errors_are_one_factor_is_said_to_be_so() -> None:
    group = [compared(1, 0.5, name=str(number), concurrency=number) for number in range(1, 10)]
    (found,) = causes.worst_groups(group, TPOT, 5)
    assert (found.errors.median, found.cause) == (50.0, "one factor of 2.00 would leave 0%")


def test_a_constant_excess_of_ttft_is_said_to_be_one() -> None:
    group = []
    for number in range(2, 11):
        simulated = 10.0 * number
        group.append(compared(simulated / (simulated + 100.0), 1, name=str(number), ttft_ms=simulated + 100.0))
    (found,) = causes.worst_groups(group, TTFT, 5)
    assert found.cause.startswith("100 ms more at any load")


def test_requests_that_ran_at_a_time_follow_from_littles_law() -> None:
    broken = compared(0.1, 4.0, concurrency=100, osl=11, ttft_ms=450.0, tpot_ms=5.0)
    assert causes.running(broken.point, 450.0, 5.0) == pytest.approx(10.0)
    assert causes.of_point(broken, ()) == "10 of its 100 requests ran at a time, by Little's law; the others waited"
    assert causes.of_point(compared(1, 2), ()) == causes.NO_CAUSE
    assert causes.of_point(broken, {broken.point.name}) == causes.DOUBTFUL
