"""Arrival processes against what theory says of them. Seeds are fixed: what passes once always does."""

from __future__ import annotations

import math
from itertools import islice, pairwise

import pytest

from sim_core.rng import Streams
from tests.traces.arrivals.test_conformance import make, times
from traces.arrivals.gamma import gamma_variate
from traces.incomplete_gamma import lower_gamma
from traces.named import parse

KS_99 = 1.63


def kolmogorov(shares: list[float]) -> float:
    """The distance of what should be uniform on 0 to 1, times the root of the count."""
    n = len(shares)
    return max(max(u - i / n, (i + 1) / n - u) for i, u in enumerate(sorted(shares))) * math.sqrt(n)


def gaps_s(text: str, count: int) -> list[float]:
    at = list(islice(make(text).times_ns(Streams(3)["x"]), count + 1))
    return [(b - a) / 1e9 for a, b in pairwise(at)]


def test_poisson_gaps_are_exponential() -> None:
    assert kolmogorov([1.0 - math.exp(-70.0 * gap) for gap in gaps_s("poisson:rate=70", 20_000)]) < KS_99


def test_poisson_arrivals_are_those_of_named_workloads() -> None:
    named = parse("rr_conv_70.5_90s", 3).generate(3, "x").arrival_s.tolist()
    times_ns = islice(make("poisson:rate=70.5").times_ns(Streams(3)["trace/arrivals"]), len(named))
    assert [time_ns / 1e9 for time_ns in times_ns] == named


@pytest.mark.parametrize("cv", [0.3, 1.0, 2.0])
def test_gamma_gaps_are_gamma_distributed(cv: float) -> None:
    shape = 1.0 / cv**2
    gaps = gaps_s(f"gamma:rate=70,cv={cv}", 10_000)
    assert kolmogorov([lower_gamma(shape, gap * 70.0 * shape) for gap in gaps]) < KS_99


@pytest.mark.parametrize("cv", [0.05, 0.5, 3.0])
def test_gamma_gaps_have_the_coefficient_of_variation_asked_for(cv: float) -> None:
    gaps = gaps_s(f"gamma:rate=70,cv={cv}", 20_000)
    mean = sum(gaps) / len(gaps)
    spread = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert spread / mean == pytest.approx(cv, rel=0.06)


@pytest.mark.parametrize("shape", [0.05, 0.7, 1.0, 30.0])
def test_gamma_variates_follow_the_incomplete_gamma_function(shape: float) -> None:
    stream = Streams(4)["x"]
    assert kolmogorov([lower_gamma(shape, gamma_variate(stream, shape)) for _ in range(10_000)]) < KS_99


def test_constant_arrivals_are_whole_multiples_of_the_gap_and_as_many_as_asked() -> None:
    assert times("constant:rate=8", 0, 1.0) == [n * 125_000_000 for n in range(8)]
    assert len(times("constant:rate=70", 0, 600.0)) == 42_000


def test_a_stepped_rate_integrates_to_the_counts_of_its_steps_and_is_poisson_within() -> None:
    at = [t / 1e9 for t in times("piecewise:rates=10/130/0,seconds=60/60/30", 5, 1500.0)]
    counts = [0, 0, 0]
    within = []
    for t in at:
        phase = t % 150.0
        step = 0 if phase < 60 else 1 if phase < 120 else 2
        counts[step] += 1
        if step == 1:
            within.append((phase - 60) / 60)
    assert counts[0] == pytest.approx(6000, abs=4 * math.sqrt(6000))
    assert counts[1] == pytest.approx(78_000, abs=4 * math.sqrt(78_000))
    assert counts[2] == 0
    assert kolmogorov(within) < KS_99


def test_a_sinusoidal_rate_integrates_to_the_shares_of_its_period() -> None:
    period, peak, amplitude = 100.0, 20.0, 0.8
    at = times(f"sinusoidal:rate=50,amplitude={amplitude},period_s={period},peak_s={peak}", 6, 1000.0)
    turn = 2 * math.pi / period

    def share(t: float) -> float:  # of a period's requests that come before t
        return (t + amplitude / turn * (math.sin(turn * (t - peak)) + math.sin(turn * peak))) / period

    assert len(at) == pytest.approx(50_000, abs=4 * math.sqrt(50_000))
    assert kolmogorov([share(t / 1e9 % period) for t in at]) < KS_99


def test_bursts_are_as_long_as_asked_and_nothing_comes_between_them() -> None:
    # With 1000 a second while on, a gap beyond 0.02 s is (nearly) always a time off.
    gaps = gaps_s("onoff:rate=250,on_s=1,off_s=3", 200_000)
    offs = [gap for gap in gaps if gap > 0.02]
    assert sum(offs) / len(offs) == pytest.approx(3.0, rel=4 / math.sqrt(len(offs)))
    assert len(gaps) / len(offs) == pytest.approx(1000.0, rel=4 / math.sqrt(len(offs)))


def test_a_quiet_time_has_its_share_of_the_rate() -> None:
    windows = [0] * 4000
    for at in times("onoff:rate=100,on_s=50,off_s=50,quiet=0.25", 8, 4000.0):
        windows[at // 10**9] += 1
    # on: 160 a second, off: 40
    on = [count for count in windows if count > 100]
    off = [count for count in windows if count < 75]
    assert sum(on) / len(on) == pytest.approx(160.0, rel=0.02)
    assert sum(off) / len(off) == pytest.approx(40.0, rel=0.02)


def test_a_traces_times_begin_at_0_and_are_pressed_to_the_rate() -> None:
    assert list(make("trace:file=test_trace.csv").times_ns(Streams(0)["x"])) == [0, 2 * 10**9, 3 * 10**9]
    faster = make("trace:file=test_trace.csv,rate=4")
    assert list(faster.times_ns(Streams(0)["x"])) == [0, 333_333_333, 500_000_000]
    assert faster.span_s() == pytest.approx(0.5)


def test_utilization_is_the_rate_that_keeps_servers_busy() -> None:
    assert make("utilization:servers=40,utilization=0.7,request_s=5").rate_per_s == pytest.approx(5.6)
