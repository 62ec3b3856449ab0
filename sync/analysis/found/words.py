"""What a planner found, in sentences for a person who is to buy the cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from sync.analysis.answers.words import share_text, shown
from sync.analysis.found.compare import bracket, by_workload, comparison, least_words, ratio_of, reference
from sync.analysis.found.texts import (
    down,
    full_name,
    has_cluster,
    label,
    load_words,
    near,
    number_of_seeds,
    price,
    price_of,
    rate_interval,
    short_text,
    time_words,
    times,
    up,
)
from sync.analysis.repetitions import FEW
from sync.analysis.texts import joined
from sync.results.found import Checked, Found, Plan

PARTIAL = "Partial: the search has not come to its end; this is what is known so far."
_MOST_NAMED = 3  # clusters that are named one by one in a sentence
_CHEAPER: Mapping[str, tuple[str, str]] = {  # by measure the words for one, and for several
    "cost": ("cheaper cluster", "cheaper clusters"),
    "watts": ("cluster that draws less", "clusters that draw less"),
    "machines": ("smaller cluster", "smaller clusters"),
    "power": ("cluster of less power weight", "clusters of less power weight"),
}


def sentences(plan: Plan) -> list[str]:
    """That the search is not at its end, where it is not; then of each workload a paragraph a design, and a sentence
    that compares the designs."""
    texts = [] if plan.is_done else [PARTIAL]
    for answers in by_workload(plan):
        texts += [sentence(found, answers) for found in answers]
        texts += [text] if (text := comparison(answers)) else []
    return texts


def sentence(found: Found, answers: Sequence[Found] = ()) -> str:
    """The answer for one design in words; `answers` are those of all designs of its workload."""
    if found.none:
        parts = [_none(found), _next(found)]
    elif not has_cluster(found):
        parts = [_open(found), _next(found)]
    elif found.asks == "most":
        parts = [_most(found, answers), _width(found), _others(found), _binding(found), _longer(found)]
        parts.append(_room(found))
    else:
        ruled_out = _ruled_out(found) if found.decided else _undecided(found)
        parts = [_least(found), ruled_out, _audit(found), _next(found), _room(found), _longer(found), _more(found)]
    return " ".join(filter(None, parts))


def _most(found: Found, answers: Sequence[Found]) -> str:
    rate = found.rate
    if rate is None:
        return ""
    estimate = f"; estimate {near(rate.estimate)}" if rate.high is not None else ""
    text = f"{full_name(found)} carries {rate_interval(rate)} requests/s of {found.workload} within the SLO"
    return f"{text} ({_stands_on(found)}{estimate}){_compared(found, answers)}."


def _stands_on(found: Found) -> str:
    """`95%, 16 seeds, 10 min of arrivals`."""
    parts = [f"{100.0 * found.confidence:.3g}%"]
    if found.seeds:
        few = ", too few to be that sure" if found.seeds < FEW else ""
        parts.append(f"{number_of_seeds(found.seeds)}{few}")
    if found.horizon_s:
        parts.append(f"{time_words(found.horizon_s)} of arrivals")
    return ", ".join(parts)


def _compared(found: Found, answers: Sequence[Found]) -> str:
    """`, 1.31 times [1.28, 1.34] Baseline-H100`: against the best of the baselines."""
    other = reference(found, answers)
    if other is None or (compared := ratio_of(found, other)) is None:
        return ""
    return f", {compared.estimate:.2f} times [{compared.low:.2f}, {compared.high:.2f}] {shown(other.system)}"


def _width(found: Found) -> str:
    """How wide the interval is where it is wider than was asked for, and why."""
    if found.decided or found.rate is None:
        return ""
    why = f" ({_clause(found.why_open)})" if found.why_open else ""
    if found.rate.high is None or not found.rate.low:
        return f"How much more it carries is open{why}."
    wide = found.rate.high / found.rate.low - 1.0
    if wide <= found.width:
        return f"It is not decided{why}."
    return f"It is not decided: the interval is {wide:.1%} wide, and {100.0 * found.width:.3g}% was asked for{why}."


def _others(found: Found) -> str:
    """What became of the other clusters of a design of which the best was searched."""
    lower = {c.design for c in found.certificate if c.verdict in ("fails", "inferred")} - {found.design}
    out, still = len(lower), len({c.design for c in found.certificate} - lower - {found.design})
    if not out and not still:
        return ""
    total = "The other cluster" if out + still == 1 else f"Of the {out + still:,} other clusters"
    if out + still == 1:
        return f"{total} of the design that was searched {'carries less' if out else 'may carry as much'}."
    text = f"{total} of the design that were searched {out:,} {'carries' if out == 1 else 'carry'} less"
    return f"{text}, {still:,} may carry as much." if still else f"{text}."


def _binding(found: Found) -> str:
    """`At 153 TBT p90 is beyond its limit: it is short of machines for decodes.`"""
    if not found.binding or found.rate is None or found.rate.high is None:
        return ""
    short = f": {text}" if (text := short_text(found.short_of)) else ""
    return f"At {up(found.rate.high)} {found.binding} is beyond its limit{short}."


def _longer(found: Found) -> str:
    """Whether the answer holds for longer than its horizon."""
    checked = found.longer
    horizon = time_words(found.horizon_s) if found.horizon_s else "its horizon"
    if found.holds_longer is None or checked is None:
        return f"Whether it holds for longer than {horizon} was not checked."
    time = time_words(checked.horizon_s)
    if found.holds_longer:
        return f"It holds for {time}, too ({number_of_seeds(checked.seeds)})."
    beyond = "" if not checked.limit else f"{checked.limit} is beyond its limit"
    if checked.limit and checked.share is not None:
        beyond = f"{checked.limit} takes {times(checked.share)}"
    return f"It does not hold for {time}" + (f": in the last third of {time} {beyond}." if beyond else ".")


def _room(found: Found) -> str:
    """`It takes 71.0% of its tightest limit.`"""
    if found.share is None:
        return ""
    at = f"At {down(found.rate.low)} it" if found.asks == "most" and found.rate is not None else "It"
    return f"{at} takes {share_text(found.share)} of its tightest limit."


def _least(found: Found) -> str:
    value = price(found.value or 0.0, found.measure)
    start = f"To {load_words(found)} within the SLO, {full_name(found)}"
    if found.decided:
        return f"{start} {least_words(found.measure)} of its design: {value} ({_stands_on(found)})."
    return f"{start} is enough, at {value} ({_stands_on(found)}); whether it {least_words(found.measure)} is open."


def _ruled_out(found: Found) -> str:
    """What happened to the clusters that are cheaper."""
    value = found.value or 0.0
    counts = Counter(c.verdict for c in found.certificate if price_of(c, found.measure) < value)
    cheaper, _ = _CHEAPER.get(found.measure, _CHEAPER["cost"])
    if not counts["fails"] and not found.below:
        return f"The search has no {cheaper} of its design."
    if not found.below:
        return f"Every {cheaper} of the design fails ({counts['fails']:,} probed)."
    below = f"{counts['fails']:,} probed, {found.below:,} below them"
    return (
        f"Every {cheaper} of the design fails or has fewer machines than one that does ({below}{_also_probed(found)})."
    )


def _also_probed(found: Found) -> str:
    """The audit that found nothing, within the count of clusters."""
    if found.audit is None or found.audit.violations or not found.audit.probed:
        return ""
    which = "1 of these was" if found.audit.probed == 1 else f"{found.audit.probed:,} of these were"
    return f"; {which} probed after all, none carries the load"


def _audit(found: Found) -> str:
    """An audit that found a cluster which should have failed."""
    if found.audit is None or not found.audit.violations:
        return ""
    names = [label(name, found.system) for name in found.audit.violations]
    few, more = names[:_MOST_NAMED], len(names) - _MOST_NAMED
    text = joined([*few, f"{more} more"]) if more > 0 else joined(few)
    carry = "carries" if len(names) == 1 else "carry"
    return (
        f"Warning: of {found.audit.probed:,} clusters that were ruled out by a larger one that fails and probed after"
        f" all, {text} {carry} the load: here more machines do not always carry more."
    )


def _undecided(found: Found) -> str:
    """Which cheaper clusters are not decided."""
    why = f" ({_clause(found.why_open)})" if found.why_open else ""
    if not found.undecided:
        return f"Cheaper clusters are not decided{why}."
    count = len(found.undecided)
    named = [_undecided_text(found, checked) for checked in found.undecided[:_MOST_NAMED]]
    more = [f"{count - _MOST_NAMED} more"] if count > _MOST_NAMED else []
    cheaper, many = _CHEAPER.get(found.measure, _CHEAPER["cost"])
    which = f"One {cheaper} is" if count == 1 else f"{count:,} {many} are"
    low, high = bracket(found)
    ends = f" The least is from {price(low, found.measure)} to {price(high, found.measure)}." if low < high else ""
    return f"{which} not decided: {joined(named + more)}{why}.{ends}"


def _undecided_text(found: Found, checked: Checked) -> str:
    """`11P+16T ($701.76 an hour; 64 seeds take 98.7% of TTFT p99)`."""
    text = price(price_of(checked, found.measure), found.measure)
    if checked.verdict == "open" or not checked.seeds:
        return f"{label(checked.design, found.system)} ({text}; not probed)"
    taken = (
        f" take {share_text(checked.share)} of {checked.limit}" if checked.share is not None and checked.limit else ""
    )
    return f"{label(checked.design, found.system)} ({text}; {number_of_seeds(checked.seeds)}{taken})"


def _next(found: Found) -> str:
    """`Next smaller: 12P+15T fails at TBT p90 (1.4 times what it may; it is short of machines for decodes).`"""
    if not found.next:
        return ""
    texts = [_next_text(found, checked) for checked in found.next[:_MOST_NAMED]]
    return f"{'' if found.none else 'Next smaller: '}{'; '.join(texts)}."


def _next_text(found: Found, checked: Checked) -> str:
    name = label(checked.design, found.system)
    if checked.verdict == "inferred":
        return f"{name} has fewer machines than {label(checked.below, found.system)}, which fails"
    if checked.verdict == "carries":
        return f"{name} carries it, too"
    if checked.verdict != "fails":
        seeds = f" with {number_of_seeds(checked.seeds)}" if checked.seeds else ""
        return f"{name} is not decided{seeds}"
    how = [times(checked.share)] if checked.share is not None and checked.share > 1.0 else []
    how += [text] if (text := short_text(checked.short_of)) else []
    at = f" at {checked.limit}" if checked.limit else ""
    return f"{name} fails{at}" + (f" ({'; '.join(how)})" if how else "")


def _more(found: Found) -> str:
    """`A tenth more load (77 requests/s) costs about $62.00 an hour more (...).`"""
    more = found.more
    if more is None:
        return ""
    extra = more.cost - found.cost
    cost = f"about ${extra:,.2f} an hour more" if extra > 0.0 else "nothing more"
    how = f"{label(more.design, found.system)}, an estimate from {number_of_seeds(more.seeds)}"
    how = "in proportion to the load, not searched" if more.is_in_proportion else how
    return f"A tenth more load ({near(more.rate)} requests/s) costs {cost} ({how})."


def _none(found: Found) -> str:
    """That no rate, or no cluster, does."""
    why = f": {_clause(found.why_open)}" if found.why_open else ""
    if found.asks == "least":
        start = f"No {shown(found.system)} cluster of the search can {load_words(found)} within the SLO"
        return f"{start} ({_stands_on(found)}){why}."
    tried = f", not even {near(found.high)} requests/s" if found.high else ""
    text = f"{full_name(found)} carries no rate of {found.workload} within the SLO{tried} ({_stands_on(found)}){why}."
    if not found.binding:
        return text
    short = f": {clause}" if (clause := short_text(found.short_of)) else ""
    return f"{text} {found.binding} is beyond its limit{short}."


def _open(found: Found) -> str:
    """That nothing is known for certain yet, and why."""
    why = f": {_clause(found.why_open)}" if found.why_open else ""
    if found.asks == "least":
        which = f"which {shown(found.system)} cluster {least_words(found.measure)}"
        return f"It is open {which} to {load_words(found)} within the SLO{why}."
    ends = [f"at least {down(found.low)}"] if found.low else []
    ends += [f"less than {up(found.high)}"] if found.high else []
    known = f"; it is {joined(ends)} requests/s" if ends else ""
    return f"It is open how much of {found.workload} {full_name(found)} carries within the SLO{why}{known}."


def _clause(text: str) -> str:
    """A reason within a sentence: without the full stop of its own."""
    return text.strip().rstrip(".")
