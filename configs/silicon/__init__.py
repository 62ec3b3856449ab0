"""Step times of today's models and GPUs from the measured kernels of aiconfigurator-core, as tables for `sim_core`."""

from configs.silicon.ask import grids

__all__ = ["grids"]
