"""What every arrival process of the table keeps; a new one has to bring its texts here."""

from __future__ import annotations

import math
from itertools import islice, takewhile

import pytest

from sim_core.errors import SpecError
from sim_core.rng import Streams
from tests.traces.other_processes import assert_same_in_all
from tests.traces.policies import in_samples
from traces.arrivals.base import ArrivalProcess
from traces.arrivals.table import ARRIVALS, arrivals

# text: long-run rate
TEXTS = {
    "poisson:rate=70": 70.0,
    "constant:rate=70": 70.0,
    "gamma:rate=70,cv=2": 70.0,
    "gamma:rate=70,cv=0.3": 70.0,
    "onoff:rate=70,on_s=0.2,off_s=0.6": 70.0,
    "onoff:rate=70,on_s=0.2,off_s=0.6,quiet=0.1": 70.0,
    "gamma:rate=70,cv=0": 70.0,
    "onoff:rate=70,on_s=0.2,off_s=0": 70.0,
    "onoff:rate=70,on_s=0.2,off_s=0.6,quiet=1": 70.0,
    "sinusoidal:rate=70,amplitude=0": 70.0,
    "piecewise:rates=10/130/0,seconds=1/1/0.5": 56.0,
    "sinusoidal:rate=70,amplitude=0.6,period_s=10": 70.0,
    "trace:file=test_trace.csv": 2 / 3,
    "trace:file=test_trace.csv,rate=70": 70.0,
    "utilization:servers=40,utilization=0.7,request_s=0.4": 70.0,
}
ENDLESS = [text for text in TEXTS if not text.startswith("trace")]
# Expected variance of the requests in a long time over their expected number: 1 is Poisson.
DISPERSION = {"gamma:rate=70,cv=2": 4.0, "onoff:rate=70,on_s=0.2,off_s=0.6": 32.5}


def make(text: str) -> ArrivalProcess:
    return arrivals(text, in_samples(), "arrivals")


def times(text: str, seed: int, duration_s: float) -> list[int]:
    return list(takewhile(lambda at: at < duration_s * 1e9, make(text).times_ns(Streams(seed)["x"])))


def test_every_process_is_tried_here() -> None:
    assert {text.partition(":")[0] for text in TEXTS} == ARRIVALS.keys()
    assert all(name == kind.name for name, kind in ARRIVALS.items())


@pytest.mark.parametrize("text", TEXTS)
def test_times_are_whole_nanoseconds_from_0_on_in_order(text: str) -> None:
    first = list(islice(make(text).times_ns(Streams(1)["x"]), 3000))
    assert all(type(at) is int for at in first)
    assert first[0] >= 0
    assert first == sorted(first)


@pytest.mark.parametrize(("text", "rate"), TEXTS.items())
def test_the_rate_is_the_one_stated(text: str, rate: float) -> None:
    assert make(text).rate_per_s == pytest.approx(rate, rel=1e-12)


@pytest.mark.parametrize("text", TEXTS)
def test_at_another_rate_it_is_the_same_process_at_that_rate(text: str) -> None:
    slow = make(text)
    fast = slow.at_rate(2.0 * slow.rate_per_s)
    assert type(fast) is type(slow)
    assert fast.rate_per_s == 2.0 * slow.rate_per_s
    assert fast.at_rate(slow.rate_per_s) == slow
    counts = [
        len(list(islice(takewhile(lambda at: at < 2e11, p.times_ns(Streams(3)["x"])), 50_000))) for p in (slow, fast)
    ]
    if slow.span_s() is None:
        assert counts[1] / counts[0] == pytest.approx(2.0, rel=0.15)
    else:
        assert fast.span_s() == pytest.approx((slow.span_s() or 0.0) / 2.0)


@pytest.mark.parametrize("text", ENDLESS)
def test_the_rate_is_the_one_that_comes(text: str) -> None:
    expected = TEXTS[text] * 500.0
    bound = 4.0 * math.sqrt(expected * DISPERSION.get(text, 2.0 if "quiet" not in text else 20.0))
    assert len(times(text, 2, 500.0)) == pytest.approx(expected, abs=bound)


@pytest.mark.parametrize("text", ENDLESS)
def test_the_first_moments_are_as_busy_as_all_others(text: str) -> None:
    if text.startswith(("piecewise", "sinusoidal")):
        text = "piecewise:rates=70/70,seconds=1/2"
    counts = [len(times(text, seed, 0.1)) for seed in range(600)]
    mean = sum(counts) / len(counts)
    spread = math.sqrt(sum((count - mean) ** 2 for count in counts) / len(counts))
    assert mean == pytest.approx(7.0, abs=4.0 * spread / math.sqrt(len(counts)) + 1e-9)


def test_other_processes_make_the_same_times_whatever_their_hash_seed() -> None:
    program = (
        "from tests.traces.arrivals.test_conformance import *; import hashlib;"
        "print(hashlib.sha256(repr([list(islice(make(t).times_ns(Streams(5)['x']), 300)) for t in TEXTS]"
        " + [make(t).facts() for t in ENDLESS]).encode()).hexdigest())"
    )
    assert_same_in_all(program)


def test_each_parameter_counts_in_the_facts() -> None:
    texts = [*TEXTS, "poisson:rate=70.5", "onoff:rate=70,on_s=0.2,off_s=0.5", "gamma:rate=70,cv=2.1"]
    texts += ["sinusoidal:rate=70,amplitude=0.6,period_s=10,peak_s=0", "piecewise:rates=10/130/0,seconds=1/1/0.6"]
    assert len({repr(make(text).facts()) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("poison:rate=1", "arrivals='poison:rate=1': unknown name; did you mean 'poisson'?"),
        ("poisson", "arrivals.rate: is missing"),
        ("poisson:rate=0", "arrivals.rate=0: must be at least 1e-06"),
        ("poisson:rate=1e7", "arrivals.rate=10000000.0: must be at most 1e\\+06"),
        ("poisson:rate=70,cv=2", "arrivals.cv: unknown key"),
        ("gamma:rate=70,cv=100", "arrivals.cv=100: must be at most 30"),
        ("onoff:rate=70,on_s=0,off_s=1", "arrivals.on_s=0: must be at least 0.001"),
        ("onoff:rate=70,on_s=1,off_s=1,quiet=2", "arrivals.quiet=2: must be at most 1"),
        ("onoff:rate=70,on_s=1,off_s=1,quiet=1e-300", "arrivals.quiet=1e-300: must be 0 or at least 1e-06"),
        ("piecewise:rates=10/20,seconds=1", "arrivals.seconds=1: 1 lengths for 2 rates"),
        ("piecewise:rates=0/0,seconds=1/1", "and not all 0"),
        ("piecewise:rates=1/x,seconds=1/1", "arrivals.rates.2='x': must be a finite number"),
        ("piecewise:rates=1/2,seconds=1/0", "must each be from 0.001"),
        ("sinusoidal:rate=70,amplitude=1.1", "arrivals.amplitude=1.1: must be at most 1"),
        ("sinusoidal:rate=70,amplitude=1,period_s=5,peak_s=6", "arrivals.peak_s=6: must be at most 5"),
        ("utilization:servers=0,utilization=0.5,request_s=1", "arrivals.servers=0: must be at least 1"),
        ("utilization:servers=1,utilization=0,request_s=1", "makes 0 requests a second"),
    ],
)
def test_a_text_that_makes_no_sense_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(SpecError, match=reason):
        make(text)
