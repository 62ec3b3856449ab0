"""The energy of a run of a sweep, from its table of requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.bounded import parse_yaml
from configs.gpu_power import GpuPower, PowerTable, power_from_config
from sync.results.energy import Energy, Instance, energy_of
from sync.results.inside import read_inside
from sync.results.outcome import Outcome
from sync.results.parquet import CLOCK, INSTANCES, read_beside, read_requests
from sync.results.sweep import Sweep, sound_table

POWER_TABLE_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class RunEnergy:
    """The energy of a run; `joules_by_origin` says how much of it rests on which kind of figures."""

    outcome: Outcome
    energy: Energy
    joules_by_origin: Mapping[str, float]
    requests: int  # completed
    prompt_tokens: int
    output_tokens: int

    @property
    def per_request_j(self) -> float:
        return self.energy.total_j / self.requests

    @property
    def per_token_j(self) -> float:
        """A token of output."""
        return self.energy.total_j / self.output_tokens

    def origins(self) -> str:
        """Where the figures come from, with shares where there are several."""
        total = sum(self.joules_by_origin.values())
        shares = {origin: joules / total for origin, joules in sorted(self.joules_by_origin.items())}
        return next(iter(shares)) if len(shares) == 1 else ", ".join(f"{o} {s:.0%}" for o, s in shares.items())

    def described(self) -> dict[str, Any]:
        """As values for JSON, in joules, watts and seconds."""
        energy = self.energy
        return {
            "run": self.outcome.name,
            "key": self.outcome.key,
            **{name: getattr(energy, name) for name in ("total_j", "idle_j", "prompt_j", "token_j", "span_s")},
            **{name: getattr(energy, name) for name in ("mean_w", "p99_w", "peak_w", "unexplained_s")},
            "nameplate_w": self.outcome.watts or None,
            "joules_per_request": self.per_request_j,
            "joules_per_output_token": self.per_token_j,
            "prompt_joules_per_prompt_token": energy.prompt_j / self.prompt_tokens,
            "decode_joules_per_output_token": energy.token_j / self.output_tokens,
            "joules_by_origin": dict(self.joules_by_origin),
        }


def energy_of_run(sweep: Sweep, outcome: Outcome, power: PowerTable) -> RunEnergy | str:
    """The energy of a run; where it cannot be worked out, a sentence that says why. Raises SpecError for a GPU of whose
    power nothing is known, and for a torn table."""
    path = None if outcome.status != "completed" else sweep.source.requests_file(outcome.key)
    if path is None or not outcome.summary.get("run/completed"):
        return f"{outcome.name}: it completed no request, or left no table of them."
    if not outcome.config_yaml:
        return f"{outcome.name}: its results do not have its configuration, which names its GPUs."
    with sound_table(outcome, path):
        parquet = read_inside(path, "requests_bytes")
        table = read_requests(parquet, completed=outcome.summary.get("run/completed"))
        requests = {name: table[name].to_numpy() for name in table.column_names}
        rows, clock = read_beside(parquet, INSTANCES), read_beside(parquet, CLOCK)
    if "processor" not in rows or not clock:
        return f"{outcome.name}: it was made by an older version that does not say on which GPUs its instances ran."
    try:
        return _worked_out(outcome, requests, rows, clock, power)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        # a configuration or a table that nobody of us has written
        return f"{outcome.name}: its configuration or its table is none of ours ({type(error).__name__})."


def _worked_out(
    outcome: Outcome,
    requests: Mapping[str, Any],
    rows: Mapping[str, list[Any]],
    clock: Mapping[str, list[Any]],
    power: PowerTable,
) -> RunEnergy:
    config = parse_yaml(outcome.config_yaml, "its configuration")
    given = power_from_config(config) if "power_model" in config else {}
    models = _measured_names(config)
    instances: list[Instance] = []
    origins: list[str] = []  # of the figures of each instance
    used = dict.fromkeys(outcome.machines, 0)  # GPUs by SKU
    columns = ("application_id", "index", "processor", "processors", "tensor_parallelism", "sku", "busy_s")
    for application, number, processor, gpus, parallel, sku, busy_s in zip(
        *map(rows.__getitem__, columns), strict=True
    ):
        figures = power.of(given, processor, models.get(application, ""), parallel)
        instances.append(Instance(application, number, figures.power.times(gpus), busy_s))
        origins.append(figures.origin)
        used[sku] = used.get(sku, 0) + gpus
    others = _unused(outcome, config, used, given, power)
    first_s, end_s = float(clock["first_arrival_s"][0]), float(clock["end_s"][0])
    energy = energy_of(requests, instances, sum(watts for watts, _ in others), first_s, end_s)
    joules: dict[str, float] = {}
    for origin, own_j in zip(origins, energy.by_instance_j, strict=True):
        joules[origin] = joules.get(origin, 0.0) + float(own_j)
    for watts, origin in others:
        joules[origin] = joules.get(origin, 0.0) + watts * energy.span_s
    tokens = (int(requests[f"{kind}_tokens"].sum()) for kind in ("prompt", "output"))
    return RunEnergy(outcome, energy, joules, len(requests["request_id"]), *tokens)


def _measured_names(config: Mapping[str, Any]) -> dict[int, str]:
    """By application the name of its model in tables of measurements."""
    architectures = config["model_repo"]["architectures"]
    names = {}
    for place, application in enumerate(config["applications"]):
        name = application["model_architecture"]
        names[application.get("application_id", place)] = architectures.get(name, {}).get("measured_as", name)
    return names


def _unused(
    outcome: Outcome,
    config: Mapping[str, Any],
    used: Mapping[str, int],
    given: Mapping[str, GpuPower],
    power: PowerTable,
) -> list[tuple[float, str]]:
    """The idle power of the GPUs that no instance has, by SKU, and where it comes from."""
    found: list[tuple[float, str]] = []
    for sku, machines in outcome.machines.items():
        processors = config["hardware_repo"]["skus"][sku]["processors"]
        gpus = machines * sum(processor.get("count", 1) for processor in processors) - used[sku]
        if gpus > 0:
            figures = power.of(given, processors[0]["name"])
            found.append((figures.power.idle_w * gpus, figures.origin))
    return found
