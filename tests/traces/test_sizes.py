"""Size distributions as few figures."""

from __future__ import annotations

import json
from bisect import bisect_right
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_core.errors import TraceError
from sim_core.rng import Streams
from traces.distributions.quantiles import Quantiles
from traces.sizes import FIGURES_DIR, read_workload, workload_names

SOURCES = json.loads((FIGURES_DIR / "sources.json").read_text())
ALL_SIZES = [(workload, size) for workload in ("code", "conv") for size in ("prompt", "output")]


def committed(workload: str, size: str) -> Quantiles:
    return Quantiles(read_workload(workload)[size])


@st.composite
def sizes(draw: st.DrawFn) -> Quantiles:
    tokens = sorted(draw(st.sets(st.integers(0, 300), min_size=2, max_size=10)))
    inner = sorted(draw(st.lists(st.floats(0.0, 1.0), min_size=len(tokens) - 2, max_size=len(tokens) - 2)))
    return Quantiles(tuple(zip(tokens, [0.0, *inner, 1.0], strict=True)))


@given(sizes())
def test_shares_rise_to_one_over_all_whole_numbers_of_the_range(distribution: Quantiles) -> None:
    shares = distribution.shares
    assert len(shares) == distribution.knots[-1][0] - distribution.smallest + 1
    assert all(a <= b for a, b in pairwise(shares))
    assert shares[-1] == 1.0


@given(sizes())
def test_the_shares_at_the_knots_are_the_knots(distribution: Quantiles) -> None:
    shares = distribution.shares
    for tokens, share in distribution.knots[1:]:
        assert shares[tokens - distribution.smallest] == share


@given(sizes())
def test_the_mean_is_that_of_sizes_spread_evenly_between_the_knots(distribution: Quantiles) -> None:
    mean = sum((p1 - p0) * (t0 + t1 + 1) / 2 for (t0, p0), (t1, p1) in pairwise(distribution.knots))
    assert distribution.mean() == pytest.approx(mean)


@given(sizes(), st.integers(0, 2**32))
def test_a_draw_is_the_first_size_whose_share_exceeds_it(distribution: Quantiles, seed: int) -> None:
    shares, stream = distribution.shares, Streams(seed)["x"]
    expected = []
    for _ in range(20):
        u = stream.random()
        expected.append(distribution.smallest + next(n for n, share in enumerate(shares) if share > u))
    assert distribution.sample(Streams(seed)["x"], 20).tolist() == expected


def test_there_are_two_workloads_and_their_sources_are_named() -> None:
    assert workload_names() == ["code", "conv"] == sorted(SOURCES)


@pytest.mark.parametrize(("workload", "size"), ALL_SIZES)
def test_figures_are_few_and_keep_the_range_and_mean_of_the_data(workload: str, size: str) -> None:
    distribution, facts = committed(workload, size), SOURCES[workload][f"{size}_tokens"]
    assert len(distribution.knots) == facts["figures"] <= 200
    assert (distribution.smallest, distribution.knots[-1][0]) == (facts["min"], facts["max"])
    shares = distribution.shares
    assert shares[0] > 0.0  # the smallest occurs
    assert shares[-2] < 1.0  # so does the largest
    assert distribution.mean() == pytest.approx(facts["mean"], rel=0.001)
    assert facts["largest_cdf_gap"] <= 0.003


@pytest.mark.parametrize(("workload", "size"), ALL_SIZES)
def test_draws_are_faithful_to_the_figures_and_the_data(workload: str, size: str) -> None:
    distribution, facts = committed(workload, size), SOURCES[workload][f"{size}_tokens"]
    count = 200_000
    drawn = sorted(distribution.sample(Streams(0)["fidelity"], count))
    gap = max(
        abs(bisect_right(drawn, distribution.smallest + n) / count - share)
        for n, share in enumerate(distribution.shares)
    )
    assert gap + facts["largest_cdf_gap"] <= 0.01  # so much at most to the data
    assert sum(drawn) / count == pytest.approx(facts["mean"], rel=0.01)
    assert drawn[0] >= facts["min"]
    assert drawn[-1] <= facts["max"]


def test_an_unknown_workload_is_named_with_the_nearest() -> None:
    with pytest.raises(TraceError, match="unknown workload 'cod'; did you mean 'code'"):
        read_workload("cod")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("", "columns must be size, tokens, cumulative_probability"),
        ("size,tokens,cumulative_probability\nprompt,x,0.0\n", "row 1: 'prompt,x,0.0' is no figure"),
        ("size,tokens,cumulative_probability\nprompt,0,0.0\nprompt,9\n", "row 2: 'prompt,9' is no figure"),
        ("size,tokens,cumulative_probability\nprompts,0,0.0\n", "row 1: 'prompts,0,0.0' is no figure"),
        ("size,tokens,cumulative_probability\nprompt,0,0.0\nprompt,9,0.9\n", "prompt: tokens and shares must ascend"),
        ("size,tokens,cumulative_probability\nprompt,9,0.0\nprompt,1,1.0\n", "prompt: tokens and shares must ascend"),
        ("size,tokens,cumulative_probability\nprompt,0,0.0\nprompt,9,1.0\n", "output: tokens and shares must ascend"),
    ],
)
def test_figures_that_are_no_distribution_are_refused(tmp_path: Path, rows: str, reason: str) -> None:
    (tmp_path / "mine.csv").write_text(rows)
    with pytest.raises(TraceError, match=reason):
        read_workload("mine", tmp_path)
