"""The power that GPUs draw by what they do: measured, as configured, or estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from configs.bounded import read_json, read_yaml
from sim_core.errors import SpecError, choices
from sim_core.section import Section

MEASURED_FILE, ESTIMATED_FILE = "data/gpu_power_measured.json", "data/gpu_power.json"
# `measured` with this model, GPU and tensor parallelism; `given` by a power model, for any; `estimated` from others.
Origin = Literal["measured", "given", "estimated"]


@dataclass(frozen=True, slots=True)
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


class PowerTable:
    """The power of a GPU by model, processor and tensor parallelism.

    What was measured comes first, then what the power model of the run gives, then estimates. A power model of a
    user's own (`own`) comes before all of them.
    """

    def __init__(self, root: Path, own: Path | None = None) -> None:
        """`root` has the project's files. Raises SpecError for a file that cannot be used."""
        self._own = {} if own is None else power_from_config({"power_model": read_yaml(own, str(own))})
        figures = read_json(root / MEASURED_FILE, MEASURED_FILE)["figures"]
        keys = ("model", "processor", "tensor_parallel")
        self._measured = {tuple(row[key] for key in keys): (row["prompt_w"], row["token_w"]) for row in figures}
        estimated = read_json(root / ESTIMATED_FILE, ESTIMATED_FILE)
        self._estimated = {
            name: GpuPower(*(float(row[key]) for key in ("idle_w", "prompt_w", "token_w")))
            for name, row in estimated.items()
        }

    def of(
        self, given: Mapping[str, GpuPower], processor: str, model: str = "", tensor_parallelism: int = 0
    ) -> PowerFigures:
        """The figures of a GPU; `given` are those of the run's power model. Raises SpecError where there are none."""
        if processor in self._own:
            return PowerFigures(self._own[processor], "given")
        measured = self._measured.get((model, processor, tensor_parallelism))
        if measured is not None and processor in given:
            return PowerFigures(GpuPower(given[processor].idle_w, *measured), "measured")
        if processor in given:
            return PowerFigures(given[processor], "given")
        if processor in self._estimated:
            return PowerFigures(self._estimated[processor], "estimated")
        known = sorted({*self._own, *given, *self._estimated})
        reason = f"nothing is known of the power of this GPU{choices(processor, known)}; --power FILE gives figures"
        raise SpecError(reason, key="power_model", value=processor)
