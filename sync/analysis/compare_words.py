"""A comparison of two runs as a paragraph, as tables and as JSON: one set of figures, said three times."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from sync.analysis.compare import PERCENTS, PHASES, Comparison, Profile, half_width

WORDS: Mapping[str, str] = {
    "queue": "waiting for the prompt",
    "prompt": "prompt",
    "transfer": "transfer of the KV cache",
    "wait": "waiting for the first decode",
    "decode": "decode",
    "preempted": "preempted",
}
DOING: Mapping[str, str] = {**WORDS, "prompt": "in their prompt", "transfer": "in transfer", "decode": "decoding"}
_SMALL = 0.1  # of the difference in E2E time: what less than this is not named
_ALIKE = 0.005  # relative: figures this close are called equal


def seconds(value: float) -> str:
    """Seconds as they are said everywhere: three significant digits, `-` where there are none."""
    if math.isnan(value):
        return "-"
    return f"{value:.3g} s" if abs(value) < 1000 else f"{value:,.0f} s"


def share(value: float) -> str:
    """A share in percent."""
    return "-" if math.isnan(value) else f"{value:.0%}"


def paragraph(found: Comparison) -> str:
    """Which run is better, by what, where the time goes, how busy and full the machines are, and for what price."""
    a, b = found.better, found.worse
    parts = [_headline(found), *_caveats(a, b)]
    if a.spent and b.spent:
        parts += [*_decisive(found), _time(found), *_paired(found)]
        parts += _preemptions(a, b)
    parts += [_machines(a, b), _price(a, b)]
    return " ".join(part for part in parts if part)


def _headline(found: Comparison) -> str:
    a, b = found.better, found.worse
    if not found.why:
        return f"Nothing tells {a.outcome.name} and {b.outcome.name} apart: both are {a.verdict}."
    if a.verdict == b.verdict:
        told = f" (both are {a.verdict})"
    elif a.judged.within:
        told = f", the other is not ({b.verdict})"
    else:
        told = f" ({a.verdict}; the other {b.verdict})"
    return f"{a.outcome.name} beats {b.outcome.name}: {found.why}{told}."


def _caveats(a: Profile, b: Profile) -> list[str]:
    if a.outcome.trace_identity == b.outcome.trace_identity:
        return []
    loads = [f"{o.rate:g} requests/s of {o.workload}" if o.rate else o.workload for o in (a.outcome, b.outcome)]
    return [f"They did not serve the same requests ({loads[0]} against {loads[1]}): their times compare loads as well."]


def _decisive(found: Comparison) -> list[str]:
    """The limit that only one of them meets, and what takes the time of the requests there."""
    one = found.decisive
    if one is None:
        return []
    mine, others = one.spent
    phases = PHASES[:2] if one.metric == "ttft" else PHASES if one.metric == "e2e" else PHASES[2:]
    most = max(phases, key=lambda name: others.phases_s[name] - mine.phases_s[name])
    figures = [seconds(value) if one.in_seconds else _times(value) for value in (*one.figures, one.limit)]
    told = f"What decides most is {one.metric.upper()} {one.percentile}: {figures[0]} against {figures[1]}"
    told += f"{'' if one.in_seconds else ' as slow as alone'}, with a limit of {figures[2]}"
    spent = (
        f"its requests are {seconds(mine.phases_s[most])} {DOING[most]}, the other's {seconds(others.phases_s[most])}"
    )
    return [f"{told}; around there {spent}."]


def _time(found: Comparison) -> str:
    """Around p90 of E2E: how much less, and which phases make it up."""
    mine, others = found.better.spent[1], found.worse.spent[1]
    less = {name: others.phases_s[name] - mine.phases_s[name] for name in PHASES}
    total = others.e2e_s - mine.e2e_s
    told = f"Around p90 of E2E its requests take {seconds(mine.e2e_s)} against {seconds(others.e2e_s)}"
    if abs(total) <= _ALIKE * max(mine.e2e_s, others.e2e_s):
        return f"{told}, which is the same."
    gains = _named(less, lambda value: value / total >= _SMALL)
    losses = _named(less, lambda value: value / total <= -_SMALL)
    told += f", {seconds(abs(total))} {'less' if total > 0 else 'more'}: {gains or 'a little in each phase'}"
    return told + (f"; against that, {losses}." if losses else ".")


def _named(less: Mapping[str, float], wanted: Callable[[float], bool]) -> str:
    ordered = sorted((name for name in PHASES if wanted(less[name])), key=lambda name: -abs(less[name]))
    told = [f"{seconds(abs(less[name]))} {'less' if less[name] > 0 else 'more'} {WORDS[name]}" for name in ordered]
    return joined(told)


def _paired(found: Comparison) -> list[str]:
    if not found.paired_requests:
        return []
    total = math.fsum(found.paired_s.values())
    word = "less" if total >= 0 else "more"
    return [
        f"Over the {found.paired_requests:,} requests that both completed, it takes {seconds(abs(total))} {word} in the"
        f" mean, and serves {share(found.faster)} of them sooner."
    ]


def _preemptions(a: Profile, b: Profile) -> list[str]:
    if max(a.preemptions, b.preemptions) < 0.1:
        return []
    return [f"A request is preempted {a.preemptions:.2g} times in the mean, against {b.preemptions:.2g}."]


def _machines(a: Profile, b: Profile) -> str:
    if not a.roles or not b.roles:
        busy = [one.figure("utilisation/mean") for one in (a, b)]
        if any(map(math.isnan, busy)):
            return ""
        return f"Its machines are busy {share(busy[0])} of the time against {share(busy[1])}."
    return (
        f"Its machines are busy {_of_roles(a, 'utilisation')} of the time, the other's {_of_roles(b, 'utilisation')};"
        f" their KV memory is at most {_of_roles(a, 'memory_peak')} full, the other's {_of_roles(b, 'memory_peak')}."
    )


def _of_roles(one: Profile, figure: str) -> str:
    if len(one.roles) == 1:
        return share(getattr(one.roles[0], figure))
    return joined([f"{share(getattr(role, figure))} ({role.name})" for role in one.roles])


def _price(a: Profile, b: Profile) -> str:
    cost = _against(a.outcome.cost, b.outcome.cost, "costs ${:,.2f} an hour against ${:,.2f}", "costs as much")
    power = _against(
        a.outcome.power, b.outcome.power, "draws {:g} against {:g} by the machines' weights", "draws as much"
    )
    return f"It {cost} and {power}." if power and cost else ""


def _against(mine: float, other: float, words: str, same: str) -> str:
    if abs(mine - other) <= _ALIKE * max(mine, other):
        return same
    told = words.format(mine, other)
    return f"{told} ({abs(mine / other - 1):.0%} {'less' if mine < other else 'more'})" if other else told


def joined(parts: list[str]) -> str:
    """`a, b and c`."""
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def time_rows(found: Comparison) -> list[tuple[str, ...]]:
    """Phase, then for each percentile the better run's time, the other's, and the difference; E2E last."""
    a, b = found.better, found.worse
    rows = []
    for name in (*PHASES, "E2E"):
        cells = [name]
        for number in range(len(PERCENTS)):
            both = [_of(one, number, name) for one in (a, b)]
            cells += [*map(seconds, both), _signed(both[0] - both[1])]
        rows.append(tuple(cells))
    return rows


def _of(one: Profile, number: int, name: str) -> float:
    if not one.spent:
        return math.nan
    return one.spent[number].e2e_s if name == "E2E" else one.spent[number].phases_s[name]


def _signed(value: float) -> str:
    return "-" if math.isnan(value) else f"{'+' if value > 0 else ''}{seconds(value)}" if value else "0 s"


def figure_rows(found: Comparison) -> list[tuple[str, ...]]:
    """What is known of the two runs beside their phases: a name, the better run's, the other's."""
    a, b = found.better, found.worse
    rows: list[tuple[str, ...]] = [("verdict", a.verdict, b.verdict)]
    for metric in ("ttft", "tbt", "e2e"):
        names = [f"{metric}/{p}" for p in ("p50", "p90", "p99")]
        told = [" ".join(seconds(one.figure(f"{name}_s")) for name in names) for one in (a, b)]
        slow = [" ".join(_times(one.figure(f"{name}_slowdown")) for name in names) for one in (a, b)]
        rows += [(f"{metric.upper()} p50 p90 p99", *told), (f"{metric.upper()} slowdown", *slow)]
    rows += [
        ("requests completed, unserved", *(f"{one.completed:,}, {one.unserved:,}" for one in (a, b))),
        ("preemptions a request", *(("-" if math.isnan(n) else f"{n:.2g}") for n in (a.preemptions, b.preemptions))),
        ("machines", *(joined([f"{count} {sku}" for sku, count in one.outcome.machines.items()]) for one in (a, b))),
        ("machines busy", *(_use(one, "utilisation", "utilisation/mean") for one in (a, b))),
        ("KV memory, most", *(_use(one, "memory_peak", "memory/peak_fraction") for one in (a, b))),
        ("$ an hour", *(f"{one.outcome.cost:,.2f}" for one in (a, b))),
        ("power weight", *(f"{one.outcome.power:g}" for one in (a, b))),
    ]
    return rows


def _times(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}×"


def _use(one: Profile, figure: str, summary: str) -> str:
    return _of_roles(one, figure) if one.roles else share(one.figure(summary))


def attribution() -> str:
    """How times are attributed to phases at a percentile."""
    widths = joined([f"p{percent:g} ±{half_width(percent):g}" for percent in PERCENTS])
    return (
        f"Times are means over the requests around a percentile of E2E ({widths} percentage points by rank);"
        " a run's phases add up to its E2E."
    )


def as_json(found: Comparison) -> dict[str, Any]:
    """The comparison as plain values; what is not known is None."""
    return {
        "better": _profile(found.better),
        "worse": _profile(found.worse),
        "why": found.why or None,
        "verdict": paragraph(found),
        "attribution": attribution(),
        "paired": {
            "requests": found.paired_requests,
            "less_s": {name: _known(value) for name, value in found.paired_s.items()},
            "served_sooner": _known(found.faster),
        },
    }


def _profile(one: Profile) -> dict[str, Any]:
    return {
        "name": one.outcome.name,
        "key": one.outcome.key,
        "verdict": one.verdict,
        "rate": one.outcome.rate,
        "cost": one.outcome.cost,
        "power": one.outcome.power,
        "machines": dict(one.outcome.machines),
        "completed": one.completed,
        "unserved": one.unserved,
        "preemptions_per_request": _known(one.preemptions),
        "e2e_around_percentile": {
            f"p{spent.percent:g}": {
                "requests": spent.requests,
                "e2e_s": _known(spent.e2e_s),
                "phases_s": {name: _known(value) for name, value in spent.phases_s.items()},
            }
            for spent in one.spent
        },
        "roles": {
            role.name: {"machines": role.machines, "utilisation": role.utilisation, "memory_peak": role.memory_peak}
            for role in one.roles
        },
        "summary": {name: _known(value) for name, value in one.outcome.summary.items()},
    }


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
