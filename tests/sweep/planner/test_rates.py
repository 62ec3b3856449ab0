"""The grid of rates."""

from __future__ import annotations

from itertools import pairwise

import pytest

from sweep.planner.rates import Rates


@pytest.mark.parametrize("width", [0.005, 0.01, 0.02, 0.03, 0.5])
def test_two_steps_of_the_grid_fit_into_the_width(width: float) -> None:
    rates = Rates.for_width(width)
    for k in range(0, 2000, 7):
        assert rates[k] < rates[k + 1] < rates[k + 2] <= rates[k] * (1.0 + width)


@pytest.mark.parametrize("width", [0.005, 0.03])
def test_the_rates_of_a_finer_grid_have_those_of_a_coarser_one(width: float) -> None:
    fine, coarse = Rates.for_width(width), Rates.for_width(0.5)
    assert all(coarse[k] == fine[k * fine.parts] for k in range(-300, 700))


def test_the_number_of_a_rate_is_that_of_the_greatest_one_not_above_it() -> None:
    rates = Rates()
    for rate in (0.0123, 1.0, 8.27, 150.0, 9999.0):
        k = rates.number(rate)
        assert rates[k] <= rate < rates[k + 1]


@pytest.mark.parametrize("width", [0.005, 0.03])
def test_a_rate_of_the_grid_has_the_number_that_it_is_made_of(width: float) -> None:
    rates = Rates.for_width(width)
    assert all(rates.number(rates[k]) == k for k in range(-800, 1600))


def test_rates_have_four_significant_digits_and_ascend() -> None:
    values = [Rates()[k] for k in range(-400, 900)]
    assert all(a < b for a, b in pairwise(values))
    assert all(float(f"{value:.4g}") == value for value in values)
