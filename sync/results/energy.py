"""The energy of a run's GPUs: the seconds that they were idle, ran steps with prompts, and ran decodes alone, times the
power that they draw then. `sync.results.power_curve` has their power over time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypedDict

from configs.gpu_power import GpuPower, GpuPowers, GpuUse, Origin, PowerFigures
from sim_core import SimSpec
from sim_core.results import SimResult

ENERGY_FIGURES = (
    *("energy/joules", "energy/mean_watts", "energy/joules_per_request", "energy/joules_per_output_token"),
    *("energy/idle_share", "energy/prompt_share", "energy/decode_share", "energy/estimated_share"),
)


class GpuRow(TypedDict, total=False):
    """GPUs that draw alike, as plain values: what they serve (see `GpuUse`), the seconds by what they did, summed over
    GPUs, and the power of one of them in W. Without power nothing is known of it."""

    processor: str
    application_id: int
    tensor_parallelism: int
    idle_s: float
    prompt_s: float
    token_s: float
    idle_w: float
    prompt_w: float
    token_w: float
    origin: Origin


class Joules(NamedTuple):
    """Energy in joules by what the GPUs did, and by where the figures of their power come from."""

    idle: float
    prompt: float
    token: float
    by_origin: Mapping[str, float]

    @property
    def total(self) -> float:
        return self.idle + self.prompt + self.token


def gpu_rows(result: SimResult, spec: SimSpec, power: GpuPowers) -> list[GpuRow]:
    """The seconds and the power of the GPUs of a run, from the first arrival to its end."""
    seconds: dict[GpuUse, list[float]] = {}
    unused = _gpus(spec)
    columns = ("application_id", "processor", "processors", "tensor_parallelism", "busy_s", "prompt_busy_s")
    for application, processor, gpus, parallel, busy_s, prompt_s in zip(
        *map(result.instances.__getitem__, columns), strict=True
    ):
        own = seconds.setdefault(GpuUse(processor, application, parallel), [0.0, 0.0, 0.0])
        for place, each_s in enumerate((result.span_s - busy_s, prompt_s, busy_s - prompt_s)):
            own[place] += gpus * max(each_s, 0.0)  # rounding may leave a little less than nothing
        unused[processor] -= gpus
    for processor, gpus in unused.items():
        if gpus > 0:
            seconds[GpuUse(processor)] = [gpus * result.span_s, 0.0, 0.0]
    return [_row(use, own, power.get(use)) for use, own in seconds.items()]


def _gpus(spec: SimSpec) -> dict[str, int]:
    """The GPUs of a cluster by kind."""
    gpus: dict[str, int] = {}
    for group in spec.servers:
        for processor in group.processors:
            gpus[processor.name] = gpus.get(processor.name, 0) + group.count
    return gpus


def with_power(rows: Iterable[GpuRow], power: GpuPowers) -> list[GpuRow]:
    """The rows with these figures in place of those that they have."""
    return [_with(row, power.get(use_of(row))) for row in rows]


def with_own(rows: Iterable[GpuRow], own: Mapping[str, GpuPower]) -> list[GpuRow]:
    """The rows with the figures of a user's own, by processor, where there are such."""
    return [
        _with(row, PowerFigures(own[row["processor"]], "given")) if row["processor"] in own else row for row in rows
    ]


def _with(row: GpuRow, figures: PowerFigures | None) -> GpuRow:
    return _row(use_of(row), (row["idle_s"], row["prompt_s"], row["token_s"]), figures)


def use_of(row: GpuRow) -> GpuUse:
    """What the GPUs of a row serve."""
    return GpuUse(row["processor"], row["application_id"], row["tensor_parallelism"])


def _row(use: GpuUse, seconds: Sequence[float], figures: PowerFigures | None) -> GpuRow:
    idle_s, prompt_s, token_s = seconds
    row: GpuRow = {
        "processor": use.processor,
        "application_id": use.application_id,
        "tensor_parallelism": use.tensor_parallelism,
        "idle_s": idle_s,
        "prompt_s": prompt_s,
        "token_s": token_s,
    }
    if figures is not None:
        power, origin = figures
        row |= {"idle_w": power.idle_w, "prompt_w": power.prompt_w, "token_w": power.token_w, "origin": origin}
    return row


def joules(rows: Sequence[GpuRow]) -> Joules | None:
    """The energy of the GPUs; None where there are none, or nothing is known of the power of some."""
    if not rows or not all("origin" in row for row in rows):
        return None
    idle = prompt = token = 0.0
    by_origin: dict[str, float] = {}
    for row in rows:
        own = row["idle_s"] * row["idle_w"], row["prompt_s"] * row["prompt_w"], row["token_s"] * row["token_w"]
        idle, prompt, token = idle + own[0], prompt + own[1], token + own[2]
        by_origin[row["origin"]] = by_origin.get(row["origin"], 0.0) + sum(own)
    return Joules(idle, prompt, token, by_origin)


def energy_figures(rows: Sequence[GpuRow], summary: Mapping[str, float]) -> dict[str, float]:
    """The energy of a run with this summary as figures by name (docs/metrics.md); none where it is not known."""
    found = joules(rows)
    span_s = summary.get("run/end_s", 0.0)
    if found is None or not span_s > 0 or not found.total > 0:
        return {}
    figures = {
        "energy/joules": found.total,
        "energy/idle_share": found.idle / found.total,
        "energy/prompt_share": found.prompt / found.total,
        "energy/decode_share": found.token / found.total,
        "energy/estimated_share": found.by_origin.get("estimated", 0.0) / found.total,
        "energy/mean_watts": found.total / span_s,
    }
    if completed := summary.get("run/completed"):
        figures["energy/joules_per_request"] = found.total / completed
    if tokens_per_s := summary.get("throughput/output_tokens_per_s"):
        figures["energy/joules_per_output_token"] = found.total / span_s / tokens_per_s
    return figures
