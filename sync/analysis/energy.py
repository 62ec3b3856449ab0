"""The energy of a run of a sweep, and its power over time, from what it recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from configs.gpu_power import GpuPower, GpuUse
from sync.results.energy import GpuRow, Joules, energy_figures, joules, use_of, with_own
from sync.results.inside import read_inside
from sync.results.outcome import Outcome
from sync.results.parquet import CLOCK, INSTANCES, read_beside, read_requests
from sync.results.power_curve import Instance, PowerCurve, power_curve
from sync.results.sweep import Sweep, sound_table

_PHASES = ("idle_j", "prompt_j", "token_j")


@dataclass(frozen=True)
class RunEnergy:
    """The energy of a run from its first arrival to its end. `figures` are those of `energy_figures`; `unexplained` is
    the share of the time in which instances ran that is in no power over time: they ran requests which the run did not
    complete."""

    outcome: Outcome
    joules: Joules
    figures: Mapping[str, float]
    curve: PowerCurve
    unexplained: float
    prompt_tokens: int
    output_tokens: int

    @property
    def mean_w(self) -> float:
        return self.figures["energy/mean_watts"]

    def origins(self) -> str:
        """Where the figures come from, with shares where there are several."""
        total = self.joules.total
        shares = {origin: own / total for origin, own in sorted(self.joules.by_origin.items())}
        return next(iter(shares)) if len(shares) == 1 else ", ".join(f"{o} {s:.0%}" for o, s in shares.items())

    def described(self) -> dict[str, Any]:
        """As values for JSON, in joules, watts and seconds."""
        found = self.joules
        return {
            "run": self.outcome.name,
            "key": self.outcome.key,
            "total_j": found.total,
            **dict(zip(_PHASES, found[:3], strict=True)),
            "span_s": self.outcome.summary["run/end_s"],
            "mean_w": self.mean_w,
            "p99_w": self.curve.p99_w,
            "peak_w": self.curve.peak_w,
            "unexplained_share": self.unexplained,
            "nameplate_w": self.outcome.watts or None,
            "joules_per_request": self.figures["energy/joules_per_request"],
            "joules_per_output_token": found.total / self.output_tokens,
            "prompt_joules_per_prompt_token": found.prompt / self.prompt_tokens,
            "decode_joules_per_output_token": found.token / self.output_tokens,
            "joules_by_origin": dict(found.by_origin),
        }


def energy_of_run(sweep: Sweep, outcome: Outcome, own: Mapping[str, GpuPower]) -> RunEnergy | str:
    """The energy of a run; where it cannot be worked out, a sentence that says why. `own` are figures by processor that
    come before those of the run. Raises SpecError for a torn table."""
    path = None if outcome.status != "completed" else sweep.source.requests_file(outcome.key)
    if path is None or not outcome.summary.get("run/completed"):
        return f"{outcome.name}: it completed no request, or left no table of them."
    if not outcome.gpus:
        return f"{outcome.name}: it was made by an older version that does not say how long its GPUs ran."
    rows = with_own(outcome.gpus, own)
    if unknown := sorted({row["processor"] for row in rows if "origin" not in row}):
        return f"{outcome.name}: nothing is known of the power of {' and '.join(unknown)}; --power FILE gives it."
    found, figures = joules(rows), energy_figures(rows, outcome.summary)
    if found is None or not figures:
        return f"{outcome.name}: its GPUs drew nothing, by these figures of their power."
    with sound_table(outcome, path):
        parquet = read_inside(path, "requests_bytes")
        table = read_requests(parquet, completed=outcome.summary.get("run/completed"))
        requests = {name: table[name].to_numpy() for name in table.column_names}
        instances, clock = read_beside(parquet, INSTANCES), read_beside(parquet, CLOCK)
    try:
        return _worked_out(outcome, requests, instances, clock, rows, found, figures)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        # a table that nobody of us has written
        return f"{outcome.name}: its table is none of ours ({type(error).__name__})."


def _worked_out(
    outcome: Outcome,
    requests: Mapping[str, Any],
    instances: Mapping[str, list[Any]],
    clock: Mapping[str, list[Any]],
    rows: Sequence[GpuRow],
    found: Joules,
    figures: Mapping[str, float],
) -> RunEnergy:
    first_s, end_s = float(clock["first_arrival_s"][0]), float(clock["end_s"][0])
    curve = power_curve(requests, *_instances(instances, rows, end_s - first_s), first_s, end_s)
    tokens = (int(requests[f"{kind}_tokens"].sum()) for kind in ("prompt", "output"))
    busy_s = sum(instances["busy_s"])
    unexplained = max(busy_s - curve.explained_s, 0.0) / busy_s if busy_s else 0.0
    return RunEnergy(outcome, found, figures, curve, unexplained, *tokens)


def _instances(columns: Mapping[str, list[Any]], rows: Sequence[GpuRow], span_s: float) -> tuple[list[Instance], float]:
    """The instances with the power of their GPUs, and the idle power of the GPUs that none of them has."""
    power = {use_of(row): GpuPower(row["idle_w"], row["prompt_w"], row["token_w"]) for row in rows}
    names = ("application_id", "index", "processor", "processors", "tensor_parallelism")
    instances = [
        Instance(application, number, power[GpuUse(processor, application, parallel)].times(gpus))
        for application, number, processor, gpus, parallel in zip(*map(columns.__getitem__, names), strict=True)
    ]
    others_w = sum(row["idle_s"] / span_s * row["idle_w"] for row in rows if not row["tensor_parallelism"])
    return instances, others_w
