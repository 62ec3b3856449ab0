"""Which results of the code that `sweep.former.keys` knows are those that the present code would give."""

from __future__ import annotations

from sim_core import SimSpec
from sync.results.outcome import Outcome

_FORMER_END_S = 86_400.0  # where every run ended, in time since 0, unless it was told another time
_LATEST_START_S = 1.0


def changed_since(spec: SimSpec, outcome: Outcome) -> str | None:
    """Why the present code may give another outcome than this former one of `spec`; None: it gives the same.

    The rules are for what the code does differently on purpose. In files whose change is none of these, see
    `FormerKeys.key_for`.
    """
    rules = {
        # Errors that need not be any more, such as negative times beyond what was measured.
        "they failed": outcome.status == "failed",
        # Instances that stood still go on now; a run that was ended as unstable has unfinished requests too.
        "they left requests unfinished": outcome.summary.get("run/unfinished", 0.0) > 0,
        # Of these measurements some points are left out now.
        "measurements of llama2-70b on two processors were mended": _is_measured_as(spec, "llama2-70b", 2),
        # Shares of time, such as utilisation, were counted from 0 on.
        "their traces do not start within the first second": not _first_arrival_s(outcome) <= _LATEST_START_S,
        # Now it has no end, where it is not told one.
        "their time was over": spec.end_time_s is None and outcome.summary.get("run/end_s", 0.0) >= _FORMER_END_S,
    }
    return next((reason for reason, holds in rules.items() if holds), None)


def _is_measured_as(spec: SimSpec, model: str, tensor_parallelism: int) -> bool:
    return any(application.model.measured_as == model for application in spec.applications) and any(
        instance.tensor_parallelism == tensor_parallelism for state in spec.start_states for instance in state.kinds
    )


def _first_arrival_s(outcome: Outcome) -> float:
    """When the first request arrived, from the throughput, which counts from then on; NaN where nothing was served."""
    summary = outcome.summary
    rate_per_s = summary.get("throughput/requests_per_s", 0.0)
    return summary["run/end_s"] - summary["run/completed"] / rate_per_s if rate_per_s > 0 else float("nan")
