"""The sinks by name. To add one: a file with a `ResultSink`, a function here that makes it, and a line in `SINKS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from sim_core.errors import SpecError, choices
from sync.results.outcome import Outcome, ResultSink, SweepInfo


class NullSink:
    """Keeps nothing: the journal has everything."""

    def open(self, sweep: SweepInfo) -> None: ...
    def write(self, outcome: Outcome) -> None: ...
    def page(self) -> str | None: ...
    def close(self) -> None: ...


def _mlflow(results: Path) -> ResultSink:
    from sync.tracking.sink import MlflowSink

    return MlflowSink(results)


SINKS: Mapping[str, Callable[[Path], ResultSink]] = {"mlflow": _mlflow, "none": lambda _: NullSink()}


def make_sink(name: str, results: Path) -> ResultSink:
    """The sink called `name`, which may write below `results`. Nothing is opened or made before `ResultSink.open`.
    Raises SpecError for an unknown name or an unusable MLFLOW_TRACKING_URI."""
    if name == "local":
        command = "python -m sync export SWEEP --to FOLDER --format parquet"
        reason = f"is gone: the journal has the same, and `{command}` writes files"
        raise SpecError(reason, key="sink", value=name)
    if name not in SINKS:
        raise SpecError(f"unknown sink{choices(name, SINKS)}", key="sink", value=name)
    return SINKS[name](results)
