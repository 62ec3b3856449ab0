"""What repetitions say of an SLO holds as often as its level says."""

from __future__ import annotations

import numpy as np
import pytest

from sync.analysis.repetitions import Sample, allowed_share, judge_sample, quantile
from sync.results.slo import PAPER

LIMITS = tuple(PAPER.limits())
REQUESTS = 10_000.0


def drawn(shares: list[float], seeds: int, generator: np.random.Generator, spread: float = 0.4) -> Sample:
    """Repetitions whose limits are taken of by `shares` in the mean, each with a skewed spread of its own."""
    noise = np.exp(generator.normal(-(spread**2) / 2, spread, (seeds, len(LIMITS))))
    allowed = np.array([allowed_share(limit) for limit in LIMITS]) * REQUESTS
    return Sample(LIMITS, np.full((seeds, len(LIMITS)), REQUESTS), allowed * np.array(shares) * noise)


def parts(states: list[str]) -> tuple[float, float]:
    return states.count("beyond") / len(states), states.count("within") / len(states)


@pytest.mark.parametrize("at_limit", [1, 3, 9])
def test_where_limits_are_taken_in_full_they_are_seldom_found_beyond_or_within(at_limit: int) -> None:
    generator = np.random.default_rng(at_limit)
    shares = [1.0] * at_limit + [0.3] * (len(LIMITS) - at_limit)
    states = [judge_sample(drawn(shares, 8, generator)).state for _ in range(2000)]
    beyond, within = parts(states)
    assert beyond <= 0.025 and within <= 0.05


def test_limits_that_are_hardly_taken_of_do_not_make_it_harder_to_find_another_one_beyond() -> None:
    generator = np.random.default_rng(7)
    samples = [drawn([1.6] + [0.3] * 8, 8, generator) for _ in range(300)]
    few = [judge_sample(sample).state == "beyond" for sample in samples]
    shared = [judge_sample(sample).t_beyond >= quantile(1.0 - 0.025 / len(LIMITS), 7) for sample in samples]
    assert sum(few) > 1.5 * sum(shared) > 0


def test_limits_in_play_share_the_error() -> None:
    generator = np.random.default_rng(3)
    for _ in range(300):
        judgement = judge_sample(drawn([1.3, 0.9, 0.9] + [0.1] * 6, 8, generator, spread=0.2))
        needed = quantile(1.0 - 0.025 / 3, 7)
        assert (judgement.state == "beyond") == (judgement.t_beyond >= needed)
