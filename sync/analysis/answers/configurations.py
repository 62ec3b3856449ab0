"""What the runs of one design under one workload say: a `Configuration`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from statistics import fmean

from sync.analysis.answers.base import Configuration
from sync.analysis.standing import Counted, RateStanding, bracket, ladder, standing_of
from sync.results.figures import provisioned
from sync.results.goodput import PREFIX, must_be_counted
from sync.results.grouping import grouped
from sync.results.outcome import Outcome
from sync.results.slo import Slo

_NOT_OF_A_DESIGN = ("rate", "seed", "workload", "trace.filename")  # axes


def configuration(
    runs: Sequence[Outcome], slo: Slo, not_run: Iterable[float] = (), counted: Counted | None = None
) -> Configuration:
    """What the runs of one design under one workload say; `not_run` are further rates that are planned for it,
    `counted` gives outcomes the counts that they lack."""
    at = _standings(runs, slo, counted)
    carried, then, missing = ladder(at, not_run)
    carries = carried[-1].rate if carried else None
    best = [run for run in runs if run.rate == carries] if carried else []
    without_rate = all(run.rate is None for run in runs)
    tightest, limit = _tightest(best or (runs if without_rate else []), slo, at) or (None, None)
    beyond, undecided = bracket(at, carries)
    last = max(runs, key=lambda run: run.started_at)
    return Configuration(
        name=f"{last.design} {last.workload}",
        system=last.system,
        design=last.design,
        workload=last.workload,
        machines=dict(last.machines),
        roles=dict(last.roles),
        cost=last.cost,
        power=last.power,
        watts=last.watts,
        at=at,
        carries=carries,
        then=then,
        above=_above(at, carried),
        failed=tuple(sorted({run.rate for run in runs if run.status == "failed" and run.rate is not None})),
        failed_runs=sum(run.status == "failed" for run in runs),
        holds=bool(carried) or (then is None and not missing),
        requests_per_dollar=_mean_provisioned(best, "cost/requests_per_dollar"),
        requests_per_kwh=_mean_provisioned(best, "power/requests_per_kwh"),
        tightest=tightest,
        limit=limit,
        missing=missing,
        lowest=_lowest(runs, slo, at),
        axes=_axes(runs),
        attainment=_attainment(runs, slo),
        beyond=beyond,
        undecided=undecided,
        joules_per_request=_mean_provisioned(best, "energy/joules_per_request"),
        estimated_joules=_mean_provisioned(best, "energy/estimated_share") or 0.0,
    )


def _standings(runs: Sequence[Outcome], slo: Slo, counted: Counted | None) -> tuple[RateStanding, ...]:
    """What the runs at each rate say, ascending."""
    by_rate = [standing_of(members, slo, counted) for members in grouped(runs, lambda run: run.rate)]
    return tuple(sorted(by_rate, key=lambda standing: standing.rate or 0.0))


def _above(at: Sequence[RateStanding], carried: Sequence[RateStanding]) -> tuple[float, ...]:
    rates = {standing.rate for standing in carried}
    return tuple(s.rate for s in at if s.rate is not None and s.carried and s.rate not in rates)


def _mean_provisioned(runs: Sequence[Outcome], name: str) -> float | None:
    values = [value for run in runs if (value := provisioned(run).get(name)) is not None]
    return fmean(values) if values else None


def _tightest(runs: Sequence[Outcome], slo: Slo, at: Sequence[RateStanding]) -> tuple[float, str] | None:
    """What the runs at one rate take of their tightest limit, and the limit: with several seeds by their counts, else
    the largest share of a figure that any seed takes; None where one is not known."""
    judgement = next((standing.judgement for standing in at if runs and standing.rate == runs[0].rate), None)
    if judgement is not None and judgement.limit is not None:
        return (judgement.share, judgement.limit.told()) if isfinite(judgement.share) else None
    found = [slo.tightest_limit(run.summary) for run in runs]
    known = [pair for pair in found if pair is not None]
    if not known or len(known) < len(found):
        return None
    share, limit = max(known, key=lambda pair: pair[0])
    return share, limit.told()


def _lowest(runs: Sequence[Outcome], slo: Slo, at: Sequence[RateStanding]) -> tuple[float, str] | None:
    rates = [run.rate or 0.0 for run in runs if run.status != "failed"]
    return _tightest([run for run in runs if (run.rate or 0.0) == min(rates)], slo, at) if rates else None


def _axes(runs: Sequence[Outcome]) -> Mapping[str, object]:
    """The axes that are the same in all runs, without those of the load."""
    first, *others = (run.axes for run in runs)
    names = (name for name in first if name not in _NOT_OF_A_DESIGN)
    return {name: first[name] for name in names if all(axes.get(name) == first[name] for axes in others)}


def _attainment(runs: Sequence[Outcome], slo: Slo) -> float | None:
    """The mean share of requests within the limits at the only rate; None where there are several, or it is not known
    by these limits."""
    if len({run.rate for run in runs}) > 1 or any(must_be_counted(run, slo) for run in runs):
        return None
    shares = [run.summary.get(f"{PREFIX}attainment") for run in runs]
    known = [share for share in shares if share is not None]
    return fmean(known) if known and len(known) == len(shares) else None
