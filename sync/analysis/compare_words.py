"""A comparison of two runs as a paragraph, as tables and as JSON, all of the same figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from configs.figure import figure
from sync.analysis.compare import PERCENTS, PHASES, Profile, RunComparison, half_width
from sync.analysis.compare_seeds import SeedComparison, one_draw, seeds_headline, seeds_json
from sync.analysis.texts import Table, joined
from sync.results.metrics import METRICS, SLOWDOWN_PERCENTILES
from sync.results.point_id import cluster_text

WORDS: Mapping[str, str] = {
    "queue": "waiting for the prompt",
    "prompt": "prompt",
    "transfer": "transfer of the KV cache",
    "wait": "waiting for the first decode",
    "decode": "decode",
    "preempted": "preempted",
}
DOING: Mapping[str, str] = {**WORDS, "prompt": "in their prompt", "transfer": "in transfer", "decode": "decoding"}
_SMALL = 0.1  # share of the difference in E2E time below which a phase is not named
_ALIKE = 0.005  # relative difference up to which two figures are called equal
_WIDTHS = joined([f"p{percent:g} ±{half_width(percent):g}" for percent in PERCENTS])
_ATTRIBUTION = (
    f"Times are means over the requests around a percentile of E2E ({_WIDTHS} percentage points by rank);"
    " a run's phases add up to its E2E."
)


def seconds(value: float) -> str:
    """Seconds in a sentence, with at most three significant digits; `-` for NaN."""
    if math.isnan(value):
        return "-"
    return f"{value:.3g} s" if abs(value) < 1000 else f"{value:,.0f} s"


def share(value: float) -> str:
    """A share in percent, `-` for NaN."""
    return "-" if math.isnan(value) else f"{value:.0%}"


def _slowdown(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}×"


def paragraph(found: RunComparison, seeds: SeedComparison | None = None) -> str:
    """Which run is better, by what, where the time goes, how busy and full the machines are, and what they cost. With
    several seeds on both sides they say which configuration is better, and the rest is of the two runs alone."""
    a, b = found.better, found.worse
    if seeds is not None and seeds.have_intervals:
        parts = [seeds_headline(seeds), one_draw(seeds), _these_runs(a, b), _other_requests(a, b)]
    else:
        parts = [_headline(found), "" if seeds is None else one_draw(seeds), _other_requests(a, b)]
    if a.spent and b.spent:
        parts += [_decisive(found), _time(found), _paired(found), _preemptions(a, b)]
    parts += [_machines(a, b), _price(a, b)]
    return " ".join(filter(None, parts))


def _headline(found: RunComparison) -> str:
    a, b = found.better, found.worse
    if not found.why:
        return f"Nothing tells {a.outcome.name} and {b.outcome.name} apart: both are {a.judged.text}."
    if a.judged.text == b.judged.text:
        verdicts = f" (both are {a.judged.text})"
    elif a.judged.within:
        verdicts = f", the other is not ({b.judged.text})"
    else:
        verdicts = f" ({a.judged.text}; the other {b.judged.text})"
    return f"{a.outcome.name} beats {b.outcome.name}: {found.why}{verdicts}."


def _these_runs(a: Profile, b: Profile) -> str:
    """Which draws the sentences that follow are about."""
    first, second = a.outcome.seed, b.outcome.seed
    which = f"seed {first}" if first == second else f"seeds {first} and {second}"
    return f"What follows is of one run of each, {which}: {a.outcome.name} (A) against {b.outcome.name}."


def _other_requests(a: Profile, b: Profile) -> str:
    if a.outcome.trace_identity == b.outcome.trace_identity:
        return ""
    loads = [f"{o.rate:g} requests/s of {o.workload}" if o.rate else o.workload for o in (a.outcome, b.outcome)]
    return f"They did not serve the same requests ({loads[0]} against {loads[1]}): their times compare loads as well."


def _decisive(found: RunComparison) -> str:
    """The limit that only the better run meets, and the phase that makes the most of the difference there."""
    if found.decisive is None:
        return ""
    limit, good_spent, bad_spent = found.decisive
    good, bad = good_spent.phases_s, bad_spent.phases_s
    phases = {"ttft": PHASES[:2], "tbt": PHASES[2:]}.get(limit.metric, PHASES)
    most = max(phases, key=lambda name: bad[name] - good[name])
    form, alone = (seconds, "") if limit.unit == "seconds" else (_slowdown, " as slow as alone")
    good_text, bad_text = (form(run.figure(limit.figure)) for run in (found.better, found.worse))
    return (
        f"What decides most is {limit.told()}: {good_text} against {bad_text}{alone}, with a limit of"
        f" {form(limit.largest)}; around there its requests are {seconds(good[most])} {DOING[most]}, the other's"
        f" {seconds(bad[most])}."
    )


def _time(found: RunComparison) -> str:
    """How much less time requests around p90 of E2E take, and the phases that make the difference."""
    good, bad = found.better.spent[1], found.worse.spent[1]
    less = {name: bad.phases_s[name] - good.phases_s[name] for name in PHASES}
    total = bad.e2e_s - good.e2e_s
    text = f"Around p90 of E2E its requests take {seconds(good.e2e_s)} against {seconds(bad.e2e_s)}"
    if abs(total) <= _ALIKE * max(good.e2e_s, bad.e2e_s):
        return f"{text}, which is the same."
    gains = _named(less, lambda value: value / total >= _SMALL)
    losses = _named(less, lambda value: value / total <= -_SMALL)
    text += f", {_less(total)}: {gains or 'a little in each phase'}"
    return text + (f"; against that, {losses}." if losses else ".")


def _named(less: Mapping[str, float], wanted: Callable[[float], bool]) -> str:
    ordered = sorted((name for name in PHASES if wanted(less[name])), key=lambda name: -abs(less[name]))
    return joined([f"{_less(less[name])} {WORDS[name]}" for name in ordered])


def _less(value: float) -> str:
    return f"{seconds(abs(value))} {'less' if value >= 0 else 'more'}"


def _paired(found: RunComparison) -> str:
    if not found.paired_requests:
        return ""
    less = _less(math.fsum(found.paired_s.values()))
    return (
        f"Over the {found.paired_requests:,} requests that both completed, it takes {less} in the mean, and serves"
        f" {share(found.faster)} of them sooner."
    )


def _preemptions(a: Profile, b: Profile) -> str:
    if max(a.preemptions, b.preemptions) < 0.1:
        return ""
    return f"A request is preempted {a.preemptions:.2g} times in the mean, against {b.preemptions:.2g}."


def _machines(a: Profile, b: Profile) -> str:
    if not a.roles or not b.roles:
        busy = [run.figure("utilisation/mean") for run in (a, b)]
        if any(map(math.isnan, busy)):
            return ""
        return f"Its machines are busy {share(busy[0])} of the time against {share(busy[1])}."
    return (
        f"Its machines are busy {_by_role(a, 'utilisation')} of the time, the other's {_by_role(b, 'utilisation')};"
        f" their KV memory is at most {_by_role(a, 'memory_peak')} full, the other's {_by_role(b, 'memory_peak')}."
    )


def _by_role(run: Profile, figure: str) -> str:
    if len(run.roles) == 1:
        return share(getattr(run.roles[0], figure))
    return joined([f"{share(getattr(role, figure))} ({role.name})" for role in run.roles])


def _price(a: Profile, b: Profile) -> str:
    cost = _against(a.outcome.cost, b.outcome.cost, "costs ${:,.2f} an hour against ${:,.2f}", "costs as much")
    if a.outcome.watts and b.outcome.watts:
        draws = _against(a.outcome.watts, b.outcome.watts, _kilowatts(a, b), "draws as much")
    else:
        words = "draws {:g} against {:g} by the machines' power weights"
        draws = _against(a.outcome.power, b.outcome.power, words, "draws as much")
    return f"It {cost} and {draws}."


def _kilowatts(a: Profile, b: Profile) -> str:
    first, second = (figure(run.outcome.watts / 1000.0) for run in (a, b))
    return f"draws {first} kW against {second} kW by nameplate"


def _against(value: float, other: float, words: str, same: str) -> str:
    if abs(value - other) <= _ALIKE * max(value, other):
        return same
    text = words.format(value, other)
    return f"{text} ({abs(value / other - 1):.0%} {'less' if value < other else 'more'})" if other else text


def time_table(found: RunComparison) -> Table:
    """By phase, for each percentile the better run's time (A), the other's (B), and the difference; E2E last."""
    rows = []
    for name in (*PHASES, "E2E"):
        cells = [name]
        for number in range(len(PERCENTS)):
            a, b = (_time_in(run, number, name) for run in (found.better, found.worse))
            cells += [figure(a), figure(b), f"{'+' if a > b else ''}{figure(a - b)}"]
        rows.append(tuple(cells))
    heads = [f"p{percent:g} {side} (s)" for percent in PERCENTS for side in ("A", "B", "A-B")]
    differences = tuple(range(3, len(heads) + 1, 3))  # a screen without room for all can do without these
    return Table(_ATTRIBUTION, ("phase", *heads), tuple(rows), has_total=True, spare=differences)


def _time_in(run: Profile, number: int, name: str) -> float:
    if not run.spent:
        return math.nan
    return run.spent[number].e2e_s if name == "E2E" else run.spent[number].phases_s[name]


def figure_table(found: RunComparison) -> Table:
    """The other figures of the two runs, the better one (A) first."""
    runs = found.better, found.worse
    rows: list[tuple[str, ...]] = [("verdict", *(run.judged.text for run in runs))]
    for metric in METRICS:
        for unit, title in (("s", "(s)"), ("slowdown", "slowdown (×)")):
            names = [f"{metric}/{percentile}_{unit}" for percentile in SLOWDOWN_PERCENTILES]
            cells = (" ".join(figure(run.figure(name)) for name in names) for run in runs)
            rows.append((f"{metric.upper()} {' '.join(SLOWDOWN_PERCENTILES)} {title}", *cells))
    rows += [row for head, text in _FIGURES.items() if set((row := (head, *map(text, runs)))[1:]) != {"-"}]
    return Table("", ("figure", "A", "B"), tuple(rows), frozenset({0, 1, 2}))


_FIGURES: Mapping[str, Callable[[Profile], str]] = {
    "requests completed, unserved": lambda run: f"{run.completed:,}, {int(run.outcome.unserved):,}",
    "preemptions a request": lambda run: "-" if math.isnan(run.preemptions) else f"{run.preemptions:.2g}",
    "machines": lambda run: cluster_text(run.outcome.machines, run.outcome.roles),
    "machines busy": lambda run: _by_role(run, "utilisation") if run.roles else share(run.figure("utilisation/mean")),
    "KV memory, most": lambda run: (
        _by_role(run, "memory_peak") if run.roles else share(run.figure("memory/peak_fraction"))
    ),
    "cost ($/h)": lambda run: f"{run.outcome.cost:,.2f}",
    "power (weight)": lambda run: f"{run.outcome.power:g}",
    "power (kW by nameplate)": lambda run: figure(run.outcome.watts / 1000) if run.outcome.watts else "-",
}


def as_json(found: RunComparison, seeds: SeedComparison | None = None) -> dict[str, Any]:
    """The comparison as plain values; what is not known is None. `seeds` has what all seeds of both say."""
    values = {
        "better": _profile(found.better),
        "worse": _profile(found.worse),
        "why": found.why or None,
        "verdict": paragraph(found, seeds),
        "seeds": None if seeds is None else seeds_json(seeds),
        "attribution": _ATTRIBUTION,
        "paired": {"requests": found.paired_requests, "less_s": found.paired_s, "served_sooner": found.faster},
    }
    return {name: _known(value) for name, value in values.items()}


def _profile(run: Profile) -> dict[str, Any]:
    outcome = run.outcome
    return {
        "name": outcome.name,
        "key": outcome.key,
        "verdict": run.judged.text,
        **{name: getattr(outcome, name) for name in ("rate", "cost", "power", "machines")},
        "completed": run.completed,
        "unserved": int(run.outcome.unserved),
        "preemptions_per_request": run.preemptions,
        "e2e_around_percentile": {
            f"p{spent.percent:g}": {"requests": spent.requests, "e2e_s": spent.e2e_s, "phases_s": spent.phases_s}
            for spent in run.spent
        },
        "roles": {
            role.name: {"machines": role.machines, "utilisation": role.utilisation, "memory_peak": role.memory_peak}
            for role in run.roles
        },
        "summary": outcome.summary,
    }


def _known(value: Any) -> Any:
    """The value as JSON takes it: None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {name: _known(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_known(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
