"""The limits of an SLO in a report: in which order they are shown, how much of each a run takes, which one decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, isnan, nan

from sync.analysis.answers.words import share_text
from sync.analysis.repeated import interval_of
from sync.analysis.repetitions import Interval
from sync.report.data import RunRow, state_of
from sync.results.metrics import METRICS
from sync.results.slo import UNITS, Limit, Slo


def shown_limits(slo: Slo) -> list[Limit]:
    """The limits that the SLO sets, by metric, then unit (slowdowns first), then percentile."""
    units = list(UNITS)
    return sorted(
        slo.limits(), key=lambda limit: (METRICS.index(limit.metric), units.index(limit.unit), limit.percentile)
    )


def amount(value: float, limit: Limit) -> str:
    """A value with the unit of a limit: `6×`, `0.7 s`."""
    return f"{value:.3g}{'×' if limit.unit == 'slowdown' else ' s'}"


def limit_text(limit: Limit) -> str:
    """The limit as it was set, with its unit: `6×`, `0.75 s`."""
    return f"{limit.largest:g}{'×' if limit.unit == 'slowdown' else ' s'}"


def served(runs: Iterable[RunRow]) -> bool:
    """Whether all runs served every request; what a run did not serve has no times."""
    counts = ("run/rejected", "run/unfinished", "run/stopped_early_s")
    return not any(any(run.figures.get(name) for name in counts) for run in runs)


def share(runs: Sequence[RunRow], limit: Limit) -> float:
    """What the runs take of a limit, as the mean over repetitions; 1 is at the limit. NaN where a run has not measured
    the figure; 0 where the limit is void (see `Limit.is_void`)."""
    interval = share_interval(runs, limit)
    return nan if interval is None else interval.mean


def share_interval(runs: Sequence[RunRow], limit: Limit) -> Interval | None:
    """The same with its interval; None where a run has not measured the figure."""
    return interval_of([0.0 if limit.is_void(run.figures) else limit.share(run.figures) for run in runs])


def tightest(runs: Sequence[RunRow], slo: Slo) -> tuple[Limit, float] | None:
    """The limit of which the runs take the largest share in the mean, and the share; None where no figure was
    measured."""
    shares = [(limit, share(runs, limit)) for limit in shown_limits(slo)]
    return max((pair for pair in shares if isfinite(pair[1])), key=lambda pair: pair[1], default=None)


@dataclass(frozen=True)
class Deciding:
    """What ends the rates of a design. `limit`: the limit that it reaches first (None: it is no limit, `text` says what
    it is). `rate` and `share`: where its line reaches the limit, straight between the rates that were run, or where it
    is beyond the limit at the lowest rate. Where it carries all rates, `is_reached` is False, and this is the limit
    that it is closest to at the highest rate. With `is_undecided` the seeds at the first rate that is not carried do
    not tell whether it is within the SLO, and this is their tightest limit by counts."""

    limit: Limit | None
    text: str
    rate: float = nan
    share: float = nan
    is_reached: bool = True
    is_undecided: bool = False


def deciding(by_rate: Mapping[float, Sequence[RunRow]], slo: Slo) -> Deciding | None:
    """What ends the rates of a design whose runs are given by rate, ascending; None where nothing is known."""
    limits = shown_limits(slo)
    carried: Sequence[RunRow] = ()
    last = nan
    for rate, runs in by_rate.items():
        state = state_of(runs)
        judgement = runs[0].judgement
        if state == "undecided" and judgement is not None and (limit := judgement.limit) is not None:
            taken = share(runs, limit)
            text = f"{limit.told()} at {share_text(taken)}"
            return Deciding(limit, text, rate, taken, is_reached=False, is_undecided=True)
        if state != "within":
            return _at(limits, last, carried, rate, runs)
        last, carried = rate, runs
    if (found := tightest(carried, slo)) is None:
        return None
    limit, taken = found
    return Deciding(limit, f"{limit.told()} at {share_text(taken)}", last, taken, is_reached=False)


def _at(
    limits: Sequence[Limit], last: float, carried: Sequence[RunRow], rate: float, runs: Sequence[RunRow]
) -> Deciding:
    """What ends the rates between `last`, the highest that is carried, and `rate`, the first that is not."""
    crossings: list[tuple[float, float, Limit]] = []
    for limit in limits:
        after, before = share(runs, limit), share(carried, limit)
        if isfinite(after) and after > 1.0:
            is_between = isfinite(before) and before <= 1.0
            part = (1.0 - before) / (after - before) if is_between else 0.0
            crossings.append((part, -after, limit))
    if not crossings:
        judgement = runs[0].judgement
        if judgement is not None and judgement.limit is not None and not judgement.unserved:  # by counts alone
            return Deciding(judgement.limit, judgement.limit.told(), rate, share(runs, judgement.limit))
        reason = next((run.standing.verdict for run in runs if not run.standing.within), "beyond the SLO")
        return Deciding(None, reason.partition(":")[0], rate)
    part, after, limit = min(crossings, key=lambda crossing: crossing[:2])
    if isnan(last):
        return Deciding(limit, limit.told(), rate, -after)
    return Deciding(limit, limit.told(), last + part * (rate - last), 1.0)
