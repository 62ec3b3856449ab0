"""What `vllm bench serve` and SGLang's `bench_serving` have in common: they come from one client."""

from __future__ import annotations

from typing import Any

from sim_core.errors import SpecError
from sim_core.section import Section
from sweep.calibrate.formats.base import (
    CONSTANT,
    POISSON,
    Lengths,
    MeasuredPoint,
    clients_of,
    each_of,
    mean_ms,
    requests_of,
    tokens_of,
)

ENDLESS = ("inf", float("inf"))  # as `request_rate`: the client sends as soon as it may


def load_of(run: Section, requests: int) -> dict[str, Any]:
    """The fields of a point that say when requests are sent."""
    limit = clients_of(run, "max_concurrency") if run.has("max_concurrency") else None
    if run.has("ramp_up_strategy"):
        raise run.error("ramp_up_strategy", "a rate that changes cannot be compared; measure at a fixed one")
    if not run.has("request_rate") or run.value("request_rate") in ENDLESS:
        return {"concurrency": min(limit or requests, requests)}
    rate = run.number("request_rate", above=True, most=1e6)
    if limit is not None and limit < requests:
        reason = "limits the clients of a request_rate; measure with --request-rate inf, or without this limit"
        raise run.error("max_concurrency", reason)
    burstiness = run.number("burstiness", above=True, default=1.0) if run.has("burstiness") else 1.0
    if burstiness != 1.0 and burstiness < 1e3:
        raise run.error("burstiness", "only Poisson arrivals (1) can be compared")
    return {"rate": rate, "spacing": POISSON if burstiness == 1.0 else CONSTANT}


def lengths_of(run: Section, requests: int, total: str, each: str) -> Lengths:
    """The lengths of each request where the file has them, else their mean."""
    if found := each_of(run, each):
        return Lengths(min(found), max(found), found)
    tokens = tokens_of(run, total, run.number(total) / requests)
    return Lengths(tokens, tokens)


def point_of(run: Section, name: str, prompts: Lengths, outputs: Lengths) -> MeasuredPoint:
    """The point of a run whose lengths are known."""
    requests = requests_of(run, "completed")
    if run.has("failed") and run.integer("failed", 0):
        raise run.error("failed", "requests failed, so the run's load is not known; leave it out")
    if not run.has("mean_ttft_ms"):
        raise SpecError("is missing; the benchmark must stream its answers", key="mean_ttft_ms")
    return MeasuredPoint(
        name,
        prompts,
        outputs,
        mean_ms(run, "mean_ttft_ms"),
        mean_ms(run, "mean_tpot_ms") if outputs.mean > 1.0 else None,
        requests=requests,
        model=run.text("model_id") if run.has("model_id") else "",
        **load_of(run, requests),
    )
