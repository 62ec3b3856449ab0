"""Prices and power of machines, from `data/machines.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from configs.bounded import read_json
from sim_core.errors import SpecError, choices

MACHINES_FILE = "data/machines.json"


@dataclass(frozen=True)
class MachineFigures:
    """The figures of one machine: dollars an hour, weight in a power budget, W by nameplate, and what its GPUs draw at
    most (0: unknown; see `configs.gpu_power.with_gpu_watts`). `source` says in few words where price and weight are
    from, `watts_source` where the watts are."""

    dollars_per_hour: float
    power_weight: float
    watts: float = 0.0
    source: str = ""
    watts_source: str = ""
    gpu_watts: float = 0.0


def read_machines(root: Path) -> dict[str, MachineFigures]:
    """The figures by SKU, from the file below `root`. Raises SpecError."""
    path = root / MACHINES_FILE
    try:
        content = read_json(path, MACHINES_FILE)
        return {
            sku: MachineFigures(
                float(entry["dollars_per_hour"]),
                float(entry["power_weight"]),
                float(entry.get("watts", 0.0)),
                str(entry.get("cited_as", entry.get("source", ""))),
                str(entry.get("watts_cited_as", entry.get("watts_source", ""))),
            )
            for sku, entry in content.items()
            if isinstance(entry, dict) and "dollars_per_hour" in entry
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SpecError(f"cannot be read: {error}", source=MACHINES_FILE) from error


def cost_and_power(counts: Mapping[str, int], figures: Mapping[str, MachineFigures]) -> tuple[float, float]:
    """Dollars an hour and power weight of a whole cluster. Raises SpecError for a SKU without figures."""
    for sku in counts:
        if sku not in figures:
            raise SpecError(f"no price for {sku!r}{choices(sku, figures)}; add it there", source=MACHINES_FILE)
    cost = sum(figures[sku].dollars_per_hour * count for sku, count in counts.items())
    power = sum(figures[sku].power_weight * count for sku, count in counts.items())
    return round(cost, 6), round(power, 6)


def provisioned_watts(counts: Mapping[str, int], figures: Mapping[str, MachineFigures]) -> float:
    """The power of a whole cluster by nameplate, in W; 0 if that of one of its machines is unknown."""
    watts = [figures[sku].watts * count for sku, count in counts.items() if count]
    return round(sum(watts), 6) if all(watts) else 0.0
