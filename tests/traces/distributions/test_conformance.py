"""What every distribution of the table keeps; a new one has to bring its texts here."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from sim_core.errors import SpecError, TraceError
from sim_core.rng import Streams
from tests.traces.other_processes import assert_same_in_all
from tests.traces.policies import in_samples
from traces.distributions.base import Distribution
from traces.distributions.table import DISTRIBUTIONS, distribution

# the mean of the whole tokens, by the formula of each; None: see the distribution's own test
TEXTS: dict[str, float | None] = {
    "constant:tokens=512": 512.0,
    "uniform:low=100,high=2000": 1050.0,
    "randint:low=1,high=100": 50.5,
    "normal:mean=1024,sd=200": 1024.0,
    "truncnorm:mean=1000,sd=500,min=200,max=1800": 1000.0,
    "lognormal:mean=1024,sigma=0.8": 1024.0,
    "lognormal:median=200,sigma=0.5": 200.0 * math.exp(0.125),
    "gamma:mean=200,cv=1.1": None,  # what is below 1 becomes 1
    "gamma:mean=2000,cv=0.2": 2000.0,
    "exponential:mean=200": None,
    "poisson:mean=30": 30.0,
    "poisson:mean=20000": 20000.0,
    "mixture:0.75*constant:tokens=100 + 0.25*randint:low=1,high=9": 76.25,
    "quantiles:workload=conv": 1154.544,
    "quantiles:workload=conv,size=output": 211.200,
    "trace:file=test_trace.csv": 8192 / 3,
    # what has no spread has one size
    "normal:mean=512,sd=0": 512.0,
    "normal:mean=-3,sd=0": 1.0,
    "truncnorm:mean=300,sd=0,min=10,max=400": 300.0,
    "lognormal:mean=1024,sigma=0": 1024.0,
    "lognormal:median=7,sigma=0": 7.0,
    "uniform:low=100,high=100": 100.0,
    "randint:low=9,high=9": 9.0,
    "gamma:mean=200,cv=0": 200.0,
    "poisson:mean=0": 1.0,
    "mixture:0*constant:tokens=4 + 2*constant:tokens=5": 5.0,
}


def make(text: object) -> Distribution:
    return distribution(text, in_samples("prompt"), "prompt")


def test_every_distribution_is_tried_here() -> None:
    assert {text.partition(":")[0] for text in TEXTS} == DISTRIBUTIONS.keys()
    assert all(name == kind.name for name, kind in DISTRIBUTIONS.items())


@pytest.mark.parametrize("text", TEXTS)
def test_sizes_are_whole_tokens_from_1_on_within_the_support(text: str) -> None:
    one = make(text)
    sizes = one.sample(Streams(1)["x"], 5000)
    first, last = one.support()
    assert sizes.typecode == "q"
    assert 1 <= first <= min(sizes) <= max(sizes) <= last


@pytest.mark.parametrize("text", TEXTS)
def test_shares_ascend_from_0_to_1(text: str) -> None:
    one = make(text)
    first, last = one.support()
    shares = [one.cdf(tokens) for tokens in range(first, min(last, first + 3000))]
    assert all(b >= a - 1e-13 for a, b in pairwise(shares))
    assert first == 1 or one.cdf(first - 1) == 0.0
    assert one.cdf(last) >= 1.0 - 2.0**-52


@pytest.mark.parametrize(("text", "mean"), TEXTS.items())
def test_the_mean_is_the_one_stated_and_the_one_drawn(text: str, mean: float | None) -> None:
    one = make(text)
    exact = one.mean()
    if mean is not None:
        assert exact == pytest.approx(mean, rel=1e-4)
    sizes = one.sample(Streams(2)["x"], 20_000)
    drawn = sum(sizes) / len(sizes)
    spread = math.sqrt(sum((size - drawn) ** 2 for size in sizes) / len(sizes))
    assert abs(drawn - exact) <= 4.0 * spread / math.sqrt(len(sizes)) + 1e-9


@pytest.mark.parametrize("text", TEXTS)
def test_sizes_are_distributed_as_the_shares_say(text: str) -> None:
    one = make(text)
    sizes = sorted(one.sample(Streams(3)["x"], 10_000))
    n = len(sizes)
    worst = max(
        abs((place + 1) / n - one.cdf(size))
        for place, size in enumerate(sizes)
        if place + 1 == n or sizes[place + 1] != size
    )
    assert worst * math.sqrt(n) < 1.63  # Kolmogorov and Smirnov's bound for 99 in 100; the seed is fixed


@pytest.mark.parametrize("text", TEXTS)
def test_few_draws_are_the_beginning_of_many(text: str) -> None:
    one = make(text)
    assert one.sample(Streams(4)["x"], 10_000)[:70] == one.sample(Streams(4)["x"], 70)


@pytest.mark.parametrize("text", TEXTS)
def test_min_and_max_leave_the_rest_as_it_was(text: str) -> None:
    if text.startswith(("constant", "truncnorm", "mixture")) or make(text).support()[0] == make(text).support()[1]:
        text = "randint:low=1,high=5000"
    if text == "poisson:mean=20000":
        text = "poisson:mean=260"
    plain, limited = make(text), make(f"{text},min=30,max=3000")
    assert limited.support()[0] >= 30
    assert limited.support()[1] <= 3000
    within = plain.cdf(3000) - plain.cdf(29)
    assert limited.cdf(250) == pytest.approx((plain.cdf(250) - plain.cdf(29)) / within, abs=1e-12)


def test_other_processes_draw_the_same_whatever_their_hash_seed() -> None:
    program = (
        "import hashlib; from tests.traces.distributions.test_conformance import *;"
        "h = hashlib.sha256();"
        "[h.update(make(t).sample(Streams(5)['x'], 300).tobytes() + repr(make(t).facts()).encode()) for t in TEXTS];"
        "print(h.hexdigest())"
    )
    assert_same_in_all(program)


def test_each_parameter_counts_in_the_facts() -> None:
    texts = [*TEXTS, "lognormal:mean=1024,sigma=0.9", "randint:low=1,high=99", "randint:low=1,high=100,max=99"]
    texts += ["mixture:0.7*constant:tokens=100 + 0.3*randint:low=1,high=9", "quantiles:workload=code"]
    assert len({repr(make(text).facts()) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("lognorml:mean=1,sigma=1", "prompt='lognorml:mean=1,sigma=1': unknown name; did you mean 'lognormal'?"),
        ("", "prompt='': unknown name"),
        (5, "prompt=5: must be a text such as NAME:PARAMETER=VALUE"),
        ("constant:512", "prompt='512': '512' must be PARAMETER=VALUE"),
        ("constant", "prompt.tokens: is missing"),
        ("constant:token=5", "prompt.token=5: unknown parameter; did you mean 'tokens'?"),
        ("constant:tokens=5,tokens=6", "prompt.tokens: is there twice"),
        ("constant:tokens=5,color=6", "prompt.color: unknown key"),
        ("constant:tokens=0", "prompt.tokens=0: must be at least 1"),
        ("constant:tokens=2.5", "prompt.tokens=2.5: must be a whole number"),
        ("constant:tokens=1_000", "prompt.tokens='1_000': must be a whole number"),
        ("constant:tokens=20000000", "must be at most 10,000,000"),
        ("uniform:low=10,high=9", "prompt.high=9: must be at least low=10"),
        ("uniform:low=-1,high=10", "prompt.low=-1: must be at least 0"),
        ("randint:low=5,high=4", "prompt.high=4: must be at least 5"),
        ("normal:mean=10,sd=-1", "prompt.sd=-1: must be at least 0"),
        ("lognormal:mean=10,sigma=-1", "prompt.sigma=-1: must be at least 0"),
        ("truncnorm:mean=5,sd=0,min=10,max=20", "prompt: has no sizes from min=10 to max=20"),
        ("normal:mean=nan,sd=1", "prompt.mean=nan: must be a finite number"),
        ("normal:mean=5,sd=inf", "prompt.sd=inf: must be a finite number"),
        ("truncnorm:mean=10,sd=2,min=1", "prompt.max: is missing"),
        ("truncnorm:mean=10,sd=2,min=900,max=1000", "prompt: has no sizes from min=900 to max=1000"),
        ("normal:mean=10,sd=2,min=9,max=8", "prompt: max=8 is less than min=9"),
        ("lognormal:sigma=1", "prompt.mean: is missing"),
        ("lognormal:mean=5,median=5,sigma=1", "give mean or median, not both"),
        ("lognormal:mean=5,sigma=11", "prompt.sigma=11: must be at most 10"),
        ("lognormal:median=1000000,sigma=3", "of the sizes are beyond 10,000,000 tokens; give a max"),
        ("gamma:mean=5,cv=0.001", "prompt.cv=0.001: must be 0 or at least 0.01"),
        ("exponential:mean=0.5", "prompt.mean=0.5: must be at least 1"),
        ("poisson:mean=1e9", "prompt.mean=1000000000.0: must be at most 100,000"),
        ("mixture:constant:tokens=1", "prompt.1='constant:tokens=1': must be WEIGHT\\*DISTRIBUTION"),
        ("mixture:0*constant:tokens=1", "WEIGHT more than 0"),
        ("mixture:1*constant:tokens=1 + 2*constnt:tokens=1", "prompt.2='constnt:tokens=1': unknown name"),
        ("quantiles:workload=cov", "prompt.workload='cov': unknown name; did you mean 'conv'"),
        ("quantiles:workload=conv,size=prmpt", "prompt.size='prmpt': unknown name; did you mean 'prompt'"),
    ],
)
def test_a_text_that_makes_no_sense_is_refused_with_the_reason(text: object, reason: str) -> None:
    with pytest.raises(SpecError, match=reason) as caught:
        make(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent.csv", "../samples/../../README.md", "/etc/hostname"])
def test_a_trace_that_is_not_there_or_not_ours_to_read_is_refused(name: str) -> None:
    with pytest.raises(TraceError, match=r"cannot be read: No such file|may only name files in its own folder"):
        make(f"trace:file={name}")
