"""Budgets: what designs may cost, draw or count, and how many machines that buys.

    budget: {cost: {dgx-h100: 40}}    # dollars an hour: the price of forty of these machines
    budget: {cost: 1523.2}            # dollars an hour
    budget: {power: {dgx-h100: 40}}   # the paper's power weights, which have no unit: given in machines
    budget: {watts: 408000}           # W by nameplate; or {watts: {dgx-h100: 40}}
    budget: {gpu_watts: 224000}       # W that the GPUs draw at most, with prompts; or {gpu_watts: {dgx-h100: 40}}
    budget: {count: 40}               # machines; or {count: {dgx-h100: 40}}

The price and power of machines are in data/machines.json, and what GPUs draw in configs/power_model/constant.yaml and
data/gpu_power.json; an experiment's `machines` replace them.

The number of machines that the rest of a budget buys is a formula, `int(38.08 * (40 - ${prompt_machines}) // 17.68)`:
the paper's, with the price of a machine instead of a GPU's, in floating point as in SplitwiseSim. Rounding may lose the
last machine (44 * 35 // 30.8 is 49); this is kept, so that the points are those of SplitwiseSim's grids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from configs.arithmetic import evaluate
from configs.gpu_power import ESTIMATED_FILE
from configs.machines import MACHINES_FILE, MachineFigures
from sim_core.errors import SpecError, choices

GPU_WATTS = "gpu_watts"
KINDS = {"cost": "dollars_per_hour", "power": "power_weight", "watts": "watts", GPU_WATTS: GPU_WATTS, "count": ""}
_TEXTS = {
    "cost": "{:.2f} dollars an hour",
    "power": "{:g} of power weight",
    "watts": "{:g} W",
    GPU_WATTS: "{:g} W of its GPUs at most",
    "count": "{:g} machines",
}
OWN_FIGURES = "the experiment's own `machines`"  # where figures are from that an experiment gives
_MOST = 1e18  # of an amount, which is a float later
_EPSILON = 1e-9  # of a machine: an amount that was typed in may be too small by this, because of rounding


@dataclass(frozen=True)
class Budget:
    """A budget of one of `KINDS`: `amount` in the kind's unit, or as much as `machines` (a number by SKU) take."""

    kind: str
    amount: float | None = None
    machines: Mapping[str, int] = field(default_factory=dict)

    def weight(self, sku: str, figures: Mapping[str, MachineFigures]) -> float:
        """What one machine takes of the budget. Raises SpecError for an unknown machine."""
        if self.kind == "count":
            return 1
        if sku not in figures:
            reason = f"nothing is known of this machine{choices(sku, figures)}; give its price and power under machines"
            raise SpecError(reason, key=f"budget.{self.kind}", value=sku)
        weight: float = getattr(figures[sku], KINDS[self.kind])
        if not weight > 0:
            place = ESTIMATED_FILE if self.kind == GPU_WATTS else MACHINES_FILE
            reason = f"must be above 0 to buy {sku!r} of a budget; give it under machines, see {place}"
            raise SpecError(reason, key=KINDS[self.kind], value=weight)
        return weight

    def formula(self, sku: str, figures: Mapping[str, MachineFigures], beside: str = "", variable: str = "") -> str:
        """The number of machines `sku` that the budget buys, as arithmetic, after `${variable}` machines `beside`."""
        price = self.weight(sku, figures)
        taken = self.weight(beside, figures) if beside else 0.0
        if beside and taken == price:
            return f"{self.formula(sku, figures)} - ${{{variable}}}"
        if self.amount is not None:
            rest = f"({self.amount!r} - {taken!r} * ${{{variable}}})" if beside else repr(self.amount)
            return f"int({rest} / {price!r} + {_EPSILON})"
        if not beside and all(self.weight(name, figures) == price for name in self.machines):
            return str(sum(self.machines.values()))
        left = {name: str(count) for name, count in self.machines.items()}
        if beside:
            left[beside] = f"({left.get(beside, '0')} - ${{{variable}}})"
        terms = " + ".join(f"{self.weight(name, figures)!r} * {count}" for name, count in left.items())
        return f"int({terms if len(left) == 1 else f'({terms})'} // {price!r})"

    def buys(self, sku: str, figures: Mapping[str, MachineFigures], beside: str = "", taken: int = 0) -> int:
        """How many machines `sku` the budget buys after `taken` machines `beside`; below 0 if those are too many."""
        return int(evaluate(self.formula(sku, figures, beside, "n").replace("${n}", str(taken))))

    def total(self, figures: Mapping[str, MachineFigures]) -> float:
        """The whole budget in the kind's unit."""
        if self.amount is not None:
            return self.amount
        return sum(self.weight(sku, figures) * count for sku, count in self.machines.items())

    def text(self, figures: Mapping[str, MachineFigures]) -> str:
        """`1523.20 dollars an hour`."""
        return _TEXTS[self.kind].format(self.total(figures))


def parse_budget(raw: object) -> Budget | None:
    """The budget of an experiment, None for none. Raises SpecError."""
    if raw is None:
        return None
    if not isinstance(raw, dict) or len(raw) != 1:
        reason = f"say one of {', '.join(KINDS)}, such as {{cost: {{dgx-h100: 40}}}}"
        raise SpecError(reason, key="budget", value=raw)
    ((kind, amount),) = raw.items()
    key = f"budget.{kind}"
    if kind not in KINDS:
        raise SpecError(f"unknown kind of budget{choices(kind, KINDS)}", key=key)
    if isinstance(amount, dict) and amount:
        return Budget(str(kind), machines={str(sku): _count(count, f"{key}.{sku}") for sku, count in amount.items()})
    if kind == "power":
        reason = "power weights have no unit: say in machines, such as {dgx-h100: 40}, or a number of watts as watts"
        raise SpecError(reason, key=key, value=amount)
    return Budget(str(kind), amount=_count(amount, key) if kind == "count" else _positive(amount, key))


def parse_machines(raw: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Figures of machines, by SKU, that replace those in the file. Raises SpecError."""
    names = [figure.name for figure in fields(MachineFigures)]
    machines: dict[str, dict[str, float]] = {}
    for sku, figures in raw.items():
        if not isinstance(figures, dict) or not figures:
            raise SpecError(f"give some of {', '.join(names)}", key=f"machines.{sku}", value=figures)
        for name in figures:
            if name not in names:
                raise SpecError(f"unknown figure{choices(name, names)}", key=f"machines.{sku}.{name}")
        machines[sku] = {name: _positive(value, f"machines.{sku}.{name}") for name, value in figures.items()}
    return machines


def with_figures(
    figures: Mapping[str, MachineFigures], changes: Mapping[str, Mapping[str, float]]
) -> dict[str, MachineFigures]:
    """The figures with these changes. Raises SpecError for a new machine without a price or power weight."""
    changed = dict(figures)
    for sku, own in changes.items():
        if sku in changed:
            changed[sku] = _with_own(changed[sku], own)
            continue
        missing = [name for name in ("dollars_per_hour", "power_weight") if name not in own]
        if missing:
            reason = f"{MACHINES_FILE} does not know this machine{choices(sku, figures)}; a new one needs {missing[0]}"
            raise SpecError(reason, key=f"machines.{sku}")
        changed[sku] = _with_own(MachineFigures(0.0, 0.0), own)
    return changed


def _with_own(figures: MachineFigures, own: Mapping[str, float]) -> MachineFigures:
    """The figures with those that the experiment gives itself, and says so of their source."""
    changes: dict[str, Any] = dict(own)
    if own.keys() - {"watts", GPU_WATTS}:
        changes["source"] = OWN_FIGURES
    if "watts" in own:
        changes["watts_source"] = OWN_FIGURES
    return replace(figures, **changes)


def _count(value: object, key: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SpecError("a budget is a whole number of machines, at least 1", key=key, value=value)
    return value


def _positive(value: object, key: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MOST:
        raise SpecError("must be a number above 0", key=key, value=value)
    return value
