"""Performance models: how long an iteration takes. Adding one: a file here, and its line in the table."""

from collections.abc import Callable

from sim_core.performance.base import IterationTimes, PerformanceModel
from sim_core.performance.constant import ConstantPerformance
from sim_core.performance.db import DatabasePerformance
from sim_core.spec import PerformanceSpec

PERFORMANCE_MODELS: dict[str, Callable[[PerformanceSpec], PerformanceModel]] = {
    "constant": ConstantPerformance,
    "db": DatabasePerformance,
}

__all__ = ["PERFORMANCE_MODELS", "IterationTimes", "PerformanceModel"]
