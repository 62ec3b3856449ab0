"""Performance models give the times of iterations. A new one: a file here, a line in the table, a config file."""

from sim_core.performance.base import PerformanceModel
from sim_core.performance.step_times import StepTimes
from sim_core.table import Table

PERFORMANCE_MODELS: Table[PerformanceModel] = Table(
    "sim_core.performance",
    aiconfigurator="aiconfigurator.AiconfiguratorPerformance",
    calibrated="calibrated.CalibratedPerformance",
    constant="constant.ConstantPerformance",
    db="db.DatabasePerformance",
    linear="linear.LinearPerformance",
    measured="measured.MeasuredPerformance",
    table="table.TablePerformance",
)

__all__ = ["PERFORMANCE_MODELS", "PerformanceModel", "StepTimes"]
