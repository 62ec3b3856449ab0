"""Results of sweeps: reading them back (`load_sweep`) and delivering them (`make_sink`, `SinkWriter`)."""

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
