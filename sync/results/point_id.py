"""What a point is: facts that are written once, when the experiment is expanded, and kept with its results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Roles = Mapping[str, Mapping[str, int]]  # role (`prompt`, `token`) -> SKU -> machines
SHOWN_OF_A_KEY = 10  # characters of a key in tables; every command takes the start of a key
RATE_DIGITS = 12  # significant ones: 0.1 * 3 is the rate 0.3


@dataclass(frozen=True, slots=True)
class PointId:
    """`design`: the cluster and its settings. `workload`: what is served, without the rate. `rate`: requests a second
    (None: the workload has no rate). `seed`: runs that differ by it alone are repetitions of one another."""

    design: str
    workload: str
    rate: float | None
    seed: int

    @property
    def repeated(self) -> tuple[str, str, float | None]:
        """Equal for repetitions."""
        return self.design, self.workload, self.rate


def rate_of_number(value: float) -> float:
    """A rate without the noise of binary arithmetic: 0.30000000000000004 is 0.3."""
    return float(rate_text(value))


def rate_text(rate: float) -> str:
    """A rate as text: `24`, `0.3`."""
    return f"{rate:.{RATE_DIGITS}g}"


def point_text(point_id: PointId) -> str:
    """The point without its seed: `splitwise-ha 30P+21T conv 70 rps`."""
    rate = "" if point_id.rate is None else f" {rate_text(point_id.rate)} rps"
    return f"{point_id.design} {point_id.workload}{rate}"


def name_by_rate(point_id: PointId, name: str, *, with_seed: bool = False) -> str:
    """The point's name with its rate in front, as `24/s splitwise-ha 6P+4T conv`: MLflow's lists and legends cut off
    the end. `name`, where the workload has no rate."""
    if point_id.rate is None:
        return name
    seed = f" seed {point_id.seed}" if with_seed else ""
    return f"{rate_text(point_id.rate)}/s {point_id.design} {point_id.workload}{seed}"


def short_sku(sku: str) -> str:
    """`H100` for `dgx-h100`, `H100cap` for `dgx-h100-pcap`."""
    head, *rest = sku.removeprefix("dgx-").split("-")
    return head.upper() + "".join(part.replace("pcap", "cap") for part in rest)


def cluster_text(machines: Mapping[str, int], roles: Roles) -> str:
    """`17 A100`; of machines with roles also which do what: `6 H100 prompt + 4 A100 token`."""
    parts = [(count, sku, role) for role, counts in roles.items() for sku, count in counts.items() if count]
    if parts:
        return " + ".join(f"{count} {short_sku(sku)} {role}" for count, sku, role in parts)
    return "+".join(f"{count} {short_sku(sku)}" for sku, count in machines.items())
