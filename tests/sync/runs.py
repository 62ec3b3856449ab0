"""Runs of designs at rates, for tests of answers; `run` is the fixture of that name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sync import Outcome
from sync.results.counts import BLOCKS, REQUESTS, beyond_of, column_of
from sync.results.slo import PAPER, Slo

Make = Callable[..., Outcome]


def ladder(run: Make, system: str, held: dict[float, bool], **changes: Any) -> list[Outcome]:
    return [run(system, rate, within, **changes) for rate, within in held.items()]


ALLOWED = 10  # of the 100 requests in a block may be beyond TTFT p90


def counted(outcome: Outcome, beyond: int, slo: Slo = PAPER) -> Outcome:
    """The outcome with counts by `slo`: of 100 requests in each block so many are beyond TTFT p90, none beyond another
    limit; `beyond` is also the outcome's number of events, so that different counts are different runs."""
    rows = {REQUESTS: [100] * BLOCKS}
    for limit in slo.limits():
        is_counted = (limit.metric, limit.percentile) == ("ttft", "p90")
        rows |= {column_of(limit): [100] * BLOCKS, beyond_of(limit): [beyond if is_counted else 0] * BLOCKS}
    return replace(outcome, counts=rows, summary=outcome.summary | {"run/events": float(beyond)})


def seeds(run: Make, system: str, rate: float | None, beyond: Sequence[int], **changes: Any) -> list[Outcome]:
    """Runs of one design at a rate, a seed for each number of requests beyond TTFT p90."""
    return [counted(run(system, rate, seed=seed, **changes), count) for seed, count in enumerate(beyond)]
