"""Step times of today's models and GPUs from the measured kernels of aiconfigurator-core, as tables for `sim_core`."""

from __future__ import annotations

from collections.abc import Sequence

from sim_core.spec import Deployment, StepGridSpec

__all__ = ["grids"]


def grids(used: Sequence[Deployment], others: Sequence[Deployment] = ()) -> tuple[StepGridSpec, ...]:
    """The tables of deployments: see `configs.silicon.ask`, which is imported by the first run that asks for any."""
    from configs.silicon import ask

    return ask.grids(used, others)
