"""Closed arrivals: what their texts say, and the think times of their clients."""

from __future__ import annotations

from math import exp, log
from statistics import fmean, median

import pytest

from sim_core.errors import SpecError
from sim_core.rng import Streams
from tests.traces.other_processes import assert_same_in_all
from tests.traces.policies import in_samples
from traces.arrivals.closed import FORM, Closed, closed, is_closed
from traces.arrivals.table import arrivals
from traces.arrivals.think import NO_THINK, Think

COUNT = 20_000
THINK = {  # text: the mean of the times
    "exponential:mean=2": 2.0,
    "uniform:low=1/high=3": 2.0,
    "lognormal:mean=2/sigma=0.5": 2.0,
    "lognormal:mean=2/sigma=0": 2.0,
}


def make(parameters: str) -> Closed:
    return closed(f"closed:{parameters}", "arrivals")


def times_s(text: str, count: int = COUNT, seed: int = 1) -> list[float]:
    return make(f"concurrency=1,think_s={text}").clients(count, Streams(seed), "trace").think_s.tolist()


def test_clients_send_at_once_and_without_thinking_unless_it_is_said() -> None:
    assert make("concurrency=64") == Closed(64, None, 0, NO_THINK, 0.0)
    assert make("concurrency=64").clients(10, Streams(0), "trace").think_s.tolist() == []


def test_all_parameters_are_read() -> None:
    text = "concurrency=8,requests=100,warmup=16,think_s=1.5,ramp_s=4"
    assert make(text) == Closed(8, 100, 16, Think("constant", (1.5,)), 4.0)
    assert make("concurrency=8,think_s=constant:seconds=1.5").think == make(text).think
    assert make(text).clients(100, Streams(0), "trace").think_s.tolist() == [1.5]
    front = make(f"{text},front_s=0.001,front_token_s=1e-6").clients(100, Streams(0), "trace")
    assert (front.front_s, front.front_token_s) == (0.001, 1e-6)


def test_an_amount_may_be_a_multiple_of_the_concurrency() -> None:
    assert make("concurrency=8,requests=10x,warmup=2x") == make("concurrency=8,requests=80,warmup=16")


def test_the_form_that_help_shows_can_be_read() -> None:
    inside = FORM.replace(" (and ", ",").removesuffix(")").replace(", ", ",")
    assert make(inside).requests == 1000
    assert is_closed(f"closed:{inside}")
    assert not is_closed("poisson:rate=7")
    assert not is_closed(7)


@pytest.mark.parametrize(("text", "mean_s"), THINK.items())
def test_think_times_have_the_mean_stated_in_whole_nanoseconds(text: str, mean_s: float) -> None:
    times = times_s(text)
    assert fmean(times) == pytest.approx(mean_s, rel=0.03)
    assert min(times) >= 0.0
    assert all(round(time_s * 1e9) / 1e9 == time_s for time_s in times[:100])


def test_think_times_have_the_median_of_their_distribution() -> None:
    assert median(times_s("exponential:mean=2")) == pytest.approx(2 * log(2), rel=0.03)
    assert median(times_s("lognormal:mean=2/sigma=0.5")) == pytest.approx(2 * exp(-0.125), rel=0.03)
    assert 1.0 <= min(times_s("uniform:low=1/high=3")) < max(times_s("uniform:low=1/high=3")) <= 3.0


@pytest.mark.parametrize("text", THINK)
def test_fewer_think_times_are_the_beginning_of_more(text: str) -> None:
    assert times_s(text, 50) == times_s(text, 100)[:50]


def test_think_times_follow_the_seed_and_nothing_else() -> None:
    assert times_s("exponential:mean=2", 9, 1) != times_s("exponential:mean=2", 9, 2)
    assert_same_in_all(
        "from sim_core.rng import Streams; from traces.arrivals.closed import closed\n"
        f"for text in {list(THINK)!r}:\n"
        "    print(closed(f'closed:concurrency=3,think_s={text}', '').clients(40, Streams(3), 'trace').facts().hex())"
    )


def test_each_parameter_counts_in_the_facts() -> None:
    texts = ["concurrency=8", "concurrency=9", "concurrency=8,requests=80", "concurrency=8,warmup=1"]
    texts += ["concurrency=8,ramp_s=1", "concurrency=8,think_s=1", "concurrency=8,think_s=exponential:mean=1"]
    texts += ["concurrency=8,warmup=1,drain=no", "concurrency=8,front_s=1", "concurrency=8,front_token_s=1"]
    texts += ["concurrency=8,think_s=lognormal:mean=1/sigma=1", "concurrency=8,think_s=lognormal:mean=1/sigma=2"]
    assert len({repr(make(text).facts()) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ("", "arrivals.concurrency: is missing"),
        ("concurency=8", "arrivals.concurency=8: unknown parameter; did you mean 'concurrency'?"),
        ("concurrency=0", "arrivals.concurrency=0: must be at least 1"),
        ("concurrency=1.5", "arrivals.concurrency=1.5: must be a whole number"),
        ("concurrency=2000000", "arrivals.concurrency=2000000: must be at most 1,000,000"),
        ("concurrency=8,requests=0", "arrivals.requests=0: must be at least 1"),
        ("concurrency=8,requests=0x", "arrivals.requests='0x': must be at least 1"),
        ("concurrency=8,requests=ten", "arrivals.requests='ten': must be a number of requests"),
        ("concurrency=8,warmup=30000000", "arrivals.warmup=30000000: are 30,000,000 requests; at most 20,000,000"),
        ("concurrency=8,warmup=-1", "arrivals.warmup=-1: must be at least 0"),
        ("concurrency=8,drain=maybe", "arrivals.drain='maybe': unknown name"),
        ("concurrency=8,ramp_s=-1", "arrivals.ramp_s=-1: must be at least 0"),
        ("concurrency=8,front_s=-1", "arrivals.front_s=-1: must be at least 0"),
        ("concurrency=8,think_s=-1", "arrivals.think_s=-1: must be at least 0"),
        ("concurrency=8,think_s=gamma:mean=1", "unknown name"),
        ("concurrency=8,think_s=exponential:mean=0", "arrivals.think_s.mean=0: must be at least 1e-06"),
        ("concurrency=8,think_s=exponential:mean=1/sigma=2", "arrivals.think_s.sigma"),
        ("concurrency=8,think_s=uniform:low=3/high=1", "arrivals.think_s.high=1: must be at least low=3"),
        ("concurrency=8,rate=3", "arrivals.rate"),
    ],
)
def test_a_mistake_names_the_parameter_and_what_it_may_be(parameters: str, reason: str) -> None:
    with pytest.raises(SpecError) as caught:
        make(parameters)
    assert reason in str(caught.value)


def test_closed_arrivals_are_no_process_but_a_known_name() -> None:
    with pytest.raises(SpecError, match="arrivals='closed:concurrency=8': have no times before a run"):
        arrivals("closed:concurrency=8", in_samples(), "arrivals")
    with pytest.raises(SpecError, match="did you mean 'closed'"):
        arrivals("closd:concurrency=8", in_samples(), "arrivals")
