"""Performance models give the times of iterations. A new one: a file here, a line in the table, a config file."""

from sim_core.performance.aiconfigurator import AiconfiguratorPerformance
from sim_core.performance.base import PerformanceModel
from sim_core.performance.calibrated import CalibratedPerformance
from sim_core.performance.constant import ConstantPerformance
from sim_core.performance.db import DatabasePerformance
from sim_core.performance.linear import LinearPerformance
from sim_core.performance.step_times import StepTimes
from sim_core.performance.table import TablePerformance

PERFORMANCE_MODELS: dict[str, type[PerformanceModel]] = {
    "aiconfigurator": AiconfiguratorPerformance,
    "calibrated": CalibratedPerformance,
    "constant": ConstantPerformance,
    "db": DatabasePerformance,
    "linear": LinearPerformance,
    "table": TablePerformance,
}

__all__ = ["PERFORMANCE_MODELS", "PerformanceModel", "StepTimes"]
