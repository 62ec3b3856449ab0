"""The models and machines that a configuration may name: what the repositories and the figures of machines say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from configs.compose import CONFIG_DIR
from configs.machines import MachineFigures, read_machines
from configs.repos import RepoReader
from configs.silicon.names import BLACKWELL, SYSTEMS
from sim_core.network.ports import BYTES_PER_GBIT
from sim_core.spec import ModelSpec

ROOT = CONFIG_DIR.parent


@dataclass(frozen=True)
class Weights:
    """A size of a model: an entry of configs/model_repo/sizes."""

    size: str
    precision: str  # "": not said
    bytes: int


@dataclass(frozen=True)
class Model:
    """An entry of configs/model_repo/architectures with its sizes."""

    name: str
    parameters: int | None
    layers: int
    kv_bytes_per_token: int  # with elements of two bytes
    kv_parts: int  # over how many GPUs a token's KV cache can be split; 0: over any number
    weights: tuple[Weights, ...]
    source: str


@dataclass(frozen=True)
class Machine:
    """An entry of configs/hardware_repo/skus, with its price."""

    name: str
    gpu: str
    gpus: int
    gpu_memory_bytes: int
    gpu_link_gb_per_s: float  # of a GPU to the others of its machine, each way
    machine_link_gb_per_s: float  # of all network cards of the machine, each way
    watts: float
    dollars_per_hour: float | None
    memory_source: str
    price_source: str
    watts_source: str


def models(root: Path = ROOT) -> list[Model]:
    """The models by name."""
    repos = RepoReader(root)
    architectures = repos.entries("configs/model_repo/architectures", key="model_repo.architectures")
    sizes = repos.entries("configs/model_repo/sizes", key="model_repo.sizes")
    return [_model(name, shape, sizes) for name, shape in architectures.items()]


def machines(root: Path = ROOT) -> list[Machine]:
    """The machines by name."""
    repos = RepoReader(root)
    parts = {
        key: repos.entries(f"configs/hardware_repo/{key}", key=f"hardware_repo.{key}")
        for key in ("skus", "processors", "interconnects")
    }
    figures = read_machines(root)
    return [_machine(name, sku, parts, figures.get(name)) for name, sku in parts["skus"].items()]


def _model(name: str, shape: Mapping[str, Any], sizes: Mapping[str, Any]) -> Model:
    spec = ModelSpec(
        name=name,
        measured_as=name,
        num_layers=shape["num_layers"],
        hidden_size=shape["hidden_size"],
        num_heads=shape["num_heads"],
        num_kv_heads=shape.get("num_kv_heads"),
        weights_bytes=0,
        kv_elements_per_layer=shape.get("kv_elements"),
    )
    weights = [
        Weights(size, entry.get("precision", ""), entry["weights"])
        for size, entry in sizes.items()
        if name in entry.get("architectures", ()) or (size.startswith(f"{name}-") and "architectures" not in entry)
    ]
    return Model(
        name=name,
        parameters=shape.get("parameters"),
        layers=spec.num_layers,
        kv_bytes_per_token=spec.kv_bytes_per_token,
        kv_parts=shape.get("kv_parts", 0),
        weights=tuple(sorted(weights, key=lambda each: -each.bytes)),
        source=shape.get("source", ""),
    )


def _machine(
    name: str, sku: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]], figures: MachineFigures | None
) -> Machine:
    processor = sku["processors"][0]
    described = parts["processors"][processor["name"]]
    links = {
        place: parts["interconnects"][link["link"]]["gbit_per_s"] * link["count"] * BYTES_PER_GBIT / 1e9
        for place, link in sku.get("interconnects", {}).items()
    }
    return Machine(
        name=name,
        gpu=processor["name"],
        gpus=sum(each["count"] for each in sku["processors"]),
        gpu_memory_bytes=described["memory_size"],
        gpu_link_gb_per_s=links.get("gpu", 0.0),
        machine_link_gb_per_s=links.get("machine", 0.0),
        watts=float(sku.get("tdp", 0.0)),
        dollars_per_hour=figures.dollars_per_hour if figures else None,
        memory_source=described.get("source", ""),
        price_source=figures.source if figures else "",
        watts_source=figures.watts_source if figures else "",
    )


def what_fits(names: set[str]) -> list[str]:
    """For each size of models, the least machines by memory on whose GPUs it fits, with a tenth of it for the cache."""
    by_memory = sorted(machines(), key=lambda each: (each.gpus * each.gpu_memory_bytes, each.name))
    found = []
    for model in models():
        for weights in model.weights if model.name in names else ():
            pairs = ((machine, _least_gpus(weights, machine)) for machine in by_memory)
            least = next(((machine, gpus) for machine, gpus in pairs if gpus is not None), None)
            if least is not None:
                found.append(f"{weights.size} on {least[1]} GPUs of a {least[0].name}")
    return found


def _least_gpus(weights: Weights, machine: Machine) -> int | None:
    """On how many GPUs of a machine weights fit; None: on none, or these have no arithmetic for them."""
    if machine.gpu.startswith("a100") and weights.precision in ("fp8", "fp4"):
        return None
    is_unpacked = weights.size.startswith("gpt-oss")  # kernels do that with its MXFP4; NVFP4 needs Blackwell
    if weights.precision == "fp4" and not is_unpacked and SYSTEMS.get(machine.gpu) not in BLACKWELL:
        return None
    sizes = (1 << power for power in range(machine.gpus.bit_length()))
    return next((gpus for gpus in sizes if weights.bytes * 1.1 < gpus * machine.gpu_memory_bytes), None)
