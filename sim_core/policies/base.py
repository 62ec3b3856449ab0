"""The project's own policies by name, and how they are made."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

from sim_core.batching import BATCHING, Batcher
from sim_core.performance import PERFORMANCE_MODELS, PerformanceModel
from sim_core.scheduling import SCHEDULERS, Scheduler, Start
from sim_core.spec import PerformanceSpec, ServerGroupSpec, StartStateSpec
from sim_core.start_state import START_STATES, InstancePlan, StartState


class Policies:
    """The tables of the four families, and how their policies are made."""

    def __init__(self) -> None:
        self.schedulers: Mapping[str, type[Scheduler]] = SCHEDULERS
        self.batching: Mapping[str, type[Batcher]] = BATCHING
        self.performance_models: Mapping[str, type[PerformanceModel]] = PERFORMANCE_MODELS
        self.start_states: Mapping[str, type[StartState]] = START_STATES

    def scheduler(self, start: Start) -> Scheduler:
        """The scheduler of an application."""
        return self.schedulers[start.spec.policy](start)

    def performance(self, spec: PerformanceSpec) -> PerformanceModel:
        """The performance model of a run."""
        return self.performance_models[spec.policy](spec)

    def plans(self, state: StartStateSpec, machines: list[ServerGroupSpec]) -> list[InstancePlan]:
        """The instances that a start state makes of `machines`, in order of their index."""
        return self.start_states[state.kind].plans(state, machines)

    def blamed(self) -> AbstractContextManager[None]:
        """Within this block an error in a policy of a plugin names the plugin's file and line."""
        return nullcontext()
