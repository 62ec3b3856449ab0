"""What a planner found, as tables: the terminal, Markdown and the report show these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from configs.figure import figure
from sync.analysis.answers.words import share_text, shown
from sync.analysis.found.compare import best_first, by_workload, least_words, ratios
from sync.analysis.found.texts import (
    full_name,
    has_cluster,
    near,
    price,
    price_of,
    rate_interval,
    time_words,
)
from sync.analysis.texts import Table, number
from sync.results.found import Checked, Found, Plan
from sync.results.point_id import cluster_text, rate_text

OF_THE_LIMIT = (
    "Of limit: what the requests of all seeds take of the answer's tightest limit; 100% is at the limit. Limit: the one"
    " that decides at the next rate, or in the next smaller cluster."
)
_FIRST = frozenset({0})


def tables(plan: Plan, *, whole: bool = False) -> list[Table]:
    """All tables that have something to say. The certificate is counted; with `whole` every cluster has a row."""
    made: list[Table | None] = []
    for answers in by_workload(plan):
        made += [designs(answers), ratio_table(answers), ruled_out(answers)]
        made += [certificate(found) for found in answers] if whole else []
    return [table for table in (*made, cost_of_search(plan)) if table is not None]


def designs(answers: Sequence[Found]) -> Table:
    """The answer of each design, the best first, then those that have none."""
    first = answers[0]
    ranked = best_first(answers)
    ordered = [*ranked, *(found for found in answers if not has_cluster(found))]
    sure = f"{100.0 * first.confidence:.3g}%"
    if first.asks == "most":
        title = f"{first.workload}: what each design carries within the SLO, requests/s ({sure})"
        value_heads: tuple[str, ...] = ("requests/s", "estimate")
    else:
        load = first.workload if first.load is None else f"{first.workload} at {rate_text(first.load)} requests/s"
        title = f"{load}: the cluster of each design that {least_words(first.measure)} ({sure})"
        value_heads = ("value",) if first.measure in ("power", "machines") else ()
    is_by_watts = all(found.watts for found in ranked)
    heads = ("design", *value_heads, "machines", "$/h", "kW" if is_by_watts else "weight", "limit", "of limit",
             "decided", "seeds", "for longer")  # fmt: skip
    rows = tuple(_design(found, is_by_watts, len(value_heads)) for found in ordered)
    at = 1 + len(value_heads)
    words = frozenset({0, at, at + 3, at + 5, at + 7})
    return Table(title, heads, rows, words, spare=(at + 7, at + 2, at + 6, at), names=_FIRST)


def _design(found: Found, is_by_watts: bool, values: int) -> tuple[str, ...]:
    if not has_cluster(found):
        state = "none" if found.none else "open"
        return (full_name(found), *["-"] * (values + 3), found.binding or "-", "-", state, _seeds(found), "-")
    draws = figure(found.watts / 1000.0 if is_by_watts else found.power)
    answer: tuple[str, ...] = ()
    if found.asks == "most" and found.rate is not None:
        answer = (rate_interval(found.rate), near(found.rate.estimate))
    elif values:
        answer = (price(found.value or 0.0, found.measure).removesuffix(" machines").removeprefix("power weight "),)
    return (
        full_name(found),
        *answer,
        cluster_text(found.machines, found.roles),
        f"{found.cost:,.2f}",
        draws,
        found.binding or "-",
        share_text(found.share),
        _decided(found),
        _seeds(found),
        _longer(found),
    )


def _decided(found: Found) -> str:
    if found.decided:
        return "yes"
    return f"no, {len(found.undecided):,} open" if found.undecided else "no"


def _seeds(found: Found) -> str:
    return f"{found.seeds}" if found.seeds else "-"


def _longer(found: Found) -> str:
    """What the check of a longer horizon says: `holds an hour`."""
    if found.holds_longer is None or found.longer is None:
        return "not checked"
    time = time_words(found.longer.horizon_s)
    return f"holds {time}" if found.holds_longer else f"fails over {time}"


def ratio_table(answers: Sequence[Found]) -> Table | None:
    """The ratios of all pairs of designs that have one."""
    rows = tuple(
        (
            full_name(pair.one),
            full_name(pair.other),
            f"{pair.estimate:.2f}",
            f"{pair.low:.2f} to {pair.high:.2f}",
        )
        for pair in ratios(answers)
    )
    first = answers[0]
    what = "the rate that it carries" if first.asks == "most" else f"what it takes ({first.measure})"
    title = f"{first.workload}: {what}, as a multiple of another design's"
    return Table(title, ("design", "to", "ratio", "interval"), rows, frozenset({0, 1})) if rows else None


def ruled_out(answers: Sequence[Found]) -> Table | None:
    """How the other clusters of each design were ruled out, in counts."""
    rows = []
    for found in answers:
        counts = Counter(checked.verdict for checked in found.certificate)
        limits = Counter(checked.limit for checked in found.certificate if checked.verdict == "fails" and checked.limit)
        audit = found.audit
        if found.certificate or audit is not None:
            open_ones = counts["undecided"] + counts["open"]
            rows.append(
                (
                    shown(found.system),
                    f"{counts['fails']:,}",
                    f"{found.below:,}",
                    f"{open_ones:,}",
                    "-" if audit is None else f"{audit.probed:,}",
                    "-" if audit is None else f"{len(audit.violations):,}",
                    ", ".join(f"{limit} {count:,}" for limit, count in limits.most_common()) or "-",
                )
            )
    title = f"{answers[0].workload}: how the other clusters were ruled out"
    heads = ("system", "probed, fail", "below these", "open", "probed after all", "of these carry", "fail at")
    return Table(title, heads, tuple(rows), frozenset({0, 6}), spare=(6,)) if rows else None


def certificate(found: Found) -> Table | None:
    """Every cluster that was ruled out, or is open, with what is known of it."""
    rows = tuple(_checked(found, checked) for checked in (*found.certificate, *found.undecided))
    title = f"{found.workload}: what rules out each other cluster of {shown(found.system)}"
    heads = ("design", "machines", found.measure if found.asks == "least" else "$/h", "requests/s", "verdict", "seeds",
             "t", "of limit", "limit", "short of", "below")  # fmt: skip
    words = frozenset({0, 1, 4, 8, 9, 10})
    return Table(title, heads, rows, words, names=_FIRST).known() if rows else None


def _checked(found: Found, checked: Checked) -> tuple[str, ...]:
    measure = found.measure if found.asks == "least" else "cost"
    return (
        checked.design,
        cluster_text(checked.machines, checked.roles),
        price(price_of(checked, measure), measure).removesuffix(" an hour").removeprefix("$"),
        "-" if checked.rate is None else rate_text(checked.rate),
        checked.verdict,
        f"{checked.seeds}",
        number(checked.t, "{:.2f}"),
        share_text(checked.share),
        checked.limit or "-",
        checked.short_of or "-",
        checked.below or "-",
    )


def cost_of_search(plan: Plan) -> Table | None:
    """How much was simulated for each answer."""
    rows = tuple(
        (full_name(found), found.workload, f"{found.probes:,}", f"{found.runs:,}", f"{found.requests:,}")
        for found in plan.found
    )
    heads = ("design", "workload", "probes", "runs", "requests")
    return Table("What the search took", heads, rows, frozenset({0, 1})) if rows else None


def notes(plan: Plan, *, whole: bool = False) -> list[str]:
    """What the tables' words mean, and what the whole search took; where certificates are only counted, also what lists
    them."""
    confidences = {found.confidence for found in plan.found}
    lines = [OF_THE_LIMIT]
    if not whole and any(found.certificate for found in plan.found):
        lines.append("`python -m sync answers SWEEP --format markdown` lists each cluster that was ruled out, and why.")
    for confidence in sorted(confidences):
        both = max(0.0, 2.0 * confidence - 1.0)
        lines.append(
            f"An interval holds at {100.0 * confidence:.3g}%; the interval of a ratio is made of two of them and holds"
            f" at {100.0 * both:.3g}% at least."
        )
    wasted = f", of which {plan.wasted:,} were made ahead and not needed" if plan.wasted else ""
    runs = "1 run" if plan.runs == 1 else f"{plan.runs:,} runs"
    return [*lines, f"The whole search: {runs}{wasted}; {plan.requests:,} requests."]
