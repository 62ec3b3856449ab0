"""The answers in words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sync.analysis.answers.base import Configuration, SweepAnswers, WorkloadAnswer
from sync.analysis.answers.build import Which, normalised
from sync.analysis.texts import joined
from sync.results.point_id import rate_text

ALIKE = 1.05  # the largest over the smallest of costs, powers or counts that count as equal: machines are whole numbers
_CAPITALS = re.compile(r"(splitwise|baseline)-([a-z]+\d*)")


def sentences(answers: SweepAnswers) -> list[str]:
    """A sentence a workload, which is named where there are several."""
    several = len(answers.workloads) > 1
    return [f"{w.workload}: {sentence(w)}" if several else sentence(w) for w in answers.workloads]


def sentence(workload: WorkloadAnswer) -> str:
    """`Within the SLO at equal cost, by one seed, Splitwise-HA carries 24 requests/s, 1.50 times Baseline-H100 (16)`.

    It says how many seeds it rests on: one seed is one draw of the load and does not show how far others would differ.
    """
    rates = [rate for configuration in workload.configurations for rate in configuration.rates]
    holding = [answer.highest for answer in workload.systems if answer.highest is not None]
    if not holding:
        return _nothing_holds(workload, rates)
    rated = [configuration for configuration in holding if configuration.carries is not None]
    if not rated:
        return f"Within the SLO{seeds_text(holding)}: {joined([configuration.name for configuration in holding])}."
    if len(set(rates)) == 1 and len(workload.configurations) > 1:
        return _cheapest_sentence(workload, rates[0])
    best = min(rated, key=lambda member: (-(member.carries or 0.0), member.cost, member.power))
    equals = [shown(other.system) for other in rated if other.carries == best.carries and other is not best]
    least = "at least " if best.carries == max(best.rates) else ""
    text = f"Within the SLO{_terms(workload)},{seeds_text(rated)}, {shown(best.system)} carries"
    text += f" {least}{rate_text(best.carries or 0.0)} requests/s"
    text += f" (as {'does' if len(equals) == 1 else 'do'} {joined(equals)})" if equals else ""
    return text + _compared(workload, best) + _next(best)


def _nothing_holds(workload: WorkloadAnswer, rates: Sequence[float]) -> str:
    lowest = f", not even at {rate_text(min(rates))} requests/s, the lowest rate that was run" if rates else ""
    failed = sum(configuration.failed_runs for configuration in workload.configurations)
    by = seeds_text(workload.configurations)
    return f"No design is within the SLO{by}{lowest}{f'; points that failed: {failed}' if failed else ''}."


def _cheapest_sentence(workload: WorkloadAnswer, rate: float) -> str:
    """The answer where all runs are at one rate: which configuration carries it for least."""
    pairs = [(a.cheapest, a.least_power) for a in workload.systems if a.cheapest is not None and a.least_power]
    cheapest = min((pair[0] for pair in pairs), key=lambda member: (member.cost, member.power))
    least = min((pair[1] for pair in pairs), key=lambda member: (member.power, member.cost))
    cost = _multiple(workload, "cheapest", "cost", cheapest.system)
    power = _multiple(workload, "least_power", "power", least.system)
    by = seeds_text([member for pair in pairs for member in pair])
    text = f"To carry {rate_text(rate)} requests/s within the SLO{by}, {cheapest.name} costs least "
    text += f"(${cheapest.cost:,.2f} an hour{cost})"
    also = ", and" if least.name == cheapest.name else f"; {least.name}"
    return f"{text}{also} draws least (power {least.power:,.1f}{power})."


def _multiple(workload: WorkloadAnswer, which: Which, figure: str, system: str) -> str:
    """`, 0.75 times Baseline-A100's`; nothing for the reference itself."""
    multiple = next(getattr(row, figure) for row in normalised(workload, which) if row.system == system)
    if multiple is None or workload.reference == system:
        return ""
    return f", {multiple:.2f} times {shown(workload.reference)}'s"


def _terms(workload: WorkloadAnswer) -> str:
    """` at equal cost and count`: the figures in which the configurations are alike."""
    if len(workload.systems) < 2:
        return ""
    measures = {
        "cost": [member.cost for member in workload.configurations],
        "power": [member.power for member in workload.configurations],
        "count": [float(member.machine_count) for member in workload.configurations],
    }
    equal = [name for name, values in measures.items() if min(values) > 0 and max(values) <= ALIKE * min(values)]
    return f" at equal {' and '.join(equal)}" if equal else ""


def _compared(workload: WorkloadAnswer, best: Configuration) -> str:
    """`, 1.50 times Baseline-H100 (16)`: the best against the baselines, without any against all other systems."""
    others = [answer for answer in workload.systems if answer.system != best.system]
    baselines = [answer for answer in others if answer.system.lower().startswith("baseline")] or others
    carried = {a.system: (a.highest.carries if a.highest else None) or 0.0 for a in baselines}
    multiples = [
        f"{(best.carries or 0.0) / rate:.2f} times {shown(system)} ({rate_text(rate)})"
        for system, rate in sorted(carried.items(), key=lambda item: -item[1])
        if rate and rate != best.carries  # the sentence has named equals already
    ]
    none = [shown(system) for system, rate in carried.items() if not rate]
    text = f", {joined(multiples)}" if multiples else ""
    return text + (f"; {joined(none)} {'carries' if len(none) == 1 else 'carry'} none of the rates" if none else "")


def _next(best: Configuration) -> str:
    """What happens at the next higher rate."""
    then = best.then
    if then is None or then.rate is None:
        return "; no higher rate was run."
    rate = rate_text(then.rate)
    if then.seeds > 1 and not then.within:
        return f"; at {rate} with none of {then.seeds} seeds: {then.verdict}."
    if then.seeds > 1:
        return f"; at {rate} with {then.within} of {then.seeds} seeds only, else {then.verdict}."
    return f"; at {rate}: {then.verdict}." if best.failed else f"; at {rate} it is {then.verdict}."


def seeds_text(configurations: Sequence[Configuration]) -> str:
    """` by one seed`, ` with all of 6 seeds`, ` with all of 1 to 6 seeds`: what an answer rests on."""
    counts = sorted({configuration.seeds for configuration in configurations if configuration.seeds})
    if not counts:
        return ""
    if counts == [1]:
        return " by one seed"
    return f" with all of {counts[0]} seeds" if len(counts) == 1 else f" with all of {counts[0]} to {counts[-1]} seeds"


def shown(system: str) -> str:
    """`Splitwise-HHcap` for `splitwise-hhcap`; another name as it is."""
    found = _CAPITALS.fullmatch(system.removesuffix("cap"))
    if found is None:
        return system
    return f"{found[1].capitalize()}-{found[2].upper()}{'cap' if system.endswith('cap') else ''}"
