"""The answers in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sync.analysis.answers.base import Configuration, SweepAnswers, WorkloadAnswer
from sync.analysis.answers.build import normalised
from sync.results.point_id import rate_text

ALIKE = 1.05  # costs, powers or counts this close, largest to smallest, count as equal: machines come in whole numbers
_CAPITALS = re.compile(r"(splitwise|baseline)-([a-z]+\d*)")


def sentences(told: SweepAnswers) -> list[str]:
    """One a workload, which is named where there are several."""
    several = len(told.workloads) > 1
    return [f"{of.workload}: {sentence(of)}" if several else sentence(of) for of in told.workloads]


def sentence(of: WorkloadAnswer) -> str:
    """`Within the SLO at equal cost, by one seed, Splitwise-HA carries 24 requests/s, 1.50 times Baseline-H100 (16)`.

    It says how many seeds it rests on: one seed is one draw of the load, and tells nothing of how far another would
    differ.
    """
    rates = [rate for one in of.configurations for rate in one.rates]
    good = [answer.highest for answer in of.systems if answer.highest is not None]
    if not good:
        lowest = f", not even at {rate_text(min(rates))} requests/s, the lowest rate that was run" if rates else ""
        failed = sum(one.failed_runs for one in of.configurations)
        by = seeds_text(of.configurations)
        return f"No design is within the SLO{by}{lowest}{f'; points that failed: {failed}' if failed else ''}."
    rated = [one for one in good if one.carries is not None]
    if not rated:
        return f"Within the SLO{seeds_text(good)}: {_list([one.name for one in good])}."
    if len(set(rates)) == 1 and len(of.configurations) > 1:
        return _cheapest_sentence(of, rates[0])
    best = min(rated, key=lambda one: (-(one.carries or 0.0), one.cost, one.power))
    equals = [shown(one.system) for one in rated if one.carries == best.carries and one is not best]
    least = "at least " if best.carries == max(best.rates) else ""
    text = f"Within the SLO{_terms(of)},{seeds_text(rated)}, {shown(best.system)} carries"
    text += f" {least}{rate_text(best.carries or 0.0)} requests/s"
    text += f" (as does {_list(equals)})" if len(equals) == 1 else f" (as do {_list(equals)})" if equals else ""
    return text + _compared(of, best) + _next(best)


def _cheapest_sentence(of: WorkloadAnswer, rate: float) -> str:
    """Where all runs are at one rate, what is asked is who carries it for least."""
    found = [(one.cheapest, one.least_power) for one in of.systems if one.cheapest is not None and one.least_power]
    cheapest = min((one for one, _ in found), key=lambda one: (one.cost, one.power))
    least = min((one for _, one in found), key=lambda one: (one.power, one.cost))
    cost = _share({row.system: row.cost for row in normalised(of, "cheapest")}, of.reference, cheapest.system)
    power = _share({row.system: row.power for row in normalised(of, "least_power")}, of.reference, least.system)
    by = seeds_text([one for pair in found for one in pair])
    text = f"To carry {rate_text(rate)} requests/s within the SLO{by}, {cheapest.name} costs least "
    text += f"(${cheapest.cost:,.2f} an hour{cost})"
    if least.name == cheapest.name:
        return f"{text}, and draws least (power {least.power:,.1f}{power})."
    return f"{text}; {least.name} draws least (power {least.power:,.1f}{power})."


def _share(times: Mapping[str, float | None], reference: str | None, system: str) -> str:
    share = times[system]
    return (
        f", {share:.2f} times {shown(reference)}'s" if share is not None and reference and reference != system else ""
    )


def _terms(of: WorkloadAnswer) -> str:
    if len(of.systems) < 2:
        return ""
    measures = {
        "cost": [one.cost for one in of.configurations],
        "power": [one.power for one in of.configurations],
        "count": [float(one.machine_count) for one in of.configurations],
    }
    equal = [name for name, values in measures.items() if min(values) > 0 and max(values) <= ALIKE * min(values)]
    return f" at equal {' and '.join(equal)}" if equal else ""


def _compared(of: WorkloadAnswer, best: Configuration) -> str:
    others = [answer for answer in of.systems if answer.system != best.system]
    baselines = [answer for answer in others if answer.system.lower().startswith("baseline")] or others
    carried = {a.system: (a.highest.carries if a.highest else None) or 0.0 for a in baselines}
    told = [
        f"{(best.carries or 0.0) / rate:.2f} times {shown(system)} ({rate_text(rate)})"
        for system, rate in sorted(carried.items(), key=lambda one: -one[1])
        if rate and rate != best.carries  # equals are named before
    ]
    none = [shown(system) for system, rate in carried.items() if not rate]
    text = f", {_list(told)}" if told else ""
    return text + (f"; {_list(none)} {'carries' if len(none) == 1 else 'carry'} none of the rates" if none else "")


def _next(best: Configuration) -> str:
    then = best.then
    if then is None or then.rate is None:
        return "; no higher rate was run."
    if then.seeds > 1:
        if not then.within:
            return f"; at {rate_text(then.rate)} with none of {then.seeds} seeds: {then.verdict}."
        return f"; at {rate_text(then.rate)} with {then.share} only, else {then.verdict}."
    return (
        f"; at {rate_text(then.rate)}: {then.verdict}."
        if best.failed
        else f"; at {rate_text(then.rate)} it is {then.verdict}."
    )


def seeds_text(configurations: Sequence[Configuration]) -> str:
    """` by one seed`, ` with all of 6 seeds`, ` with all of 1 to 6 seeds`: what is said of them rests on these."""
    counts = sorted({one.seeds for one in configurations if one.seeds})
    if not counts:
        return ""
    if counts == [1]:
        return " by one seed"
    return f" with all of {counts[0]} seeds" if len(counts) == 1 else f" with all of {counts[0]} to {counts[-1]} seeds"


def _list(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def shown(system: str) -> str:
    """`Splitwise-HHcap` for `splitwise-hhcap`; another name as it is."""
    found = _CAPITALS.fullmatch(system.removesuffix("cap"))
    if found is None:
        return system
    return f"{found[1].capitalize()}-{found[2].upper()}{'cap' if system.endswith('cap') else ''}"
