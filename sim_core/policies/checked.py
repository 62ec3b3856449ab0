"""The policies of plugins in a run: what they return is checked, and their errors name the plugin's file and line.

The checks change no value, so a plugin's policy gives the results that the same code in the project gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from math import inf
from pathlib import Path
from traceback import walk_tb
from typing import Any

from sim_core.errors import MOST_SHOWN, InvariantError, PluginError, SimError, one_line
from sim_core.performance import PerformanceModel, StepTimes
from sim_core.performance.base import CurveKey
from sim_core.performance.step_times import PROVENANCES, TimeTable
from sim_core.plugins import described, line_in, loaded
from sim_core.policies.base import Policies
from sim_core.replica import Replica
from sim_core.request import Request
from sim_core.scheduling import Placement, Scheduler, Start, View
from sim_core.spec import (
    InstanceSpec,
    ModelSpec,
    PerformanceSpec,
    PluginSpec,
    SchedulerSpec,
    ServerGroupSpec,
    StartStateSpec,
)
from sim_core.start_state import InstancePlan
from sim_core.step import Step


class PluginPolicies(Policies):
    """The project's own policies, and those of plugins."""

    def __init__(self, plugins: Sequence[PluginSpec]) -> None:
        """Raises PluginError for a plugin that cannot be loaded."""
        super().__init__()
        self._file_of: dict[type[Any], str] = {}
        self._files = [plugin.file for plugin in plugins]
        added: dict[str, dict[str, type[Any]]] = {}
        for plugin in plugins:
            for table, entries in loaded(plugin.file, plugin.text).items():
                added.setdefault(table, {}).update(entries)
                self._file_of.update(dict.fromkeys(entries.values(), plugin.file))
        self.schedulers = {**self.schedulers, **added.get("SCHEDULERS", {})}
        self.batching = {**self.batching, **added.get("BATCHING", {})}
        self.performance_models = {**self.performance_models, **added.get("PERFORMANCE_MODELS", {})}
        self.start_states = {**self.start_states, **added.get("START_STATES", {})}

    def scheduler(self, start: Start) -> Scheduler:
        scheduler = super().scheduler(start)
        file = self._file_of.get(type(scheduler))
        return scheduler if file is None else _CheckedScheduler(scheduler, start.spec, file)

    def performance(self, spec: PerformanceSpec) -> PerformanceModel:
        with self.blamed():
            model = super().performance(spec)
        file = self._file_of.get(type(model))
        return model if file is None else _CheckedModel(model, file)

    def plans(self, state: StartStateSpec, machines: list[ServerGroupSpec]) -> list[InstancePlan]:
        with self.blamed():
            plans = super().plans(state, machines)
            file = self._file_of.get(self.start_states[state.kind])
            if file is not None and not (
                isinstance(plans, list) and all(isinstance(plan, InstancePlan) for plan in plans)
            ):
                raise _wrong(file, self.start_states[state.kind], "plans", plans, "a list of InstancePlan")
        return plans

    def blamed(self) -> AbstractContextManager[None]:
        return _blamed(self._files)


@contextmanager
def _blamed(files: Sequence[str]) -> Iterator[None]:
    try:
        yield
    except InvariantError as error:
        raise _blaming(error, files) from error
    except (SimError, TimeoutError):  # TimeoutError: a run takes longer than it may
        raise
    except (Exception, SystemExit) as error:
        raise _blaming(error, files) from error


def _blaming(error: BaseException, files: Sequence[str]) -> PluginError:
    """The error with the innermost place in a plugin. Where there is none, the simulator has failed at something that a
    policy of a plugin did or returned."""
    file, line = line_in(error, files)
    if file:
        return PluginError(described(error), source=file, line=line)
    frame, number = list(walk_tb(error.__traceback__))[-1]
    code = Path(frame.f_code.co_filename)
    place = f"{code.parent.name}/{code.name}, line {number}"
    reason = f"a policy of it did or returned what its base class does not allow: {described(error)} ({place})"
    return PluginError(reason, source=" and ".join(files))


def _wrong(file: str, policy: object, method: str, returned: object, expected: str) -> PluginError:
    """The error of a policy, or its class, whose `method` returned something else than `expected`."""
    kind = policy if isinstance(policy, type) else type(policy)
    code = getattr(getattr(kind, method), "__code__", None)
    line = code.co_firstlineno if code is not None and code.co_filename == file else None
    reason = f"{kind.__name__}.{method} returned {one_line(repr(returned), MOST_SHOWN)}: it must return {expected}"
    return PluginError(reason, source=file, line=line)


class _CheckedScheduler(Scheduler):
    """A scheduler whose placements are checked."""

    def __init__(self, scheduler: Scheduler, spec: SchedulerSpec, file: str) -> None:
        self.spec = spec
        self._scheduler, self._file = scheduler, file

    def bandwidth_gb_per_s(self) -> float | None:
        return self._scheduler.bandwidth_gb_per_s()

    def place(self, request: Request, view: View) -> Placement:
        placement = self._scheduler.place(request, view)
        if not isinstance(placement, Placement):
            raise self._error(placement, "a Placement")
        for replica in (placement.prompt, placement.token, *placement.lent, *placement.returned):
            if not isinstance(replica, Replica):
                raise self._error(placement, f"a Placement of replicas, not of {one_line(repr(replica), MOST_SHOWN)}")
            replicas = view.replicas
            if not (replica.index < len(replicas) and replicas[replica.index] is replica):
                raise self._error(placement, f"replicas of its view, which {replica.name} is not")
        return placement

    def _error(self, returned: object, expected: str) -> PluginError:
        return _wrong(self._file, self._scheduler, "place", returned, expected)


class _CheckedModel(PerformanceModel):
    """A performance model whose times are checked."""

    def __init__(self, model: PerformanceModel, file: str) -> None:
        self.options = model.options
        self._model, self._file = model, file

    def step_times(self, model: str, hardware: str, tensor_parallelism: int) -> StepTimes | None:
        times = self._model.step_times(model, hardware, tensor_parallelism)
        return None if times is None else self._checked("step_times", times, "StepTimes or None")

    def times_for(self, model: ModelSpec, hardware: str, instance: InstanceSpec) -> StepTimes:
        if type(self._model).times_for is PerformanceModel.times_for:
            return self.times_of(model.measured_as, hardware, instance.tensor_parallelism)
        return self._checked("times_for", self._model.times_for(model, hardware, instance), "StepTimes")

    def _checked(self, method: str, times: object, wanted: str) -> StepTimes:
        if not isinstance(times, StepTimes):
            raise _wrong(self._file, self._model, method, times, wanted)
        return _checked_times(times, self._file)

    def known(self) -> list[CurveKey]:
        return self._model.known()


class _CheckedTimes(StepTimes):
    """Times of steps that are checked: each must be a finite number of seconds above 0."""

    grows_with_context = False

    def __init__(self, times: StepTimes, file: str) -> None:
        super().__init__(times.measured_to)
        self.mostly = times.mostly
        self._times, self._file = times, file

    def seconds(self, step: Step, repeat: int) -> float:
        return self._checked("seconds", self._times.seconds(step, repeat))

    def steps_within(self, step: Step, elapsed_s: float) -> int:
        count = self._times.steps_within(step, elapsed_s)
        if not isinstance(count, int) or count < 0:
            raise _wrong(self._file, self._times, "steps_within", count, "a whole number from 0 on")
        return count

    def alone(self, prompt_tokens: int, output_tokens: int = 2) -> tuple[float, float]:
        prompt_s, token_s = self._times.alone(prompt_tokens, output_tokens)
        return self._checked("alone", prompt_s), self._checked("alone", token_s)

    def plus(self, overhead_s: float) -> StepTimes:
        return _checked_times(self._times.plus(overhead_s), self._file)

    def tables_beyond(self) -> list[TimeTable]:
        return self._times.tables_beyond()

    def provenance(self, step: Step) -> str:
        word = self._times.provenance(step)
        if word not in PROVENANCES:
            raise _wrong(self._file, self._times, "provenance", word, f"one of: {', '.join(PROVENANCES)}")
        return word

    def estimated_share(self, step: Step) -> float:
        return self._times.estimated_share(step)

    def may_exceed(self, decodes: int) -> bool:
        return self._times.may_exceed(decodes)

    def steps_beyond(self, step: Step, repeat: int) -> int:
        return self._times.steps_beyond(step, repeat)

    def _checked(self, method: str, seconds: object) -> float:
        if isinstance(seconds, int | float) and 0.0 < seconds < inf:
            return float(seconds)
        raise _wrong(self._file, self._times, method, seconds, "seconds, a finite number above 0")


class _CheckedGrowingTimes(_CheckedTimes):
    """The same for times that grow with context."""

    grows_with_context = True


def _checked_times(times: StepTimes, file: str) -> StepTimes:
    return (_CheckedGrowingTimes if times.grows_with_context else _CheckedTimes)(times, file)
