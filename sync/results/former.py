"""Outcomes that were kept before `design` and `workload` were fields: the missing facts, from their other fields.

Configuration, overrides and axes of such an outcome tell what it was of. Where the sweep is started again, the facts of
its points replace these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from configs.bounded import parse_yaml
from sync.results.point_id import rate_of_number, short_sku

# Axes that are no settings of a design: the rate, the seed, what is served, and the machines.
_OTHER_AXES = ("rate", "seed", "workload", "trace.filename", "prompt_machines", "token_machines", "machines")


def facts_of_former(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a former outcome lacks; empty for one that has them. Raises SpecError for settings that are no
    YAML, and KeyError, TypeError or AttributeError for others than a run has."""
    if "design" in values and "workload" in values:
        return {}
    roles, rate = _roles(values), values["rate"]
    rate = None if rate is None else rate_of_number(float(rate))
    return {"design": _design(values, roles), "workload": _workload(values), "rate": rate, "roles": roles}


def _design(values: Mapping[str, Any], roles: Mapping[str, Mapping[str, int]]) -> str:
    if roles:
        label = f"{sum(roles['prompt'].values())}P+{sum(roles['token'].values())}T"
    else:
        label = "+".join(f"{count}x{short_sku(sku)}" for sku, count in values["machines"].items())
    own = [f"{axis.rpartition('.')[2]}={value}" for axis, value in values["axes"].items() if axis not in _OTHER_AXES]
    return " ".join(filter(None, [str(values["system"]), label, *own]))


def _workload(values: Mapping[str, Any]) -> str:
    """The experiment's name for it, else the trace's name without the rate: `rr_WORKLOAD_RATE_LENGTH` is a named
    workload, `RECIPE@RATE` a recipe."""
    trace, workload = str(values["trace"]), values["axes"].get("workload")
    if isinstance(workload, str):
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
    state, machines = _start_state(values), values["machines"]
    split, prompt, token = (state.get(name) or {} for name in ("split_type", "prompt", "token"))
    if split == "heterogeneous":
        names = prompt.get("instance_names") or ()
        skus = [names] if isinstance(names, str) else names
        return {
            "prompt": {sku: count for sku, count in machines.items() if sku in skus},
            "token": {sku: count for sku, count in machines.items() if sku not in skus},
        }
    counts: list[Any] = [role.get("num_instances") for role in (prompt, token)]
    if split == "homogeneous" and len(machines) == 1 and all(isinstance(count, int) for count in counts):
        (sku,) = machines
        return {role: {sku: count} for role, count in zip(("prompt", "token"), counts, strict=True)}
    return {}


def _start_state(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the start state, from the configuration where it was kept, else from the overrides."""
    config = parse_yaml(values.get("config_yaml") or "", "config_yaml")
    if isinstance(config, dict) and isinstance(config.get("start_state"), dict):
        return dict(config["start_state"])
    found: dict[str, Any] = {}
    for override in values["overrides"]:
        name, _, text = override.lstrip("+").partition("=")
        if name.startswith("start_state."):
            *sections, last = name.split(".")[1:]
            section = found
            for part in sections:
                section = section.setdefault(part, {})
            section[last] = parse_yaml(text, name)
    return found
