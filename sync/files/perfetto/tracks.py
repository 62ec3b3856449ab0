"""Writes a run as a Perfetto trace: the iterations of every instance, the phases of every request, and counters.

Each application has six groups of tracks (Perfetto calls them processes): instances, with a slice for each run of equal
iterations; requests, with a slice for each phase; and counters by instance: memory, queue, batch tokens, power. Times
are the run's own, as in its other files, in whole microseconds. These are exact in every reader, so that slices which
meet do not overlap.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sim_core.batching.base import Instance, IterationObserver
from sim_core.observer import observe
from sim_core.recorder import Recorder
from sim_core.request import Request, Task
from sim_core.request_state import Situation
from sim_core.trace import Trace
from sim_core.version import __version__
from sync.files.perfetto.event_file import Event, EventFile
from sync.files.perfetto.options import GpuPower, PerfettoOptions
from sync.files.perfetto.phases import phases

if TYPE_CHECKING:
    from sim_core.simulation import Simulation

GROUPS = ("instances", "requests", "memory", "queue", "batch tokens", "power")
UNITS = ("% of KV", "requests", "tokens", "W")  # of the four counters
_INSTANCE_TIDS, _REQUEST_TIDS = 1_000_000, 2_000_000  # no pid among them: it would be a process's main thread
Sample = tuple[float | None, ...]  # values of the four counters; None for unknown


def _us(time_s: float) -> int:
    return round(time_s * 1e6)


class _Track:
    """The state of an instance's track: its ids, its power in W, where it ends, and the counters' last values."""

    __slots__ = ("before", "end_us", "name", "pid", "power_w", "sampled_us", "tid", "written")

    def __init__(self, pid: int, tid: int, name: str, power_w: GpuPower | None) -> None:
        self.pid = pid  # of the application's first group
        self.tid = tid
        self.name = name
        self.power_w = power_w
        self.end_us = self.sampled_us = 0
        self.before: Sample | None = None  # the state just before the window
        self.written: Sample = (None,) * len(UNITS)


class PerfettoTrace(IterationObserver):
    """Observes a simulation that has not begun and writes `path` while it runs. Call `close` at the end."""

    def __init__(
        self, path: Path, simulation: Simulation, trace: Trace, options: PerfettoOptions, power: dict[str, GpuPower]
    ) -> None:
        self._simulation = simulation
        self._trace = trace = trace.on_run_clock()
        self._options = options
        self._from_s, self._to_s = (trace.first_arrival_s + time_s for time_s in (options.start_s, options.end_s))
        self._start_us = _us(self._from_s)
        self._file = EventFile(path, int(options.max_megabytes * 1e6))
        first = bisect_left(trace.arrival_s, self._from_s)
        last = min(bisect_right(trace.arrival_s, self._to_s), first + options.max_requests)
        self._rows = range(first, max(first, last))  # rows of the trace whose requests get a track
        self._pauses: dict[int, list[tuple[float, float]]] = {}  # preemptions of requests under way, by row
        self._runs = self._runs_written = self._requests_written = 0
        self._cut_s: float | None = None
        self._tracks: dict[Instance, _Track] = {}
        self._pids: dict[int, int] = {}  # pid of the first group, by application
        for application_id, instances in simulation.instances.items():
            self._pids[application_id] = 1 + len(GROUPS) * len(self._pids)
            self._attach(application_id, instances, power)

    # -- before the run ----------------------------------------------------------------------------------------

    def _attach(self, application_id: int, instances: list[Instance], power: dict[str, GpuPower]) -> None:
        application = self._simulation.applications[application_id]
        application.recorder = _NotifyingRecorder(application.recorder, partial(self._request_ended, application_id))
        network = application.network if instances else None
        if network is not None:
            network.on_delivery = partial(self._delivered, network.on_delivery)
        pid = self._pids[application_id]
        shown, count = len(self._rows), len(self._trace)
        for number, group in enumerate(GROUPS):
            note = f" (sample: {shown} of the run's {count})" if group == "requests" and shown < count else ""
            self._write(
                {"ph": "M", "pid": pid + number, "name": "process_name",
                 "args": {"name": f"application {application_id}: {group}{note}"}},
                {"ph": "M", "pid": pid + number, "name": "process_sort_index", "args": {"sort_index": pid + number}},
            )  # fmt: skip
        for instance in instances:
            gpu, gpus = power.get(instance.processor), instance.processors
            power_w = gpu and GpuPower(gpu.idle_w * gpus, gpu.prompt_w * gpus, gpu.token_w * gpus)
            track = _Track(pid, _INSTANCE_TIDS + len(self._tracks), instance.name, power_w)
            self._tracks[instance] = track
            name = f"{instance.name} ({instance.role})" if instance.role else instance.name
            self._write({"ph": "M", "pid": pid, "tid": track.tid, "name": "thread_name", "args": {"name": name}})
            self._sample(track, _us(self._trace.first_arrival_s), self._idle_sample(instance, track))
            observe(instance, self)

    # -- instances ---------------------------------------------------------------------------------------------

    def iterations_ended(self, instance: Instance) -> None:
        """Write the slice of a run of iterations that ends, and the counters from its start on."""
        now = instance.engine.now
        self._run_ended(instance, now - instance.duration_s * instance.planned, now, instance.planned)

    def _run_ended(self, instance: Instance, start_s: float, end_s: float, iterations: int, **more: object) -> None:
        track = self._tracks[instance]
        start_us = max(_us(start_s), track.end_us)
        track.end_us = end_us = max(_us(end_s), start_us)
        prompts, decodes = len(instance.prompts), len(instance.decodes)
        share = _percent(instance)
        waiting = sum(  # tasks that have waited since its start
            task.waits_from + task.waited < instance.starts for task in instance.all_waiting()
        )
        watts = None
        if track.power_w is not None:
            watts = track.power_w.prompt_w if prompts else track.power_w.token_w
        self._runs += 1
        if not self._file.full and end_s >= self._from_s and start_s <= self._to_s:
            name = f"mixed {prompts}+{decodes}" if prompts and decodes else (
                f"prompt {prompts}" if prompts else f"decode {decodes}"
            )  # fmt: skip
            self._runs_written += self._write(
                {"ph": "X", "pid": track.pid, "tid": track.tid, "name": name, "ts": start_us, "dur": end_us - start_us,
                 "args": {"batch_size": prompts + decodes, "tokens": instance.batch_tokens, "iterations": iterations,
                          "memory_bytes": instance.memory.bytes_used(instance.kv_tokens), "memory_percent": share,
                          **more}}
            )  # fmt: skip
        self._sample(track, start_us, (share, waiting, instance.batch_tokens, watts))

    def batch_empty(self, instance: Instance) -> None:
        """Write the counters of `instance`, which has no batch from now on."""
        track = self._tracks[instance]
        self._sample(track, _us(instance.engine.now), self._idle_sample(instance, track))

    def _delivered(self, on_delivery: Callable[[Request], None], request: Request) -> None:
        """Write the memory of an instance that a KV cache has left; without a batch it has no other event for that."""
        on_delivery(request)
        source = request.prompt_instance
        assert isinstance(source, Instance)
        if not source.batch_size():
            self.batch_empty(source)

    def _idle_sample(self, instance: Instance, track: _Track) -> Sample:
        return (
            _percent(instance),
            len(list(instance.all_waiting())),
            0,
            None if track.power_w is None else track.power_w.idle_w,
        )

    def _sample(self, track: _Track, time_us: int, values: Sample) -> None:
        """Write the counters that have changed. Before the window, keep them for its start."""
        if time_us < self._start_us:
            track.before = values
            return
        if time_us > self._to_s * 1e6:
            return
        if track.before is not None:
            before, track.before = track.before, None
            if time_us > self._start_us:
                self._sample(track, self._start_us, before)
        track.sampled_us = time_us = max(time_us, track.sampled_us)
        counters = enumerate(zip(UNITS, values, track.written, strict=True), 2)
        self._write(
            *(
                {"ph": "C", "pid": track.pid + number, "name": track.name, "ts": time_us, "args": {unit: value}}
                for number, (unit, value, written) in counters
                if value != written
            )
        )
        track.written = values

    # -- requests ----------------------------------------------------------------------------------------------

    def decode_resumed(self, task: Task, now_s: float) -> None:
        """Keep the pause of a preempted decode that is in the batch again."""
        row = task.request.index
        if row in self._rows and not self._file.full:
            self._pauses.setdefault(row, []).append((task.paused_at_s, now_s))

    def _request_ended(
        self, application_id: int, request: Request, rejected: Situation | None = None, **more: object
    ) -> None:
        """Write the whole track of a request that is completed, rejected or unfinished."""
        pauses = self._pauses.pop(request.index, [])
        if self._file.full or request.index not in self._rows:
            return
        track: Event = {"pid": self._pids[application_id] + 1, "tid": _REQUEST_TIDS + request.index}
        name = f"request {self._trace.request_id[request.index]}"
        now = self._simulation.engine.now
        events: list[Event] = [{"ph": "M", **track, "name": "thread_name", "args": {"name": name}}]
        if rejected is not None:
            instant: Event = {"ph": "i", **track, "name": "rejected", "ts": _us(now), "s": "t"}
            events.append({**instant, "args": {"reason": rejected.reason()}})
        else:
            for phase, start_s, end_s in phases(request, now, pauses):
                start_us = _us(start_s)
                slice_ = {"ph": "X", **track, "name": phase, "ts": start_us, "dur": _us(end_s) - start_us}
                args = {**_phase_args(phase, request), **(more if end_s == now else {})}
                events.append({**slice_, "args": args} if args else slice_)
        self._requests_written += self._write(*events)

    # -- the end -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Write what is under way and a description of the file, and close it."""
        now = self._simulation.engine.now
        for instance, track in self._tracks.items():
            if instance.batch_size():
                start_s = instance.end - instance.duration_s * instance.planned
                done = int((now - start_s) / instance.duration_s) if instance.duration_s else 0
                self._run_ended(instance, start_s, now, done, unfinished=True)
            if track.before is not None and now >= self._from_s:
                self._sample(track, self._start_us, track.before)
            for task in instance.all_waiting():
                if task.paused_at_s >= 0.0 and not task.is_prompt and task.request.index in self._rows:
                    self._pauses.setdefault(task.request.index, []).append((task.paused_at_s, now))
        for application_id, application in self._simulation.applications.items():
            for request in application.unfinished():
                self._request_ended(application_id, request, unfinished=True)
        last_events: list[Event] = []
        if self._cut_s is not None:
            text = "perfetto.max_megabytes is reached: nothing is written from here on"
            last_events.append(
                {"ph": "i", "pid": 1, "tid": _INSTANCE_TIDS, "name": text, "ts": _us(self._cut_s), "s": "g"}
            )
        self._file.close(last_events, self._described())

    def _described(self) -> dict[str, object]:
        """A description of what the file holds and of what was left out."""
        count = len(self._trace)
        return {
            "generator": f"sim_core {__version__}",
            "time_unit": "us",
            "sampling": self._options.described(),
            "requests": {"written": self._requests_written, "left_out": count - self._requests_written},
            "iteration_runs": {"written": self._runs_written, "left_out": self._runs - self._runs_written},
            "cut_at_s": self._cut_s,  # where max_megabytes was reached
        }

    def _write(self, *events: Event) -> bool:
        written = self._file.write(events)
        if not written and self._cut_s is None:
            self._cut_s = self._simulation.engine.now
        return written


class _NotifyingRecorder(Recorder):
    """Records by another recorder and calls `on_end` with each request that has ended."""

    __slots__ = ("_on_end", "_recorder")

    def __init__(self, recorder: Recorder, on_end: Callable[..., None]) -> None:
        super().__init__()
        self._recorder = recorder
        self._on_end = on_end

    def complete(self, request: Request) -> None:
        self._recorder.complete(request)
        self._on_end(request)

    def reject(self, request: Request, situation: Situation) -> None:
        self._recorder.reject(request, situation)
        self._on_end(request, rejected=situation)


def _percent(instance: Instance) -> float:
    return round(100.0 * instance.kv_tokens / instance.kv_capacity, 2)


def _phase_args(phase: str, request: Request) -> dict[str, object]:
    """The arguments of a phase's slice."""
    if phase == "prompt":
        return {"instance": request.prompt_instance.name, "tokens": request.prompt_tokens}
    if phase == "transfer":
        return {"from": request.prompt_instance.name, "to": request.token_instance.name}
    if phase == "decode":
        return {"instance": request.token_instance.name, "tokens": request.output_tokens - 1}
    return {}
