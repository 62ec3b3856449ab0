"""Outcomes that were kept before `design` and `workload` were fields: the missing facts, from their other fields.

Configuration, overrides and axes of such an outcome tell what it was of. Where the sweep is started again, the facts of
its points replace these.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from sync.results.point_id import rate_of_number, short_sku

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Axes that are not about the design: the rate, the seed and what is served.
_NOT_OF_A_DESIGN = ("rate", "seed", "workload", "trace.filename")
_OF_ROLES = ("prompt_machines", "token_machines", "machines")


def facts_of_former(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a former outcome lacks; empty for one that has them."""
    if "design" in values and "workload" in values:
        return {}
    roles = _roles(values)
    rate = values["rate"]
    rate = None if rate is None else rate_of_number(float(rate))
    return {"design": _design(values, roles), "workload": _workload(values), "rate": rate, "roles": roles}


def _design(values: Mapping[str, Any], roles: Mapping[str, Mapping[str, int]]) -> str:
    machines: Mapping[str, int] = values["machines"]
    if roles:
        prompt, token = (sum(roles[role].values()) for role in ("prompt", "token"))
        label = f"{prompt}P+{token}T"
    else:
        label = "+".join(f"{count}x{short_sku(sku)}" for sku, count in machines.items())
    own = [
        f"{axis.rpartition('.')[2]}={value}"
        for axis, value in values["axes"].items()
        if axis not in _NOT_OF_A_DESIGN and axis not in _OF_ROLES
    ]
    return " ".join(filter(None, [str(values["system"]), label, *own]))


def _workload(values: Mapping[str, Any]) -> str:
    """The experiment's name for it, else the trace's name without the rate: `rr_WORKLOAD_RATE_LENGTH` is a named
    workload, `RECIPE@RATE` a recipe."""
    trace, axes = str(values["trace"]), values["axes"]
    if isinstance(workload := axes.get("workload"), str):
        return workload
    if values.get("rate") is None:
        return trace
    recipe, at, _ = trace.rpartition("@")
    if at:
        return recipe
    parts = trace.split("_")
    return parts[1] if parts[0] == "rr" and len(parts) > 2 else trace


def _roles(values: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Machines by role, from the configuration; empty where machines have no roles or it is not known."""
    state = _start_state(values)
    split = state.get("split_type")
    machines: Mapping[str, int] = values["machines"]
    if split == "heterogeneous":
        prompt_skus = _texts(state, "prompt.instance_names")
        prompt = {sku: count for sku, count in machines.items() if sku in prompt_skus}
        return {"prompt": prompt, "token": {sku: count for sku, count in machines.items() if sku not in prompt}}
    if split == "homogeneous" and len(machines) == 1:
        ((sku, _),) = machines.items()
        counts = [state.get(f"{role}.num_instances") for role in ("prompt", "token")]
        if all(isinstance(count, int) for count in counts):
            return {"prompt": {sku: int(counts[0] or 0)}, "token": {sku: int(counts[1] or 0)}}
    return {}


def _texts(state: Mapping[str, Any], name: str) -> Sequence[str]:
    found = state.get(name) or ()
    return [found] if isinstance(found, str) else list(found)


def _start_state(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the start state by dotted name, from the configuration where it was kept, else the overrides."""
    config = yaml.load(values.get("config_yaml") or "", _LOADER)
    if isinstance(config, dict) and isinstance(config.get("start_state"), dict):
        return _flat(config["start_state"])
    found: dict[str, Any] = {}
    for override in values["overrides"]:
        name, _, text = override.lstrip("+").partition("=")
        if name.startswith("start_state."):
            found[name.removeprefix("start_state.")] = yaml.load(text, _LOADER)
    return found


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
