"""The steps that both searches are made of: a coarse look at a probe, and a decision about one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, isfinite, log, sqrt
from typing import Any

from sweep.experiment.question import Question
from sweep.planner.evidence import Probe, ProbeFailed, View
from sweep.planner.space import Cluster
from sync.analysis.repetitions import FEW, Judgement, State, quantile
from sync.results.found import Audit, Checked, Verdict
from sync.results.point_id import Roles

UNTESTED = (1, 2, 4)  # repetitions that may fail without a test; see `hopeless_times`
_FAR = 16.0  # times what is allowed: one repetition of a coarse look that is so far beyond is enough
COARSE = (2, 4)  # repetitions of a coarse look: more where the first do not agree
AUDITED, LEAST_AUDITED = 0.05, 20  # of the clusters that were taken to fail: a share, and a number
LEAST_BEFORE_FUTILE = 16  # repetitions, before a decision is given up
_FUTILE = 0.5  # of the statistic that a decision takes
_VERDICTS: dict[State, Verdict] = {"within": "carries", "beyond": "fails", "undecided": "undecided"}


@dataclass(frozen=True)
class Decision:
    """What became of a probe. `judgement` is None where a run of it failed, for the reason `failure`."""

    probe: Probe
    state: State
    seeds: int
    judgement: Judgement | None
    is_hopeless: bool = False
    failure: str = ""


def looks(question: Question) -> tuple[int, ...]:
    """The numbers of repetitions after which a decision is looked for: 8, 16, 32, 64."""
    counts = [FEW]
    while counts[-1] < question.seeds:
        counts.append(min(2 * counts[-1], question.seeds))
    return tuple(counts)


def tries(question: Question) -> tuple[int, ...]:
    """The numbers of repetitions with which a narrow interval is looked for: 8, 12, 16, 24, 32, 48, 64. Its width ends
    that, and no verdict, so more of them do no harm."""
    counts = looks(question)
    return tuple(sorted({*counts, *(more for count in counts if (more := count + count // 2) < question.seeds)}))


def coarse(view: View, probe: Probe, why: str) -> float:
    """The logarithm of what a few repetitions together take of the tightest limit: up to 0 the probe is likely within
    all limits."""
    look = view.look(probe, 1, why)
    if look.together >= log(_FAR):
        return look.together
    look = view.look(probe, COARSE[0], why)
    if not look.agrees:
        look = view.look(probe, COARSE[1], why)
    return look.together


def hopeless_times(level: float) -> dict[int, float]:
    """How many times what a limit allows one, two or four repetitions take at least, each, that fail without a test.

    Whatever the spread is, a cluster that is within the limit shows any of these with a probability of `level` at most,
    by Ville's inequality: the products of what repetitions take are a martingale whose mean is 1 at most."""
    return {seeds: level ** (-1.0 / seeds) for seeds in UNTESTED}


def hopeless_by(view: View, probe: Probe, level: float, why: str) -> int:
    """How many first repetitions show that a probe is beyond a limit by far; 0 if they do not."""
    needed = hopeless_times(level)
    for seeds, times in needed.items():
        common = view.look(probe, seeds, why).common
        if common >= log(times):
            return seeds
        if common < log(min(needed.values())):
            break
    return 0


def decide(
    view: View, probe: Probe, question: Question, why: str, *, is_to_pass: bool = False, most: int | None = None
) -> Decision:
    """Whether a probe is within the limits, with the error that the question leaves to each of the two claims over all
    looks; undecided after the last look, or after that at `most` seeds. With `is_to_pass` it is also given up, as
    undecided, as soon as what is known is beyond a limit. A probe of which a run failed is undecided."""
    counts, level = looks(question), question.level
    try:
        if seeds := hopeless_by(view, probe, level, why):
            return Decision(probe, "beyond", seeds, view.judge(probe, seeds, why), is_hopeless=True)
        for seeds in counts:
            judgement = view.judge(probe, seeds, why, within=level / len(counts), beyond=level / len(counts))
            if judgement.state != "undecided" or _is_futile(judgement, counts[-1], level):
                break
            if seeds == most or (is_to_pass and judgement.share > 1.0):
                break
    except ProbeFailed as error:
        return Decision(probe, "undecided", 0, None, failure=error.reason)
    return Decision(probe, judgement.state, judgement.seeds, judgement)


def _is_futile(judgement: Judgement, most_seeds: int, level: float) -> bool:
    """Whether even the most seeds are unlikely to decide: both statistics, grown with the square root of the number of
    seeds, would stay below half of what a decision takes. It can only leave undecided what more might have decided."""
    if judgement.seeds < LEAST_BEFORE_FUTILE or judgement.unserved:
        return False
    growth = sqrt(most_seeds / judgement.seeds)
    return growth * max(-judgement.t_within, judgement.t_beyond) < _FUTILE * quantile(1.0 - level, most_seeds - 1)


def audited(view: View, pruned: Sequence[Cluster], rate: float | None) -> Audit | None:
    """Coarse looks at a part of the clusters that were taken to fail at `rate` (None: at the given load), since a
    larger one does; None where there are no such clusters."""
    if not pruned:
        return None
    space = view.evidence.space
    count = min(len(pruned), max(LEAST_AUDITED, ceil(AUDITED * len(pruned))))
    drawn = random.Random(f"{space.system} {space.workload}").sample(pruned, count)
    probes = [Probe(cluster, rate) for cluster in drawn]
    for probe in probes:
        view.need(probe, 1, "audit")
    carrying = [probe for probe in probes if _carries_after_all(view, probe)]
    return Audit(len(pruned), count, tuple(facts_of(view, probe)["design"] for probe in carrying))


def _carries_after_all(view: View, probe: Probe) -> bool:
    """Whether a cluster is likely to carry the load; one repetition that does not ends the look."""
    try:
        return view.look(probe, 1, "audit").together <= 0.0 and coarse(view, probe, "audit") <= 0.0
    except ProbeFailed:
        return False


def checked(view: View, decision: Decision) -> Checked:
    """A decision as a line of the certificate."""
    facts = facts_of(view, decision.probe)
    judgement = decision.judgement
    if judgement is None:
        return Checked(**facts, seeds=0, verdict="undecided", limit=f"a run failed: {decision.failure}"[:200])
    statistic = judgement.t_within if judgement.state == "within" else judgement.t_beyond
    return Checked(
        **facts,
        seeds=judgement.seeds,
        verdict=_VERDICTS[decision.state],
        share=finite(judgement.share),
        limit="" if judgement.limit is None else judgement.limit.told(),
        t=None if decision.is_hopeless else finite(statistic),
    )


def explained(view: View, decision: Decision) -> Checked:
    """A decision on a failing probe as a line that also says what the cluster lacks."""
    line, judgement = checked(view, decision), decision.judgement
    if not view.is_certain or judgement is None or judgement.limit is None:
        return line
    return replace(line, short_of=view.evidence.shortage(decision.probe, judgement.limit.metric))


def facts_of(view: View, probe: Probe) -> dict[str, Any]:
    """The facts of the probe's cluster that a line of the certificate has."""
    point = view.evidence.space.point(probe.cluster, probe.rate, 0, probe.longer)
    roles: Roles = point.roles
    return {
        "design": point.design,
        "machines": dict(point.machines),
        "roles": roles,
        "cost": point.cost,
        "power": point.power,
        "watts": point.watts,
        "rate": point.rate,
    }


def finite(value: float) -> float | None:
    """The value; None where it is infinite or not known."""
    return value if isfinite(value) else None
