"""The answers in words. Each sentence names the design that it is about."""

from __future__ import annotations

import re
from collections.abc import Sequence

from configs.figure import figure
from sync.analysis.answers.base import Configuration, DrawsBy, SweepAnswers, SystemAnswer, WorkloadAnswer, rate_ratio
from sync.analysis.answers.build import Which, normalised
from sync.analysis.answers.ranking import drawn, order
from sync.analysis.seeds import ratio_words, seeds_words, share_words
from sync.analysis.terms import caveats, listed
from sync.analysis.texts import joined
from sync.results.point_id import rate_text
from sync.results.verdict import FAILED

ALIKE = 1.05  # the largest over the smallest of costs, powers or counts that count as equal: machines are whole numbers
NEAR = 0.9  # the share of a limit from which the answer says how near it is
_MOST_NAMED = 3  # designs that are named one by one in a sentence
_CAPITALS = re.compile(r"(splitwise|baseline)-([a-z]+\d*)")


def sentences(answers: SweepAnswers) -> list[str]:
    """A sentence a workload, which is named where there are several. Each begins with what limits the answer: that
    times are constants for testing, that points are missing."""
    start = " ".join(caveats(answers.terms))
    return [f"{start} {text}".strip() for text in bare_sentences(answers)]


def bare_sentences(answers: SweepAnswers) -> list[str]:
    """The sentences alone, for where the caveats of the terms stand in front of all of them."""
    several = len(answers.workloads) > 1
    return [f"{w.workload}: {sentence(w)}" if several else sentence(w) for w in answers.workloads]


def sentence(workload: WorkloadAnswer) -> str:
    """`Within the SLO at equal cost, by 8 seeds (95%), Splitwise-HA carries 150 requests/s, less than 160; 1.30 times
    [1.20, 1.39] Baseline-H100 (115); at 160 Splitwise-HA is beyond the SLO with 8 seeds: 1.35 of TTFT p90 [1.2, 1.5].`

    It says how many seeds it rests on: one seed is one draw of the load and does not show how far others would differ.
    """
    if workload.asked and workload.rate is not None:
        return _carried_for_least(workload, workload.rate)
    holding = [answer.highest for answer in workload.systems if answer.highest is not None]
    if not holding:
        return _nothing_carried(workload)
    rated = [configuration for configuration in holding if configuration.carries is not None]
    if not rated and sum(member.holds for member in workload.configurations) > 1:
        return _carried_for_least(workload, None)
    if not rated:
        return f"{_within(workload)}{seeds_text(holding)}: {holding[0].name}."
    planned = {*workload.rates, *(rate for member in workload.configurations for rate in member.missing)}
    if len(planned) == 1 and len(workload.configurations) > 1:
        return _carried_for_least(workload, workload.rates[0])
    best = min(rated, key=lambda member: order(member, workload.draws_by))
    equals = [other for other in workload.configurations if other.carries == best.carries and other is not best]
    least = "at least " if best.may_carry_more else ""
    text = f"{_within(workload)}{_terms(workload)},{seeds_text(rated)}, {named_in(workload, best)} carries"
    text += f" {least}{rate_text(best.carries or 0.0)} requests/s"
    text += f", less than {rate_text(best.interval[1])}" if best.interval is not None else ""
    if equals:
        names = _some([named_in(workload, other) for other in equals[: _MOST_NAMED + 1]], len(equals))
        text += f" (as {'does' if len(equals) == 1 else 'do'} {names})"
    text += _compared(workload, best, equals) + _next(workload, best)
    return text + _choice(workload, best, equals) + _near(best, named_in(workload, best))


def named_in(workload: WorkloadAnswer, member: Configuration) -> str:
    """`Splitwise-HA`; where the system has several designs `Splitwise-HA 6P+4T`."""
    alone = sum(other.system == member.system for other in workload.configurations) == 1
    return shown(member.system) if alone else full_name(member)


def full_name(member: Configuration) -> str:
    """`Splitwise-HA 6P+4T`: the name in sentences about how many machines there have to be."""
    label = member.design.removeprefix(member.system).strip()
    return f"{shown(member.system)} {label}".strip()


def draw_text(member: Configuration, draws_by: DrawsBy) -> str:
    """`87.2 kW`, or `power weight 363` where watts are not known."""
    value = drawn(member, draws_by)
    return f"{figure(value / 1000.0)} kW" if draws_by == "watts" else f"power weight {figure(value)}"


def share_text(share: float | None) -> str:
    """`77.9%` of a limit. What is within a limit never reads as all of it."""
    if share is None:
        return "-"
    return f"{min(share, 0.999):.1%}" if share < 1 else f"{share:,.0%}"


def _within(workload: WorkloadAnswer) -> str:
    return "Within the SLO so far" if workload.is_open else "Within the SLO"


def _some(names: Sequence[str], count: int) -> str:
    """The first of `count` names, and how many more there are."""
    if count <= _MOST_NAMED + 1:
        return joined(names)
    return f"{', '.join(names[:_MOST_NAMED])} and {count - _MOST_NAMED} more"


def _nothing_carried(workload: WorkloadAnswer) -> str:
    """Why no design is known to carry a rate: none does, seeds do not tell, or what decides has no result."""
    members = workload.configurations
    by, failed = seeds_text(members), sum(member.failed_runs for member in members)
    also = _undecided(workload, [member for member in members if member.state == "undecided"])
    also += f"; points that failed: {failed}" if failed else ""
    if any(member.state == "open" for member in members):
        return f"{_open_text(workload, by)}{also}."
    design = "No design that was run" if workload.not_run else "No design"
    if any(member.state == "undecided" for member in members):
        return f"{design} is known to be within the SLO{by}{also}."
    if not workload.rates:
        return f"{design} is within the SLO{by}{also}."
    lowest = min(workload.rates)
    if all(lowest in member.rates for member in members):
        at = f"not even at {rate_text(lowest)} requests/s, the lowest rate that was run"
        return f"{design} is within the SLO{by}, {at}{also}."
    rates = listed([rate_text(rate) for rate in workload.rates])
    return (
        f"{design} is within the SLO{_set_off(by)} at any rate that the design was run at ({rates} requests/s){also}."
    )


def _open_text(workload: WorkloadAnswer, by: str) -> str:
    """What is known while the rates that decide have no result."""
    within = [member for member in workload.configurations if member.above]
    if within:
        best = max(within, key=lambda member: member.above[-1])
        name, below = named_in(workload, best), [rate for rate in best.missing if rate < best.above[-1]]
        text = f"{name} is within the SLO{_set_off(by)} at {rate_text(best.above[-1])} requests/s"
        return f"{text}; {name} has no result yet at {listed([rate_text(rate) for rate in below])}"
    judged = [s for member in workload.configurations for s in member.at if s.state == "beyond"]
    if not judged:
        undecided = any(member.state == "undecided" for member in workload.configurations)
        return f"No design is known to be within the SLO{by}" if undecided else "No point has a result"
    rates = sorted({standing.rate for standing in judged if standing.rate is not None})
    at = f" at {listed([rate_text(rate) for rate in rates])} requests/s" if rates else ""
    lower = "; lower rates have no result yet" if rates else ""
    return f"No run so far is within the SLO{_set_off(by) if at else by}{at}{lower}"


def _set_off(by: str) -> str:
    """` by one seed, so without an interval,`: in front of words that go on."""
    return f"{by}," if "," in by and not by.endswith(")") else by


def _undecided(workload: WorkloadAnswer, members: Sequence[Configuration]) -> str:
    """`; undecided: Splitwise-HA at 10 requests/s (0.97 of TTFT p90 [0.80, 1.14] with 6 seeds)`."""
    texts = []
    for member in members:
        if (then := member.then) is not None:
            at = "" if then.rate is None else f" at {rate_text(then.rate)} requests/s"
            share = "" if then.judgement is None else f"{share_words(then.judgement)} "
            texts.append(f"{named_in(workload, member)}{at} ({share}with {then.seeds} seeds)")
    return f"; undecided: {_some(texts[: _MOST_NAMED + 1], len(texts))}" if texts else ""


def _carried_for_least(workload: WorkloadAnswer, rate: float | None) -> str:
    """The answer to one rate (None: to a load without a rate): which design carries it for least money, and which with
    least power."""
    pairs = [(a.cheapest, a.least_power) for a in workload.systems if a.cheapest is not None and a.least_power]
    by = workload.draws_by
    load = f"serve {workload.workload}" if rate is None else f"carry {rate_text(rate)} requests/s"
    if rate is not None and rate not in workload.rates:
        rates = listed([rate_text(run) for run in workload.rates]) or "none"
        return f"No run is at {rate_text(rate)} requests/s, and nothing is interpolated; rates that were run: {rates}."
    unsure = [member for member in workload.configurations if member.may_carry(rate)]
    if not pairs:
        run = "No design that was run" if workload.is_open else "No design"
        also = _undecided(workload, unsure)
        return f"{run} is known to {load} within the SLO{seeds_text(workload.configurations)}{also}."
    cheapest = min((pair[0] for pair in pairs), key=lambda member: (member.cost, drawn(member, by)))
    least = min((pair[1] for pair in pairs), key=lambda member: (drawn(member, by), member.cost))
    cost = _multiple(workload, "cheapest", "cost", cheapest.system)
    power = _multiple(workload, "least_power", by, least.system)
    seeds = seeds_text([member for pair in pairs for member in pair])
    so_far = " so far" if workload.is_open else ""
    text = f"To {load} within the SLO{so_far}{seeds}, {full_name(cheapest)} costs least "
    text += f"(${cheapest.cost:,.2f} an hour{cost}){_ties(workload, rate, cheapest, 'cost')}"
    also = ", and" if least.name == cheapest.name else f"; {full_name(least)}"
    text += f"{also} draws least ({draw_text(least, by)}{power}){_ties(workload, rate, least, by)}"
    cheaper = [member for member in unsure if member.cost < cheapest.cost]
    text += f"{_undecided(workload, cheaper).replace('; undecided', '; cheaper, but undecided')}."
    return text + (_near(cheapest, full_name(cheapest)) if rate in (None, cheapest.carries) else "")


def _ties(workload: WorkloadAnswer, rate: float | None, best: Configuration, figure_name: str) -> str:
    """`, as do B and C`: the other designs that carry the rate and cost, or draw, as little."""
    good = [member for member in workload.configurations if member.meets(rate) and member is not best]
    equals = [member for member in good if getattr(member, figure_name) == getattr(best, figure_name)]
    names = [full_name(member) for member in equals]
    return f", as {'does' if len(names) == 1 else 'do'} {_some(names, len(names))}" if names else ""


def _multiple(workload: WorkloadAnswer, which: Which, name: str, system: str) -> str:
    """`, 0.75 times Baseline-A100's`; nothing for the reference itself."""
    multiple = next(getattr(row, name) for row in normalised(workload, which) if row.system == system)
    if multiple is None or workload.reference == system:
        return ""
    return f", {multiple:.2f} times {shown(workload.reference)}'s"


def _terms(workload: WorkloadAnswer) -> str:
    """` at equal cost and count`: the figures in which the configurations are alike."""
    if len(workload.systems) < 2:
        return ""
    measures = {
        "cost": [member.cost for member in workload.configurations],
        "power": [drawn(member, workload.draws_by) for member in workload.configurations],
        "count": [float(member.machine_count) for member in workload.configurations],
    }
    equal = [name for name, values in measures.items() if min(values) > 0 and max(values) <= ALIKE * min(values)]
    return f" at equal {' and '.join(equal)}" if equal else ""


def _compared(workload: WorkloadAnswer, best: Configuration, equals: Sequence[Configuration]) -> str:
    """`, 1.50 times Baseline-H100 (16)`: the best against the baselines, without any against all other systems.
    Systems of which a rate that decides has no result are left out."""
    named = {best.system, *(other.system for other in equals)}
    others = [answer for answer in workload.systems if answer.system not in named]
    baselines = [answer for answer in others if answer.system.lower().startswith("baseline")] or others
    known = [answer for answer in baselines if _is_decided(workload, answer)]
    carried = [answer.highest for answer in known if answer.highest is not None and answer.highest.carries]
    multiples = [
        f"{_multiple_of_rate(best, member)} {shown(member.system)} ({rate_text(member.carries or 0.0)})"
        for member in sorted(carried, key=lambda member: -(member.carries or 0.0))
    ]
    none = [shown(answer.system) for answer in baselines if carries_none(workload, answer)]
    text = f"{', ' if best.interval is None else '; '}{joined(multiples)}" if multiples else ""
    return text + (f"; {joined(none)} {'carries' if len(none) == 1 else 'carry'} none of the rates" if none else "")


def _multiple_of_rate(best: Configuration, other: Configuration) -> str:
    """`1.30 times [1.25, 1.39]`; the interval where both have one."""
    multiple = (best.carries or 0.0) / (other.carries or 1.0)
    return f"{multiple:.2f} times {ratio_words(rate_ratio(best, other))}".rstrip()


def _is_decided(workload: WorkloadAnswer, answer: SystemAnswer) -> bool:
    """Whether the rates that the designs of a system carry are known, whatever further points give."""
    members = [member for member in workload.configurations if member.system == answer.system]
    return answer.system not in workload.open_systems and all(member.is_decided for member in members)


def carries_none(workload: WorkloadAnswer, answer: SystemAnswer) -> bool:
    """Whether results show of all designs of a system that they carry no rate."""
    members = [member for member in workload.configurations if member.system == answer.system]
    return _is_decided(workload, answer) and all(member.state == "none" for member in members)


def _next(workload: WorkloadAnswer, best: Configuration) -> str:
    """What happens at the next higher rate."""
    then, name = best.then, named_in(workload, best)
    rate = None if then is None else then.rate
    open_rate = min((r for r in best.missing if r not in best.failed and r > (best.carries or 0.0)), default=None)
    if open_rate is not None and (rate is None or open_rate < rate):
        return f"; at {rate_text(open_rate)} {name} has no result yet."
    if then is None or rate is None:
        return "; no higher rate was run."
    at = rate_text(rate)
    if then.judgement is not None:
        return f"; at {at} {name} is {then.text}."
    if then.seeds > 1 and not then.within:
        return f"; at {at} with none of {then.seeds} seeds: {then.verdict}."
    if then.seeds > 1:
        return f"; at {at} with {then.within} of {then.seeds} seeds only, else {then.verdict}."
    if then.verdict == FAILED:
        return f"; at {at} the point of {name} failed."
    return f"; at {at} {name} {'is' if then.verdict.startswith(('too slow', 'unstable')) else 'has'} {then.verdict}."


def _choice(workload: WorkloadAnswer, best: Configuration, equals: Sequence[Configuration]) -> str:
    """Why of designs that carry the same rate this one is named; of ties that it is one."""
    if not equals:
        return ""
    name = named_in(workload, best)
    alike = [other for other in equals if other.cost == best.cost]
    if not alike:
        return f" Of these designs {name} costs least (${best.cost:,.2f} an hour)."
    alike = [other for other in alike if drawn(other, workload.draws_by) == drawn(best, workload.draws_by)]
    if not alike:
        return f" Of these designs {name} costs least, and of equal cost draws least."
    if best.tightest is None or any(other.tightest == best.tightest for other in alike):
        return f" This is a tie: cost, power and room below the limits do not tell {name} from all of the others."
    return f" These designs are a tie in rate, cost and power; {name} has the most room below its limits."


def _near(best: Configuration, name: str) -> str:
    """How near the best design is to a limit, where it is near."""
    if best.tightest is None or best.limit is None or best.tightest < NEAR:
        return ""
    at = f" at {rate_text(best.carries)} requests/s" if best.carries is not None else ""
    if best.judgement is not None and (words := share_words(best.judgement)):
        return f" {name} takes {words}{at}."
    return f" {name} is at {share_text(best.tightest)} of its limit of {best.limit}{at}."


def seeds_text(configurations: Sequence[Configuration]) -> str:
    """` by one seed, so without an interval`, ` by 8 seeds (95%)`: what an answer rests on."""
    seeds = [configuration.seeds for configuration in configurations if configuration.seeds]
    return seeds_words(seeds, are_judged=all(configuration.are_judged for configuration in configurations))


def shown(system: str) -> str:
    """`Splitwise-HHcap` for `splitwise-hhcap`; another name as it is."""
    found = _CAPITALS.fullmatch(system.removesuffix("cap"))
    if found is None:
        return system
    return f"{found[1].capitalize()}-{found[2].upper()}{'cap' if system.endswith('cap') else ''}"
