"""Machines for prompts and machines for decodes: SplitwiseSim's `splitwise` and `splitwise_hhcap`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain

from sim_core.errors import CapacityError, SpecError, choices
from sim_core.options import reads_configuration
from sim_core.section import Section
from sim_core.spec import PROMPT, TOKEN, InstanceSpec, ServerGroupSpec, StartStateSpec
from sim_core.start_state.base import InstancePlan, Reading, StartState, slices

SPLIT_TYPES = ("homogeneous", "heterogeneous")


class Splitwise(StartState):
    """Homogeneous: the first machines take prompts, the next ones decodes. Heterogeneous: the SKU decides."""

    @classmethod
    @reads_configuration
    def read(cls, config: Section, reading: Reading) -> StartStateSpec:
        split = config.text("split_type", SPLIT_TYPES)
        prompt, token = config.section("prompt"), config.section("token")
        by_count = split == "homogeneous"
        return replace(
            reading.spec,
            split_type=split,
            prompt=reading.instance(prompt),
            token=reading.instance(token),
            prompt_machines=prompt.integer("num_instances", 0) if by_count else 0,
            token_machines=token.integer("num_instances", 0) if by_count else 0,
            prompt_skus=() if by_count else prompt.texts("instance_names"),
            token_skus=() if by_count else token.texts("instance_names"),
        )

    @classmethod
    @reads_configuration
    def combinations(cls, state: StartStateSpec, skus: Iterable[str]) -> list[tuple[str, InstanceSpec]]:
        if state.split_type == "homogeneous" or state.prompt is None or state.token is None:
            return super().combinations(state, skus)
        token_skus = set(state.token_skus).difference(state.prompt_skus)
        kinds = ((state.prompt, state.prompt_skus), (state.token, token_skus))
        return [(sku, kind) for kind, own in kinds for sku in skus if sku in own]

    @classmethod
    def plans(cls, state: StartStateSpec, machines: list[ServerGroupSpec]) -> list[InstancePlan]:
        if state.prompt is None or state.token is None:
            raise SpecError("a split start state needs a prompt and a token instance", key="start_state")
        if state.split_type == "homogeneous":
            return _homogeneous(state, machines)
        if state.split_type == "heterogeneous":
            return _heterogeneous(state, machines)
        raise SpecError(
            f"unknown split type{choices(state.split_type, SPLIT_TYPES)}",
            key="start_state.split_type",
            value=state.split_type,
        )


def _homogeneous(state: StartStateSpec, machines: list[ServerGroupSpec]) -> list[InstancePlan]:
    assert state.prompt is not None and state.token is not None
    wanted = state.prompt_machines + state.token_machines
    if wanted > len(machines):
        there, fix = "the cluster has", "raise cluster.servers.*.count"
        if state.machines is not None:
            there, fix = f"application {state.application_id} takes", "raise its machines"
        raise CapacityError(
            f"{state.prompt_machines} prompt + {state.token_machines} token machines are asked for and {there} "
            f"{len(machines)}; lower num_instances or {fix}",
            key="start_state.prompt.num_instances",
            value=state.prompt_machines,
        )
    prompts = machines[: state.prompt_machines]
    tokens = machines[state.prompt_machines : wanted]
    return [
        *chain.from_iterable(slices(machine, PROMPT, state.prompt) for machine in prompts),
        *chain.from_iterable(slices(machine, TOKEN, state.token) for machine in tokens),
    ]


def _heterogeneous(state: StartStateSpec, machines: list[ServerGroupSpec]) -> list[InstancePlan]:
    assert state.prompt is not None and state.token is not None
    plans: list[InstancePlan] = []
    for machine in machines:
        if machine.sku in state.prompt_skus:
            plans.extend(slices(machine, PROMPT, state.prompt))
        elif machine.sku in state.token_skus:
            plans.extend(slices(machine, TOKEN, state.token))
        else:
            raise SpecError(
                f"no role for machines of this SKU{choices(machine.sku, (*state.prompt_skus, *state.token_skus))}; "
                "name it in start_state.prompt.instance_names or start_state.token.instance_names",
                key="cluster.servers",
                value=machine.sku,
            )
    return plans
