"""Decides which outcomes of the former code the present code would give, too."""

from __future__ import annotations

from sim_core import SimSpec
from sync.results.outcome import Outcome

_FORMER_END_S = 86_400.0  # the time at which a run ended unless its spec set another
_LATEST_START_S = 1.0


def changed_since(spec: SimSpec, outcome: Outcome) -> str | None:
    """Why the present code may give another outcome for `spec` than this former one; None if it gives the same.

    These rules are about results that were changed on purpose. `FormerKeys.key_for` is about all other changes of code.
    """
    rules = {
        # Some errors do not occur any more, such as negative times beyond the measurements.
        "they failed": outcome.status == "failed",
        # Instances that stood still go on now. Runs that were stopped as unstable have unfinished requests, too.
        "they left requests unfinished": outcome.summary.get("run/unfinished", 0.0) > 0,
        # Some of these measurements are left out now.
        "measurements of llama2-70b on two processors were mended": _is_measured_as(spec, "llama2-70b", 2),
        # Shares of time, such as utilisation, were counted from time 0.
        "their traces do not start within the first second": not _first_arrival_s(outcome) <= _LATEST_START_S,
        # A run has no end now unless its spec sets one.
        "their time was over": spec.end_time_s is None and outcome.summary.get("run/end_s", 0.0) >= _FORMER_END_S,
    }
    return next((reason for reason, holds in rules.items() if holds), None)


def _is_measured_as(spec: SimSpec, model: str, tensor_parallelism: int) -> bool:
    return any(application.model.measured_as == model for application in spec.applications) and any(
        instance.tensor_parallelism == tensor_parallelism for state in spec.start_states for instance in state.kinds
    )


def _first_arrival_s(outcome: Outcome) -> float:
    """The time of the first arrival, from the throughput, which counts from it; NaN if nothing was served."""
    summary = outcome.summary
    rate_per_s = summary.get("throughput/requests_per_s", 0.0)
    return summary["run/end_s"] - summary["run/completed"] / rate_per_s if rate_per_s > 0 else float("nan")
