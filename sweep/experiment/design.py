"""Designs: which machines do what. An experiment names a system's design, and the other settings follow from it.

    systems:
      baseline-h100: {design: {baseline: dgx-h100}}                   # every machine does prompts and decodes
      splitwise-hh:  {design: {prompt: dgx-h100, token: dgx-h100}}    # the same machines, split in two pools
      splitwise-ha:  {design: {prompt: dgx-h100, token: dgx-a100}}    # prompts on H100, decodes on A100
      splitwise-hhcap: {design: {prompt: dgx-h100, token: dgx-h100-pcap}}

The numbers of machines are axes or variables: `machines` (of a baseline), `prompt_machines` and `token_machines`. With
a budget, one of these two follows from the other. With a budget and neither, the points are all splits on the budget's
frontier: those of which no other split has as many machines in both roles and more in one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from configs.machines import MachineFigures
from sim_core.errors import SpecError
from sweep.experiment.budget import Budget, with_figures
from sweep.experiment.file import Design, Experiment, System, errors_named
from sweep.experiment.grammar import MOST_POINTS

MACHINES, PROMPT, TOKEN = "machines", "prompt_machines", "token_machines"
CAPPED = "-pcap"  # the end of SKUs whose power is capped
BASELINE, _UNIFORM, FILL = "baseline", ("baseline", "orca"), "start_state.fill_machine"
_SCHEDULERS = {True: "token_jsq", False: "mixed_pool"}  # SplitwiseSim's, for baselines and for splits


def with_designs(experiment: Experiment, figures: Mapping[str, MachineFigures]) -> Experiment:
    """The experiment with its systems' designs spelled out as overrides, axes and variables.

    Raises SpecError for a design with too many or too few numbers, or with too small a budget.
    """
    with errors_named(experiment.source):
        systems = tuple(_spelled_out(experiment, system, figures) for system in experiment.systems)
    if experiment.budget is not None and all(system.design is None for system in systems):
        raise SpecError("no system has a design that could make use of it", key="budget", source=experiment.source)
    return replace(experiment, systems=systems)


def figures_for(experiment: Experiment, figures: Mapping[str, MachineFigures]) -> dict[str, MachineFigures]:
    """The figures of machines in this experiment. Raises SpecError."""
    with errors_named(experiment.source):
        return with_figures(figures, experiment.machines)


def check_given(system: System, values: Mapping[str, Any]) -> None:
    """Raise SpecError for an impossible number of machines; `values` are those of the axes."""
    for name in (MACHINES, PROMPT, TOKEN):
        count = values.get(name, 1)
        if system.design is not None and (isinstance(count, bool) or not isinstance(count, int) or count < 1):
            raise SpecError("must be a whole number of machines, at least 1", key=name, value=count)


def check_bought(system: System, scope: Mapping[str, Any]) -> None:
    """Raise SpecError if one role leaves nothing of the budget for the other; `scope` has all variables."""
    for name, other in ((PROMPT, TOKEN), (TOKEN, PROMPT), (MACHINES, MACHINES)):
        count = scope.get(name, 1)
        if system.design is not None and isinstance(count, int) and count < 1:
            beside = f", with {other}={scope[other]}" if other in scope and other != name else ""
            raise SpecError(f"the budget is not enough for one{beside}", key=name, value=count)


def _spelled_out(experiment: Experiment, system: System, figures: Mapping[str, MachineFigures]) -> System:
    design, key = system.design, f"systems.{system.name}"
    if design is None:
        return system
    known = {*experiment.axes, *experiment.variables, *system.axes, *system.variables}
    completed = _baseline if design.is_baseline else _split
    axes, variables = completed(experiment.budget, design, key, known, figures)
    overrides = _overrides(design)
    own = {**experiment.overrides, **system.overrides}
    if own.get("start_state", BASELINE) not in _UNIFORM:
        overrides.pop(FILL, None)  # a start state of the user's own may not have this key
    for name in own:
        if name == "cluster" or name.startswith("cluster.servers"):
            raise SpecError("the design says which machines: leave this out", key=f"{key}: {name}")
    kept = {name: value for name, value in overrides.items() if name not in experiment.overrides}
    return replace(
        system,
        axes={**system.axes, **axes},
        variables={**system.variables, **variables},
        overrides={**kept, **system.overrides},
    )


Numbers = tuple[dict[str, tuple[Any, ...]], dict[str, Any]]  # axes and variables that complete a design


def _baseline(
    budget: Budget | None, design: Design, key: str, known: Collection[str], figures: Mapping[str, MachineFigures]
) -> Numbers:
    if MACHINES in known:
        if budget is not None:
            raise SpecError("the budget says how many: leave out one of the two", key=f"{key}: {MACHINES}")
        return {}, {}
    if budget is None:
        raise SpecError(f"say how many machines: an axis {MACHINES}, or a budget for all systems", key=key)
    if budget.buys(design.token, figures) < 1:
        raise SpecError(f"{budget.text(figures)} is not enough for one {design.token}", key=f"{key}: budget")
    return {}, {MACHINES: _eval(budget.formula(design.token, figures))}


def _split(
    budget: Budget | None, design: Design, key: str, known: Collection[str], figures: Mapping[str, MachineFigures]
) -> Numbers:
    numbers = [name for name in (PROMPT, TOKEN) if name in known]
    if budget is None:
        if len(numbers) < 2:
            missing = next(name for name in (PROMPT, TOKEN) if name not in numbers)
            raise SpecError(f"say how many: an axis {missing}, or a budget for all systems", key=key)
        return {}, {}
    if len(numbers) == 2:
        reason = f"of {PROMPT}, {TOKEN} and the budget two say the third: leave one out"
        raise SpecError(reason, key=f"{key}: {TOKEN}")
    if numbers == [TOKEN]:
        return {}, {PROMPT: _eval(budget.formula(design.prompt, figures, design.token, TOKEN))}
    axes = {} if numbers else {PROMPT: frontier(budget, design, figures, key)}
    return axes, {TOKEN: _eval(budget.formula(design.token, figures, design.prompt, PROMPT))}


def frontier(
    budget: Budget, design: Design, figures: Mapping[str, MachineFigures], key: str = "budget"
) -> tuple[int, ...]:
    """The numbers of prompt machines of the splits on the budget's frontier, ascending. Raises SpecError for none."""
    most = budget.buys(design.prompt, figures, design.token, 1)
    if most < 1:
        reason = f"{budget.text(figures)} is not enough for one {design.prompt} and one {design.token}"
        raise SpecError(reason, key=f"{key}: budget")
    if most > MOST_POINTS:
        raise SpecError(f"{most} splits of {budget.text(figures)} are too many: say {PROMPT}", key=f"{key}: budget")
    tokens = {count: budget.buys(design.token, figures, design.prompt, count) for count in range(1, most + 1)}
    return tuple(n for n in tokens if tokens[n] >= 1 and (n == most or tokens[n + 1] < tokens[n]))


def _overrides(design: Design) -> dict[str, Any]:
    """The settings that make a cluster of the design; SplitwiseSim's names where it has one."""
    scheduler = {"applications.0.scheduler": _SCHEDULERS[design.is_baseline]}
    if design.is_baseline:
        return {**_servers(design.token, f"${{{MACHINES}}}"), "start_state": BASELINE, FILL: True, **scheduler}
    state = "splitwise_hhcap" if design.token.endswith(CAPPED) else "splitwise"
    both = {"start_state": state, **scheduler}
    if design.prompt == design.token:
        return {
            **_servers(design.token, f"${{eval:'${{{PROMPT}}} + ${{{TOKEN}}}'}}"),
            **both,
            "start_state.split_type": "homogeneous",
            "start_state.prompt.num_instances": f"${{{PROMPT}}}",
            "start_state.token.num_instances": f"${{{TOKEN}}}",
        }
    return {
        **_servers(design.token, f"${{{TOKEN}}}", design.prompt, f"${{{PROMPT}}}"),
        **both,
        "start_state.split_type": "heterogeneous",
        "start_state.prompt.instance_names": [design.prompt],
        "start_state.token.instance_names": [design.token],
    }


def _servers(sku: str, count: str, other: str = "", others: str = "") -> dict[str, Any]:
    second = {"cluster.servers.1.sku": other, "cluster.servers.1.count": others} if other else {}
    return {
        "cluster": "half_half",
        "cluster.servers.0.sku": sku,
        "cluster.servers.0.count": count,
        **(second or {"cluster.servers.1.count": 0}),
    }


def _eval(formula: str) -> Any:
    return int(formula) if formula.isdecimal() else f"${{eval:'{formula}'}}"
