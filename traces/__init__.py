"""Workloads: trace files in many formats, and workloads that are generated from a name or a recipe."""

import sim_core  # noqa: F401, first: it refuses a Python that is too old for the modules below
from traces.reader import TraceWarning, read_csv, read_file
from traces.workload import TraceRef, identity, load
from traces.writer import write_csv

__all__ = ["TraceRef", "TraceWarning", "identity", "load", "read_csv", "read_file", "write_csv"]
