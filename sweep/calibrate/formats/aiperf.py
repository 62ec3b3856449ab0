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

_MODES = {"poisson": POISSON, "constant": CONSTANT}
_TABLE = "write a CSV table of it instead: docs/calibration.md has the columns"


class Aiperf(Format):
    about = "AIPerf, `profile_export_aiperf.json`"

    def recognises(self, content: Content) -> bool:
        return len(content.objects) == 1 and {"input_config", "request_latency"} <= content.objects[0].keys()

    def points(self, content: Content) -> list[MeasuredPoint]:
        with errors_named(content.source):
            run = Section(content.objects[0], "")
            outputs = lengths_between(run.section("output_sequence_length"), "avg")
            return [
                MeasuredPoint(
                    content.source,
                    lengths_between(run.section("input_sequence_length"), "avg"),
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
    clients = clients_of(load, "concurrency") if load.has("concurrency") else None
    if load.has("request_rate"):
        if clients is not None:
            raise load.error("concurrency", "limits the clients of a request_rate; measure with one of the two")
        mode = load.text("request_rate_mode", _MODES) if load.has("request_rate_mode") else POISSON
        return {"rate": load.number("request_rate", above=True, most=1e6), "spacing": _MODES[mode]}
    if clients is None:
        raise SpecError(f"is missing, and so is request_rate; {_TABLE}", key="input_config.loadgen.concurrency")
    return {"concurrency": clients}
