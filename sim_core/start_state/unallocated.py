"""No instance at all."""

from __future__ import annotations

from sim_core.spec import ServerGroupSpec, StartStateSpec
from sim_core.start_state.base import InstancePlan, StartState


class Unallocated(StartState):
    """The application starts without instances: its requests are rejected."""

    @classmethod
    def plans(cls, state: StartStateSpec, machines: list[ServerGroupSpec]) -> list[InstancePlan]:
        return []
