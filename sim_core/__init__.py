"""A simulator of clusters that serve large language models: fast, exact, and on the standard library alone.

spec = spec_from_config(resolved_configuration, root)  # or a SimSpec made in Python
result = simulate(spec, trace)  # recorded columns and counts
run = sync.results.measure.measure(result, spec)  # with times, slowdowns and a summary
"""

# ruff: noqa: E402
from sim_core.environment import require_python

require_python()  # first: an older Python cannot read the modules below

from sim_core.compilation import form

form()  # before any module that may be compiled

from sim_core.code_identity import Code
from sim_core.config import spec_from_config
from sim_core.errors import CapacityError, InvariantError, SimError, SpecError, TraceError
from sim_core.results import SimResult
from sim_core.simulation import simulate
from sim_core.spec import (
    ApplicationSpec,
    CurveSpec,
    InstanceSpec,
    ModelSpec,
    PerformanceSpec,
    ProcessorSpec,
    SchedulerSpec,
    ServerGroupSpec,
    SimSpec,
    StartStateSpec,
)
from sim_core.trace import Trace
from sim_core.version import __version__, content_key

__all__ = [
    "ApplicationSpec",
    "CapacityError",
    "Code",
    "CurveSpec",
    "InstanceSpec",
    "InvariantError",
    "ModelSpec",
    "PerformanceSpec",
    "ProcessorSpec",
    "SchedulerSpec",
    "ServerGroupSpec",
    "SimError",
    "SimResult",
    "SimSpec",
    "SpecError",
    "StartStateSpec",
    "Trace",
    "TraceError",
    "__version__",
    "content_key",
    "simulate",
    "spec_from_config",
]
