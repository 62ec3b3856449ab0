"""How many seeds say what, and how sure that is, in words. Sentences, tables and MLflow's page share these."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite

from sync.analysis.repetitions import CONFIDENCE, FEW, Judgement
from sync.results.slo import WITHIN

CONFIDENCE_TEXT = f"{CONFIDENCE:.0%}"
NO_COUNTS = "counts not known, so without an interval"
ONE_SEED = "one seed, so without an interval"
TOO_FEW = f"fewer than {FEW} seeds promise too much"
ONE_NOTE = "One seed is one draw of the load: a rate that was run with one seed has no interval (docs/planning.md)."
SEVERAL_NOTE = (
    "Several seeds at a rate are judged together, by their requests beyond each limit and Student's t at"
    f" {CONFIDENCE_TEXT}: within the SLO, beyond it, or undecided; {TOO_FEW} (docs/planning.md). 0.93 of TTFT p90"
    " [0.80, 1.06] is what their requests take of the tightest limit, with its interval: 1 is as many requests beyond"
    " the limit as may be."
)
NO_COUNTS_NOTE = (
    "Where results lack how many requests are beyond each limit, a rate with several seeds is carried when each of them"
    " is within the SLO; such a rate has no interval."
)
_EXACT = 10.0  # shares from here on are shown without decimals


def share_words(judgement: Judgement) -> str:
    """`0.93 of TTFT p90 [0.80, 1.06]`: what the requests of all seeds take of their tightest limit; empty where the
    share says nothing, since requests were not served or figures are missing."""
    if judgement.limit is None or judgement.unserved or not isfinite(judgement.share):
        return ""
    text = f"{share_figure(judgement.share)} of {judgement.limit.told()}"
    return f"{text} {interval_words(judgement.low, judgement.high)}".rstrip()


def interval_words(low: float | None, high: float | None) -> str:
    """`[0.80, 1.06]`; empty without an interval."""
    return "" if low is None or high is None else f"[{share_figure(low)}, {share_figure(high)}]"


def share_figure(value: float) -> str:
    """`0.93`: a share of a limit by its counts. A share below the limit never reads as all of it."""
    return f"{value:,.0f}" if value >= _EXACT else f"{min(value, 0.99) if value < 1.0 else value:.2f}"


def ratio_words(interval: tuple[float, float] | None) -> str:
    """`[1.25, 1.39]`: the interval of a ratio; empty without one."""
    return "" if interval is None else f"[{interval[0]:.2f}, {interval[1]:.2f}]"


def judged_words(judgement: Judgement, reason: str) -> str:
    """`undecided with 6 seeds: 0.93 of TTFT p90 [0.80, 1.06]`. `reason` is the verdict on a run that is not within the
    SLO, which is named where the share says nothing: `beyond the SLO with 2 seeds: 3 rejected`."""
    state = {"within": WITHIN, "beyond": "beyond the SLO", "undecided": "undecided"}[judgement.state]
    return f"{state} with {judgement.seeds} seeds: {share_words(judgement) or reason}"


def seeds_words(seeds: Iterable[int], *, are_judged: bool) -> str:
    """` by one seed, so without an interval`, ` by 8 seeds (95%)`, ` by 2 to 6 seeds (95%, though fewer than 8 seeds
    promise too much)`, ` with all of 6 seeds (counts not known, so without an interval)`: what an answer rests on.
    Empty without seeds. `are_judged`: all rates with several seeds are judged by their counts."""
    counts = sorted(set(seeds))
    if not counts:
        return ""
    if counts == [1]:
        return f" by {ONE_SEED}"
    span = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    if not are_judged:
        return f" with all of {span} seeds ({NO_COUNTS})"
    if counts[0] == 1:
        return f" by {span} seeds ({CONFIDENCE_TEXT}, but one seed has no interval)"
    few = f", though {TOO_FEW}" if counts[0] < FEW else ""
    return f" by {span} seeds ({CONFIDENCE_TEXT}{few})"
