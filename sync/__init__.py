"""Results of sweeps: reading them back (`load_sweep`) and delivering them (`make_sink`, `SinkWriter`).

A name is imported when it is first used: a single run needs a few of the modules below, and not pandas or pyarrow.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sync.load import load_sweep
    from sync.results.outcome import Outcome, ResultSink, SweepInfo
    from sync.tracking.address import ui_command, ui_lines
    from sync.tracking.sinks import SINKS, make_sink
    from sync.tracking.writer import Delivery, SinkWriter

__all__ = [
    "SINKS",
    "Delivery",
    "Outcome",
    "ResultSink",
    "SinkWriter",
    "SweepInfo",
    "load_sweep",
    "make_sink",
    "ui_command",
    "ui_lines",
]

_MODULES = {
    "sync.load": ("load_sweep",),
    "sync.results.outcome": ("Outcome", "ResultSink", "SweepInfo"),
    "sync.tracking.sinks": ("SINKS", "make_sink"),
    "sync.tracking.address": ("ui_command", "ui_lines"),
    "sync.tracking.writer": ("Delivery", "SinkWriter"),
}


def __getattr__(name: str) -> object:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
