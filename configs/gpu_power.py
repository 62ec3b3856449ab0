"""The power that GPUs draw by what they do: measured, as configured, or estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

from configs.bounded import read_json, read_yaml
from configs.machines import MachineFigures
from configs.repos import RepoReader
from sim_core.record import record
from sim_core.section import Section
from sim_core.spec import SimSpec

POWER_MODEL, SKUS = "configs/power_model/constant.yaml", "configs/hardware_repo/skus"
MEASURED_FILE, ESTIMATED_FILE = "data/gpu_power_measured.json", "data/gpu_power.json"
# `measured` with this model, GPU and tensor parallelism; `given` by a power model, for any; `estimated` from others.
Origin = Literal["measured", "given", "estimated"]


@record
class GpuPower:
    """The power that one GPU draws, in W, by what it does."""

    idle_w: float
    prompt_w: float  # with prompts in the batch
    token_w: float

    def times(self, gpus: int) -> GpuPower:
        """The power of so many GPUs together."""
        return GpuPower(self.idle_w * gpus, self.prompt_w * gpus, self.token_w * gpus)


class PowerFigures(NamedTuple):
    """The power of a GPU, and where the figures come from."""

    power: GpuPower
    origin: Origin


class GpuUse(NamedTuple):
    """GPUs of one kind that serve an application alike; those that serve none have -1 and 0."""

    processor: str
    application_id: int = -1
    tensor_parallelism: int = 0


GpuPowers = Mapping[GpuUse, PowerFigures]


def power_from_config(resolved: Mapping[str, Any]) -> dict[str, GpuPower]:
    """The section `power_model` of a resolved configuration, by processor. Processors of which not all three figures
    are known are left out. Raises SpecError."""
    section = Section(resolved, "").section("power_model")
    section.text("policy", ("constant",))
    tables = []
    for key in ("idle_power", "prompt_power", "token_power"):
        table = section.section(key)
        tables.append({name: table.number(name) for name in section.value(key)})
    section.done()
    known = sorted(set.intersection(*(set(table) for table in tables)))
    return {name: GpuPower(*(table[name] for table in tables)) for name in known}


def own_power(file: Path) -> dict[str, GpuPower]:
    """Figures of a user's own, by processor, from a file in the form of configs/power_model. Raises SpecError."""
    return power_from_config({"power_model": read_yaml(file, str(file))})


class PowerTable:
    """The power of a GPU by model, processor and tensor parallelism: as measured, else as the power model of the run
    gives it, else as estimated."""

    def __init__(self, root: Path) -> None:
        """`root` has the project's files. Raises SpecError for a file that cannot be used."""
        figures = read_json(root / MEASURED_FILE, MEASURED_FILE)["figures"]
        keys = ("model", "processor", "tensor_parallel")
        self._measured = {tuple(row[key] for key in keys): (row["prompt_w"], row["token_w"]) for row in figures}
        estimated = read_json(root / ESTIMATED_FILE, ESTIMATED_FILE)
        self._estimated = {
            name: GpuPower(*(float(row[key]) for key in ("idle_w", "prompt_w", "token_w")))
            for name, row in estimated.items()
        }

    def of_spec(self, spec: SimSpec, config: Mapping[str, Any]) -> GpuPowers:
        """The figures of the GPUs of a run, idle ones among them, by what they serve; `config` is the resolved
        configuration of `spec`. GPUs of whose power nothing is known are left out. Raises SpecError."""
        given = power_from_config(config) if config.get("power_model") else {}
        processors = sorted({processor.name for group in spec.servers for processor in group.processors})
        sizes = {kind.tensor_parallelism for state in spec.start_states for kind in state.kinds}
        found = {GpuUse(name): self.find(given, name) for name in processors}
        for application, name, parallel in product(spec.applications, processors, sorted(sizes)):
            use = GpuUse(name, application.application_id, parallel)
            found[use] = self.find(given, name, application.model.measured_as, parallel)
        return {use: figures for use, figures in found.items() if figures is not None}

    def find(
        self, given: Mapping[str, GpuPower], processor: str, model: str = "", tensor_parallelism: int = 0
    ) -> PowerFigures | None:
        """The figures of a GPU; `given` are those of the run's power model. None where nothing is known of it."""
        measured = self._measured.get((model, processor, tensor_parallelism))
        if measured is not None and processor in given:
            return PowerFigures(GpuPower(given[processor].idle_w, *measured), "measured")
        if processor in given:
            return PowerFigures(given[processor], "given")
        if processor in self._estimated:
            return PowerFigures(self._estimated[processor], "estimated")
        return None


def with_gpu_watts(figures: Mapping[str, MachineFigures], root: Path) -> dict[str, MachineFigures]:
    """The figures of machines with what their GPUs draw at most, with prompts, by the project's power model and
    estimates; 0 where that is unknown of one. Raises SpecError for files below `root` that cannot be used."""
    skus = RepoReader(root).entries(SKUS, key="hardware_repo.skus")
    given = power_from_config({"power_model": read_yaml(root / POWER_MODEL, POWER_MODEL)})
    table = PowerTable(root)
    found = dict(figures)
    for sku in figures.keys() & skus.keys():
        powers = [
            (table.find(given, processor["name"]), processor.get("count", 1)) for processor in skus[sku]["processors"]
        ]
        watts = [power.power.prompt_w * count for power, count in powers if power is not None]
        found[sku] = replace(figures[sku], gpu_watts=sum(watts) if len(watts) == len(powers) else 0.0)
    return found
