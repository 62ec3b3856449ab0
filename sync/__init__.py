"""Results: where they are delivered to (sinks) and how they are read back."""

from sync.base import Outcome, ResultSink, SweepInfo

__all__ = ["Outcome", "ResultSink", "SweepInfo"]
