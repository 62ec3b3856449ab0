"""JSON of GuideLLM's `benchmark`: `benchmarks` has one for each strategy, such as a concurrency or a rate.

Its `inter_token_latency_ms` is (last token - first token) / (tokens - 1) of a request, which is called TPOT here, in
the mean weighted by tokens; its own `time_per_output_token_ms` counts the first token in.
"""

from __future__ import annotations

from typing import Any

from sim_core.errors import SpecError
from sim_core.section import Section
from sweep.calibrate.formats.base import (
    CONSTANT,
    POISSON,
    Content,
    Format,
    MeasuredPoint,
    clients_of,
    lengths_between,
    mean_ms,
    requests_of,
)
from sweep.experiment.file import errors_named

_RATES = {"poisson": POISSON, "constant": CONSTANT, "async": CONSTANT}


class Guidellm(Format):
    about = "GuideLLM's `benchmark`"

    def recognises(self, content: Content) -> bool:
        return len(content.objects) == 1 and isinstance(content.objects[0].get("benchmarks"), list)

    def points(self, content: Content) -> list[MeasuredPoint]:
        with errors_named(content.source):
            runs = Section(content.objects[0], "").sections("benchmarks")
            if not runs:
                raise SpecError("has no benchmark", key="benchmarks")
            return [_point(run, f"{content.source}, benchmark {number}") for number, run in enumerate(runs, 1)]


def _point(run: Section, name: str) -> MeasuredPoint:
    metrics = run.section("metrics")
    totals = metrics if metrics.has("request_totals") else run  # versions before 0.4 have it outside
    requests = requests_of(totals.section("request_totals"), "successful")
    outputs = lengths_between(_successful(metrics, "output_token_count"), "mean")
    return MeasuredPoint(
        name,
        lengths_between(_successful(metrics, "prompt_token_count"), "mean"),
        outputs,
        mean_ms(_successful(metrics, "time_to_first_token_ms"), "mean"),
        mean_ms(_successful(metrics, "inter_token_latency_ms"), "mean") if outputs.mean > 1.0 else None,
        requests=requests,
        **_load(run),
    )


def _successful(metrics: Section, name: str) -> Section:
    return metrics.section(name).section("successful")


def _load(run: Section) -> dict[str, Any]:
    """The fields of a point that say when requests are sent."""
    place = run.section("config") if run.has("config") else run.section("args")  # `args` before 0.4
    strategy = place.section("strategy")
    kind = strategy.text("type_", ("synchronous", "concurrent", "throughput", *_RATES))
    if kind in _RATES:
        return {"rate": strategy.number("rate", above=True, most=1e6), "spacing": _RATES[kind]}
    if kind == "synchronous":
        return {"concurrency": 1}
    key = "streams" if kind == "concurrent" else "max_concurrency"
    if kind == "throughput" and not strategy.has(key):
        raise strategy.error("type_", "a throughput run without max_concurrency cannot be compared; leave it out")
    return {"concurrency": clients_of(strategy, key)}
