"""Distributions against formulas from elsewhere."""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_core.rng import Streams
from tests.traces.distributions.test_conformance import make
from traces.distributions.quantiles import Quantiles
from traces.incomplete_gamma import lower_gamma, upper_gamma
from traces.sizes import read_workload


def test_figures_of_a_workload_give_the_named_workloads_sizes() -> None:
    for name in ("code", "conv"):
        expected = Quantiles(read_workload(name)["prompt"]).sample(Streams(9)["x"], 5000)
        assert make(f"quantiles:workload={name}").sample(Streams(9)["x"], 5000) == expected


def test_shares_of_the_normal_family_are_those_of_the_standard_library() -> None:
    one, other = NormalDist(1024.0, 200.0), NormalDist(math.log(200.0), 0.5)
    for tokens in (1, 500, 1024, 1500, 2000):
        assert make("normal:mean=1024,sd=200").cdf(tokens) == pytest.approx(one.cdf(tokens + 0.5), abs=1e-12)
        expected = other.cdf(math.log(tokens + 0.5))
        assert make("lognormal:median=200,sigma=0.5").cdf(tokens) == pytest.approx(expected, abs=1e-12)


def test_a_gamma_distribution_of_cv_1_is_the_exponential_one() -> None:
    for tokens in (1, 10, 200, 3000):
        expected = make("exponential:mean=200").cdf(tokens)
        assert make("gamma:mean=200,cv=1").cdf(tokens) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("cv", [0.3, 1.1, 2.5])
def test_gamma_sizes_have_the_coefficient_of_variation_asked_for(cv: float) -> None:
    one = make(f"gamma:mean=5000,cv={cv}")
    sizes = one.sample(Streams(6)["x"], 20_000)
    mean = sum(sizes) / len(sizes)
    spread = math.sqrt(sum((size - mean) ** 2 for size in sizes) / len(sizes))
    assert spread / mean == pytest.approx(cv, rel=0.05)


@pytest.mark.parametrize("mean", [0.5, 3.0, 40.0, 700.0])
def test_poisson_shares_are_sums_of_its_probabilities(mean: float) -> None:
    one, total = make(f"poisson:mean={mean}"), 0.0
    for n in range(int(mean + 6 * math.sqrt(mean)) + 2):
        total += math.exp(n * math.log(mean) - mean - math.lgamma(n + 1))
        if n:
            assert one.cdf(n) == pytest.approx(total, abs=1e-11)


@given(st.integers(1, 60), st.floats(0.01, 150.0))
def test_the_incomplete_gamma_function_of_a_whole_shape_is_its_finite_sum(shape: int, x: float) -> None:
    expected = math.exp(-x) * math.fsum(x**n / math.factorial(n) for n in range(shape))
    assert upper_gamma(shape, x) == pytest.approx(expected, rel=1e-9, abs=1e-14)


@given(st.floats(0.001, 10_000.0), st.floats(0.0, 20_000.0))
def test_the_two_incomplete_gamma_functions_add_up_to_1(shape: float, x: float) -> None:
    assert 0.0 <= lower_gamma(shape, x) <= 1.0
    assert lower_gamma(shape, x) + upper_gamma(shape, x) == pytest.approx(1.0, abs=1e-12)


def test_the_incomplete_gamma_function_of_shape_one_half_is_the_error_function() -> None:
    for x in (1e-9, 0.3, 1.5, 4.0, 30.0):
        assert lower_gamma(0.5, x) == pytest.approx(math.erf(math.sqrt(x)), rel=1e-12)
