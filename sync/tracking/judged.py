"""Metrics and tags of a run that depend on the SLO; they are brought up to date when the experiment's limits change."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

from sim_core.errors import SpecError
from sync.results.curves import unserved_words
from sync.results.outcome import Outcome
from sync.results.point_id import rate_text
from sync.results.privacy import Scrubber
from sync.results.slo import Slo
from sync.results.slo_file import parse_slo
from sync.results.verdict import verdict
from sync.tracking.page import RATE_METRIC, SERVED_METRIC

SLO_TAG = "slo"  # of a run and of an experiment: the limits that verdicts are by, as JSON
WITHIN_METRIC = "slo/within"
NOTE_TAG = "mlflow.note.content"
# Metrics that depend on the SLO begin so; another SLO may have other ones.
JUDGED_METRICS = ("slo/", "goodput/", "cost/good_", "power/good_")
FACT_TAGS = ("design", "workload", "rate", "seed")
LONGEST_TAG = 4000


def judged_metrics(outcome: Outcome, slo: Slo) -> dict[str, float]:
    """Whether the run is within `slo`, its rate as a number to sort and plot by, and the rate that it serves within the
    SLO: all of it or 0. A failed run, of which nothing is known, has the rate alone."""
    rate = {} if outcome.rate is None else {RATE_METRIC: outcome.rate}
    if outcome.status == "failed":
        return rate
    within = float(verdict(outcome, slo).within)
    served = {} if outcome.rate is None else {SERVED_METRIC: within * outcome.rate}
    return {**rate, **served, WITHIN_METRIC: within}


def slo_text(slo: Slo) -> str:
    """The limits as JSON, one text for equal limits."""
    return json.dumps(slo.as_plain(), separators=(",", ":"))


def slo_of_json(text: str) -> Slo | None:
    """The inverse of `slo_text`; None for a text that holds no limits."""
    try:
        return parse_slo(json.loads(text))
    except (ValueError, SpecError):
        return None


def fact_tags(outcome: Outcome) -> dict[str, str]:
    """What the point is, one tag for each fact, for filters such as `tags.rate = "0.3"`."""
    rate = None if outcome.rate is None else rate_text(outcome.rate)
    facts = (outcome.design, outcome.workload, rate, str(outcome.seed))
    return {name: fact for name, fact in zip(FACT_TAGS, facts, strict=True) if fact}


def run_note(outcome: Outcome, slo: Slo, unserved: Mapping[str, int], scrub: Scrubber) -> str:
    """The run's description, Markdown: the verdict, which requests were not served and why, how to run it again."""
    text = verdict(outcome, slo).text
    lines = [f"**{text[:1].upper()}{text[1:]}.**" + (f" SLO: {slo.told()}." if outcome.summary else "")]
    if outcome.error:
        lines.append(outcome.error.partition("\n")[0])
    if unserved:
        lines += ["Not served:", "\n".join(f"- {count} {unserved_words(state)}" for state, count in unserved.items())]
    checkout = f"git checkout {outcome.git_commit}\n" if outcome.git_commit else ""
    command = " \\\n    ".join(["python -m sim_core", *(shlex.quote(scrub(o)) for o in outcome.overrides)])
    again = f"```\n{checkout}{command}\n```"  # in one line it would push the figures off the page
    short = len(again) < LONGEST_TAG // 2
    return "\n\n".join([*lines, "The same run again:", again if short else "see the artifact `reproduce.sh`"])
