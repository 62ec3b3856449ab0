"""Service level objectives as the Splitwise paper states them: slowdown against the same request alone on a DGX-A100.

Source: Patel et al., Splitwise, ISCA 2024, table of SLOs; alone means its prompt time and token time at its own
prompt size, and an end-to-end time of TTFT + TBT x (tokens - 1).
"""

from __future__ import annotations

from collections.abc import Mapping

REFERENCE_HARDWARE = "a100-80gb"
REFERENCE_TENSOR_PARALLELISM = 8

SLO_LIMITS: Mapping[str, Mapping[str, float]] = {  # metric -> percentile -> largest slowdown
    "ttft": {"p50": 2.0, "p90": 3.0, "p99": 6.0},
    "tbt": {"p50": 1.25, "p90": 1.5, "p99": 5.0},
    "e2e": {"p50": 1.25, "p90": 1.5, "p99": 5.0},
}


def check(slowdowns: Mapping[str, float]) -> dict[str, float]:
    """`slo/ttft_p50` ... 1.0 where the limit holds, and `slo/within`: all nine. Needs `ttft/p50_slowdown` ..."""
    held = {
        f"slo/{metric}_{percentile}": float(slowdowns[f"{metric}/{percentile}_slowdown"] <= limit)
        for metric, limits in SLO_LIMITS.items()
        for percentile, limit in limits.items()
    }
    return {"slo/within": float(all(held.values())), **held}
