"""The verdict on one run: whether it is within an SLO. `verdict` is the only function that judges an outcome."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sync.results.outcome import Outcome
from sync.results.slo import Judgement, Slo, judge

FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an SLO says of an outcome: `text` is `within SLO`, or why not: `too slow: TTFT p90 p99, E2E p50`,
    `3 rejected`, `unstable: ...` or `failed`. `judgement`: limit by limit; None for a run that was not completed."""

    within: bool
    text: str
    judgement: Judgement | None = None

    @property
    def limits_met(self) -> int:
        """How many limits hold."""
        return 0 if self.judgement is None else sum(self.judgement.met.values())

    def figures(self) -> dict[str, float]:
        """The verdict as numbers, for tables and charts: `slo/within`, and `slo/ttft_p90` for each limit."""
        met = {} if self.judgement is None else self.judgement.met
        return {"slo/within": float(self.within), **{f"slo/{name}": float(holds) for name, holds in met.items()}}


def verdict(outcome: Outcome, slo: Slo) -> Verdict:
    """What `slo` says of `outcome`."""
    if outcome.status == "failed":
        return Verdict(False, FAILED)
    if outcome.status == "stopped":
        return Verdict(False, f"unstable: stopped at {outcome.summary.get('run/stopped_early_s', math.nan):.4g} s")
    judgement = judge(outcome.summary, slo)
    return Verdict(judgement.within, judgement.text(), judgement)
