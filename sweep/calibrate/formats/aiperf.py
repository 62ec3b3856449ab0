"""JSON of AIPerf, `profile_export_aiperf.json`: statistics of one run, and the configuration that it had.

Its `inter_token_latency` is (last token - first token) / (tokens - 1) of a request, which is called TPOT here. AIPerf
does not promise that the names in `input_config` stay: what is missing there is said.
"""

from __future__ import annotations

from typing import Any

from sim_core.errors import SpecError
from sim_core.section import Section
from sweep.calibrate.formats.base import (
    CONSTANT,
    MOST_CLIENTS,
    POISSON,
    Content,
    Format,
    Lengths,
    MeasuredPoint,
    errors_of,
    mean_ms,
    requests_of,
    tokens_of,
)

_MODES = {"poisson": POISSON, "constant": CONSTANT}
_TABLE = "write a CSV table of it instead: docs/calibration.md has the columns"


class Aiperf(Format):
    about = "AIPerf, `profile_export_aiperf.json`"

    def recognises(self, content: Content) -> bool:
        return len(content.objects) == 1 and {"input_config", "request_latency"} <= content.objects[0].keys()

    def points(self, content: Content) -> list[MeasuredPoint]:
        with errors_of(content.source):
            run = Section(content.objects[0], "")
            outputs = _lengths(run, "output_sequence_length")
            return [
                MeasuredPoint(
                    content.source,
                    _lengths(run, "input_sequence_length"),
                    outputs,
                    _mean(run, "time_to_first_token"),
                    _mean(run, "inter_token_latency") if outputs.mean > 1.0 else None,
                    requests=requests_of(run.section("request_count"), "avg"),
                    model=_model(run),
                    **_load(run),
                )
            ]


def _mean(run: Section, name: str) -> float:
    if not run.has(name):
        raise SpecError("is missing; run AIPerf with --streaming", key=name)
    times = run.section(name)
    times.text("unit", ("ms",))
    return mean_ms(times, "avg")


def _lengths(run: Section, name: str) -> Lengths:
    """Uniform between the least and the most, if their mean says so; else all of the mean length."""
    counts = run.section(name)
    mean = tokens_of(counts, "avg", counts.value("avg"))
    if not (counts.has("min") and counts.has("max")):
        return Lengths(mean, mean)
    low, high = (tokens_of(counts, key, counts.value(key)) for key in ("min", "max"))
    drawn = Lengths(low, high)
    return drawn if abs(drawn.mean - mean) <= 0.05 * mean else Lengths(mean, mean)


def _model(run: Section) -> str:
    config = run.section("input_config")
    endpoint = config.section("endpoint") if config.has("endpoint") else None
    return ", ".join(endpoint.texts("model_names")) if endpoint is not None else ""


def _load(run: Section) -> dict[str, Any]:
    """The fields of a point that say when requests are sent."""
    config = run.section("input_config")
    if not config.has("loadgen"):
        raise SpecError(f"is missing, so the load is not known; {_TABLE}", key="input_config.loadgen")
    load = config.section("loadgen")
    clients = load.integer("concurrency", 1) if load.has("concurrency") else None
    if load.has("request_rate"):
        if clients is not None:
            raise load.error("concurrency", "limits the clients of a request_rate; measure with one of the two")
        mode = load.text("request_rate_mode", _MODES) if load.has("request_rate_mode") else POISSON
        return {"rate": load.number("request_rate", above=True, most=1e6), "spacing": _MODES[mode]}
    if clients is None:
        raise SpecError(f"is missing, and so is request_rate; {_TABLE}", key="input_config.loadgen.concurrency")
    if clients > MOST_CLIENTS:
        raise load.error("concurrency", f"must be at most {MOST_CLIENTS:,}")
    return {"concurrency": clients}
