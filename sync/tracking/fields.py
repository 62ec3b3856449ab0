"""An outcome as parameters, metrics and tags of an MLflow run, without secrets. Does not import mlflow."""

from __future__ import annotations

import getpass
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sync.results.curves import BY_PERCENTILE, OVER_TIME, Derived, unserved_words
from sync.results.energy import ENERGY_FIGURES
from sync.results.figures import provisioned
from sync.results.outcome import Outcome, SweepInfo, checksum
from sync.results.plugins import plugins_text
from sync.results.point_id import rate_text
from sync.results.privacy import Scrubber, in_texts
from sync.results.slo import Slo
from sync.results.verdict import verdict
from sync.tracking.artifacts import outcome_values, reproduce
from sync.tracking.page import (
    COST_TAG,
    LONGEST_TAG,
    RATE_METRIC,
    SERVED_METRIC,
    SUPERSEDED_TAG,
    run_note,
    saved_view,
    shown_times,
)

SLO_TAG = "slo"  # of a run and of an experiment: the limits that verdicts are by, as JSON
WITHIN_METRIC = "slo/within"
PLAN_TAG = "sweep.plan"  # of an experiment: how many points it has, and its systems with their rates, as JSON
NOTE_TAG = "mlflow.note.content"
# Metrics that depend on the SLO begin so; another SLO may have other ones.
JUDGED_METRICS = ("slo/", "goodput/", "cost/good_", "power/good_")
FACT_TAGS = ("design", "workload", "rate", "seed", "model", "performance_model", "batching", "kernels", "horizon_s")
KEY_TAG = "config.hash"
SWEEP_TAG = "sweep.id"
FULL_REPORT_TAG = "sweep.full_report"  # of how many runs it is
REPORT_TAG = "sweep.report"
FOUND_TAG = "sweep.found"  # of the report: the beginning of the digest of its found.json; empty: it does not count
ASKED_TAG = "asked"  # of a run that a planner asked for: why
SAME_TAG = "point.identity"
COLOR_TAG = "mlflow.runColor"
# The beginning of the digest of the outcome in `OUTCOME_FILE`; of former versions the outcome itself, as JSON.
# The interface hides tags that begin so.
OUTCOME_TAG = "mlflow.outcome"
# Tags that the experiment decides, also after a run was written.
CHANGING_TAGS = {
    "verdict",
    SLO_TAG,
    NOTE_TAG,
    *FACT_TAGS,
    SAME_TAG,
    ASKED_TAG,
    OUTCOME_TAG,
    COST_TAG,
    "TTFT",
    "TBT",
    "E2E",
    "point.name",
}
COST_METRIC, _POWER, _CPU, _WALL = "cost/dollars_per_hour", "power/weight", "run/cpu_s", "run/wall_s"
NOT_IN_SUMMARY = {  # metrics of ours beside it
    *(COST_METRIC, _POWER, _CPU, _WALL, RATE_METRIC, SERVED_METRIC, WITHIN_METRIC, "power/watts"),
    *("cost/requests_per_dollar", "cost/good_requests_per_dollar"),
    *("power/requests_per_kwh", "power/good_requests_per_kwh"),
    *ENERGY_FIGURES,
}
MACHINES_PARAM = "machines."  # and the machine type
CURVES = (f"{BY_PERCENTILE}/", f"{OVER_TIME}/")
_LONGEST_DIGEST = 36
# Figures of the summary that nobody compares between runs: they are no metrics, and in `artifacts.OUTCOME_FILE` alone.
_NO_KEY_FIGURE = re.compile(r"(^|/)(run/events|\w+/(p95|max)_s)$")
_NOT_IN_A_NAME = re.compile(r"[^\w\-. :/]", re.ASCII)
_IN_QUOTES = re.compile(r"'([^'\\]*)'")  # as an override has a name that looks like a number
_SCHEDULER = re.compile(r"applications\.\d+\.scheduler=(?P<name>.+)")


def params(outcome: Outcome, scrub: Scrubber) -> dict[str, str]:
    """The settings, those that tell points apart first; where a name comes twice its first value counts."""
    schedulers = [m["name"] for o in outcome.overrides if (m := _SCHEDULER.fullmatch(o.lstrip("+")))]
    chosen: dict[str, object] = {
        "system": outcome.system,
        "machines": " + ".join(f"{count} {sku}" for sku, count in outcome.machines.items()),
        "scheduler": schedulers[-1] if schedulers else None,
        "rate": None if outcome.rate is None else rate_text(outcome.rate),
        "workload": outcome.workload,
        "seed": outcome.seed,
        "trace": outcome.trace,
        "design": outcome.design,
        "model": outcome.model or None,
        "performance_model": outcome.performance_model or None,
        "batching": outcome.batching or None,
        "kernels": outcome.kernels or None,
        "horizon_s": outcome.horizon_s,
        "concurrency": outcome.concurrency,
        **{f"{role}_machines": sum(machines.values()) for role, machines in outcome.roles.items()},
    }
    for name, value in outcome.axes.items():
        chosen.setdefault(name, value)
    for sku, count in outcome.machines.items():
        chosen.setdefault(f"{MACHINES_PARAM}{sku}", count)
    for override in outcome.overrides:
        name, _, value = override.lstrip("+~").partition("=")
        in_quotes = _IN_QUOTES.fullmatch(value)
        chosen.setdefault(name, in_quotes[1] if in_quotes else value)
    return {_name(k): scrub(_text(v)) for k, v in chosen.items() if v is not None and _text(v)}


def metrics(outcome: Outcome, slo: Slo) -> dict[str, float]:
    """The figures that are compared, in sections, and whether they are within `slo`; values that are not finite, which
    cannot be plotted, are left out."""
    values = {
        **{name: value for name, value in outcome.summary.items() if not _NO_KEY_FIGURE.search(name)},
        **judged_metrics(outcome, slo),
        **provisioned(outcome),
        COST_METRIC: outcome.cost,
        _POWER: outcome.power,
        _CPU: outcome.cpu_s,
        _WALL: outcome.wall_s,
    }
    return {_name(k): float(v) for k, v in values.items() if math.isfinite(v)}


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


def plan_text(sweep: SweepInfo) -> str:
    """What a sweep plans, as JSON; without its systems where there is no room for them. Empty for single runs."""
    if not sweep.points:
        return ""
    systems = {name: list(rates) for name, rates in sweep.systems.items()}
    text = json.dumps({"points": sweep.points, "systems": systems}, separators=(",", ":"))
    return text if len(text) <= LONGEST_TAG else json.dumps({"points": sweep.points, "systems": {}})


def fact_tags(outcome: Outcome) -> dict[str, str]:
    """What the point is, one tag for each fact, for filters such as `tags.rate = "0.3"`."""
    rate = None if outcome.rate is None else rate_text(outcome.rate)
    horizon_s = None if outcome.horizon_s is None else f"{outcome.horizon_s:g}"
    of_the_point = (outcome.design, outcome.workload, rate, str(outcome.seed))
    facts = (*of_the_point, outcome.model, outcome.performance_model, outcome.batching, outcome.kernels, horizon_s)
    return {name: fact for name, fact in zip(FACT_TAGS, facts, strict=True) if fact}


def same_point(outcome: Outcome, sweep: SweepInfo) -> tuple[str, str]:
    """Texts that are equal for runs of one point, of which the newest supersedes the others. The first is the run's
    tag; the second is the tag that former versions gave it, by its name.

    Settings may differ between runs of one point, since an experiment may change; single runs are told apart by them.
    """
    settings = () if sweep.points else outcome.overrides
    rate = "" if outcome.rate is None else rate_text(outcome.rate)
    facts = (outcome.system, outcome.design, outcome.workload, rate, str(outcome.seed), outcome.trace, *settings)
    former = (outcome.name, outcome.trace, str(outcome.seed), *settings)
    return _short_digest(("facts", *facts)), _short_digest(former)


def _short_digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def tags(
    outcome: Outcome, sweep: SweepInfo, scrub: Scrubber, unserved: Mapping[str, int], color: str = ""
) -> dict[str, str]:
    """The tags that group runs and find them again."""
    values: dict[str, str | None] = {
        SWEEP_TAG: sweep.sweep_id,
        KEY_TAG: outcome.key,
        SAME_TAG: same_point(outcome, sweep)[0],
        SUPERSEDED_TAG: "false",
        "verdict": verdict(outcome, sweep.slo).text,
        SLO_TAG: slo_text(sweep.slo),
        NOTE_TAG: run_note(outcome, sweep.slo, unserved, scrub),
        **fact_tags(outcome),
        COST_TAG: f"{outcome.cost:.2f}",
        **shown_times(outcome, sweep.slo),
        "system": outcome.system,
        "trace": outcome.trace,
        "point.name": outcome.name,
        "point.index": str(outcome.index),
        "trace.identity": outcome.trace_identity,
        ASKED_TAG: outcome.asked,
        "version": outcome.version,
        "core": outcome.core,
        "plugins": plugins_text(outcome),
        "error": (outcome.error or "").partition("\n")[0],  # `error.txt` has all of it
        "unserved": "; ".join(f"{count} {unserved_words(state)}" for state, count in unserved.items()),
        "reproduce": reproduce(outcome, scrub),
        OUTCOME_TAG: checksum(outcome_values(outcome, scrub))[:16],
        "mlflow.user": _user(),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": sweep.command,
        "mlflow.source.git.commit": outcome.git_commit,
        COLOR_TAG: color,
    }
    return {k: _cut(scrub(v), LONGEST_TAG) for k, v in values.items() if v}


def _json(value: object, scrub: Scrubber) -> str:
    """JSON of a value, scrubbed first: a secret that JSON has escaped would not be recognised."""
    return json.dumps(in_texts(scrub, value), ensure_ascii=False, separators=(",", ":"))


def curve_points(derived: Derived) -> list[tuple[str, float, int]]:
    """The curves as (name, value, step)."""
    return [
        (_name(name), value, step)
        for name, curve in derived.series.items()
        for step, value in zip(curve.steps, curve.values, strict=True)
    ]


def dataset(outcome: Outcome, derived: Derived, scrub: Scrubber) -> dict[str, str]:
    """The trace that was served, by the fields of MLflow's data sets. The digest is that of its contents, or where the
    run lacks it, of its recipe."""
    described = dict(derived.trace)
    digest = str(described.pop("digest", outcome.trace_identity))
    source = {"trace": outcome.trace, "seed": outcome.seed, "identity": outcome.trace_identity}
    columns = ("request_id", "arrival_timestamp", "prompt_size", "token_size")
    schema = [{"name": name, "type": "double" if name.endswith("stamp") else "long"} for name in columns]
    return {
        "name": scrub(outcome.trace)[:500],
        "digest": digest[:_LONGEST_DIGEST],
        "source_type": "trace",
        "source": _json(source, scrub),
        "schema": json.dumps({"mlflow_colspec": schema}),
        "profile": _json(described, scrub),
    }


def experiment_tags() -> dict[str, str]:
    """The tags that are the same for every experiment: its saved view, and its kind, by which older servers would show
    traces of language models."""
    return {**dict([saved_view()]), "mlflow.experimentKind": "custom_model_development"}


def start_ms(outcome: Outcome) -> int:
    """When the point started, in milliseconds since 1970; now, where the outcome does not say."""
    try:
        started = datetime.fromisoformat(outcome.started_at)
    except ValueError:
        started = datetime.now(UTC)
    if started.tzinfo is None:
        started = started.replace(tzinfo=UTC)
    return int(started.timestamp() * 1000)


def _name(name: str) -> str:
    return _NOT_IN_A_NAME.sub("_", name)[:250]


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def _user() -> str:
    try:
        return getpass.getuser().rpartition("/")[2].rpartition("\\")[2]
    except (OSError, KeyError):  # a container's user without a name
        return "unknown"
