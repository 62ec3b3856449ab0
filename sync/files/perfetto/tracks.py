"""Writes a run as a Perfetto trace: the iterations of every replica, the phases of every request, and counters.

Each application has six groups of tracks (Perfetto calls them processes): instances, with a slice for each run of equal
iterations; requests, with a slice for each phase; and counters by instance: memory, queue, batch tokens, power. Times
are the run's own, as in its other files, in whole microseconds. These are exact in every reader, so that slices which
meet do not overlap.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from configs.gpu_power import GpuPower
from sim_core.event import Handler
from sim_core.recorder import Recorder
from sim_core.replica import IterationObserver, Replica
from sim_core.request import Request, Task
from sim_core.request_state import Situation
from sim_core.step import Step
from sim_core.trace import Trace
from sim_core.version import __version__
from sync.files.perfetto.event_file import Event, EventFile
from sync.files.perfetto.options import PerfettoOptions
from sync.files.perfetto.phases import phases

if TYPE_CHECKING:
    from sim_core.simulation import Simulation

GROUPS = ("instances", "requests", "memory", "queue", "batch tokens", "power")
UNITS = ("% of KV", "requests", "tokens", "W")  # of the four counters
_INSTANCE_TIDS, _REQUEST_TIDS = 1_000_000, 2_000_000  # no pid among them: it would be a process's main thread
Sample = tuple[float | None, ...]  # values of the four counters; None for unknown


def _us(time_s: float) -> int:
    return round(time_s * 1e6)


@dataclass(slots=True)
class _Track:
    """The state of an instance's track: its ids, its power in W, where it ends, and the counters' last values."""

    pid: int  # of the application's first group
    tid: int
    name: str
    power_w: GpuPower | None
    end_us: int = 0
    sampled_us: int = 0
    before: Sample | None = None  # the state just before the window
    written: Sample = (None,) * len(UNITS)


class PerfettoTrace(IterationObserver):
    """Observes a simulation that has not begun and writes `path` while it runs. Call `close` at the end."""

    def __init__(
        self,
        path: Path,
        simulation: Simulation,
        trace: Trace,
        options: PerfettoOptions,
        power: dict[str, GpuPower],
        request_ids: Sequence[int] | None = None,
    ) -> None:
        """`request_ids`: by the number of a request; None: those of the trace."""
        self._simulation = simulation
        self._trace = trace = trace.on_run_clock()
        self._request_ids = trace.request_id if request_ids is None else request_ids
        self._options = options
        self._from_s, self._to_s = (trace.first_arrival_s + time_s for time_s in (options.start_s, options.end_s))
        self._start_us = _us(self._from_s)
        self._file = EventFile(path, int(options.max_megabytes * 1e6))
        first = bisect_left(trace.arrival_s, self._from_s)
        last = min(bisect_right(trace.arrival_s, self._to_s), first + options.max_requests)
        if trace.clients:  # nobody knows yet when they send what
            first, last = 0, min(len(trace), options.max_requests)
        self._rows = range(first, max(first, last))  # rows of the trace whose requests get a track
        self._pauses: dict[int, list[tuple[float, float]]] = {}  # preemptions of requests under way, by row
        self._runs = self._runs_written = self._requests_written = 0
        self._cut_s: float | None = None
        self._tracks: dict[Replica, _Track] = {}
        self._pids: dict[int, int] = {}  # pid of the first group, by application
        for application_id, replicas in simulation.replicas.items():
            self._pids[application_id] = 1 + len(GROUPS) * len(self._pids)
            self._attach(application_id, replicas, power)

    # -- before the run ----------------------------------------------------------------------------------------

    def _attach(self, application_id: int, replicas: list[Replica], power: dict[str, GpuPower]) -> None:
        application = self._simulation.applications[application_id]
        application.recorder = _NotifyingRecorder(application.recorder, partial(self._request_ended, application_id))
        if replicas and (network := application.network) is not None:
            network.on_delivery = _Notifying(network.on_delivery, self._left)
        pid = self._pids[application_id]
        shown, count = len(self._rows), len(self._trace)
        for number, group in enumerate(GROUPS, pid):
            note = f" (sample: {shown} of the run's {count})" if group == "requests" and shown < count else ""
            name = f"application {application_id}: {group}{note}"
            self._write(
                {"ph": "M", "pid": number, "name": "process_name", "args": {"name": name}},
                {"ph": "M", "pid": number, "name": "process_sort_index", "args": {"sort_index": number}},
            )
        for replica in replicas:
            gpu, gpus = power.get(replica.processor), replica.processors
            power_w = gpu and gpu.times(gpus)
            track = _Track(pid, _INSTANCE_TIDS + len(self._tracks), replica.name, power_w)
            self._tracks[replica] = track
            name = f"{replica.name} ({replica.role})" if replica.role else replica.name
            self._write(_thread_name(pid, track.tid, name))
            self._idle_from(replica, self._trace.first_arrival_s)
            replica.observe(self)

    # -- instances ---------------------------------------------------------------------------------------------

    def iterations_ended(self, replica: Replica) -> None:
        """Write the slice of a run of iterations that ends, and the counters from its start on."""
        end_s = replica.steps_until_s()
        self._run_ended(replica, replica.step, end_s - replica.length_s, end_s, replica.step.repeat)

    def _run_ended(
        self, replica: Replica, step: Step, start_s: float, end_s: float, iterations: int, **more: object
    ) -> None:
        track = self._tracks[replica]
        start_us = max(_us(start_s), track.end_us)
        track.end_us = end_us = max(_us(end_s), start_us)
        batcher = replica.batcher
        members = batcher.members()
        prompts = sum(task.is_prompt for task in members)
        decodes = len(members) - prompts
        share, tokens = _percent(replica), step.tokens
        # tasks that have waited since its start
        waiting = sum(task.waits_from + task.waited < batcher.batches() for task in batcher.waiting())
        power = track.power_w
        watts = None if power is None else power.prompt_w if prompts else power.token_w
        self._runs += 1
        if end_s >= self._from_s and start_s <= self._to_s:
            kind = "mixed" if prompts and decodes else "prompt" if prompts else "decode"
            name = f"{kind} {'+'.join(str(count) for count in (prompts, decodes) if count)}"
            args = {"batch_size": prompts + decodes, "tokens": tokens, "iterations": iterations,
                    "memory_bytes": replica.memory.bytes_used(replica.kv.tokens), "memory_percent": share,
                    **more}  # fmt: skip
            self._runs_written += self._write(_slice(track.pid, track.tid, name, start_us, end_us, args))
        self._sample(track, start_us, (share, waiting, tokens, watts))

    def batch_empty(self, replica: Replica) -> None:
        """Write the counters of `replica`, which has no batch from now on."""
        self._idle_from(replica, replica.engine.now)

    def _left(self, request: Request) -> None:
        """Write the memory of a replica that a KV cache has left; without a batch it has no other event for that."""
        source = request.prompt_instance
        assert isinstance(source, Replica)
        if not source.running:
            self.batch_empty(source)

    def _idle_from(self, replica: Replica, time_s: float) -> None:
        track = self._tracks[replica]
        watts = None if track.power_w is None else track.power_w.idle_w
        self._sample(track, _us(time_s), (_percent(replica), len(list(replica.batcher.waiting())), 0, watts))

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
        counters = enumerate(zip(UNITS, values, track.written, strict=True), track.pid + 2)
        self._write(
            *(
                {"ph": "C", "pid": pid, "name": track.name, "ts": time_us, "args": {unit: value}}
                for pid, (unit, value, written) in counters
                if value != written
            )
        )
        track.written = values

    # -- requests ----------------------------------------------------------------------------------------------

    def decode_resumed(self, task: Task, now_s: float) -> None:
        """Keep the pause of a preempted decode that is in the batch again."""
        if task.request.index in self._rows:
            self._pauses.setdefault(task.request.index, []).append((task.paused_at_s, now_s))

    def _request_ended(
        self, application_id: int, request: Request, rejected: Situation | None = None, **more: object
    ) -> None:
        """Write the whole track of a request that is completed, rejected or unfinished."""
        row, now = request.index, self._simulation.engine.now
        pauses = self._pauses.pop(row, [])
        if row not in self._rows:
            return
        pid, tid = self._pids[application_id] + 1, _REQUEST_TIDS + row
        events = [_thread_name(pid, tid, f"request {self._request_ids[row]}")]
        if rejected is not None:
            events.append({"ph": "i", "pid": pid, "tid": tid, "name": "rejected", "ts": _us(now), "s": "t",
                           "args": {"reason": rejected.reason()}})  # fmt: skip
        else:
            for phase, start_s, end_s in phases(request, now, pauses):
                args = {**_phase_args(phase, request), **(more if end_s == now else {})}
                events.append(_slice(pid, tid, phase, _us(start_s), _us(end_s), args))
        self._requests_written += self._write(*events)

    # -- the end -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Write what is under way and a description of the file, and close it."""
        now = self._simulation.engine.now
        for replica, track in self._tracks.items():
            under_way = replica.under_way()
            if under_way is not None:
                step, start_s = under_way.step, under_way.start_s
                done = 0 if step.prompt_tokens else replica.times.steps_within(step, now - start_s)
                self._run_ended(replica, step, start_s, now, done, unfinished=True)
            if track.before is not None and now >= self._from_s:
                self._sample(track, self._start_us, track.before)
            for task in replica.batcher.waiting():
                if 0.0 <= task.paused_at_s <= now:
                    self.decode_resumed(task, now)
        for application_id, application in self._simulation.applications.items():
            for request in application.unfinished():
                self._request_ended(application_id, request, unfinished=True)
        last: list[Event] = []
        if self._cut_s is not None:
            text = "perfetto.max_megabytes is reached: nothing is written from here on"
            last = [{"ph": "i", "pid": 1, "tid": _INSTANCE_TIDS, "name": text, "ts": _us(self._cut_s), "s": "g"}]
        left_out = len(self._trace) - self._requests_written
        described = {
            "generator": f"sim_core {__version__}",
            "time_unit": "us",
            "sampling": self._options.described(),
            "requests": {"written": self._requests_written, "left_out": left_out},
            "iteration_runs": {"written": self._runs_written, "left_out": self._runs - self._runs_written},
            "cut_at_s": self._cut_s,  # where max_megabytes was reached
        }
        self._file.close(last, described)

    def _write(self, *events: Event) -> bool:
        written = self._file.write(events)
        if not written and self._cut_s is None:
            self._cut_s = self._simulation.engine.now
        return written


class _Notifying(Handler):
    """Fires another handler, and then calls `after`."""

    def __init__(self, handler: Handler, after: Callable[[Request], None]) -> None:
        self._handler = handler
        self._after = after

    def fire(self, request: Request, /) -> None:
        self._handler.fire(request)
        self._after(request)


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


def _thread_name(pid: int, tid: int, name: str) -> Event:
    return {"ph": "M", "pid": pid, "tid": tid, "name": "thread_name", "args": {"name": name}}


def _slice(pid: int, tid: int, name: str, start_us: int, end_us: int, args: dict[str, object]) -> Event:
    slice_: Event = {"ph": "X", "pid": pid, "tid": tid, "name": name, "ts": start_us, "dur": end_us - start_us}
    return {**slice_, "args": args} if args else slice_


def _percent(replica: Replica) -> float:
    return round(100.0 * replica.kv.tokens / replica.kv.capacity, 2)


def _phase_args(phase: str, request: Request) -> dict[str, object]:
    """The arguments of a phase's slice."""
    if phase == "prompt":
        return {"instance": request.prompt_instance.name, "tokens": request.prompt_tokens}
    if phase == "transfer":
        return {"from": request.prompt_instance.name, "to": request.token_instance.name}
    if phase == "decode":
        return {"instance": request.token_instance.name, "tokens": request.output_tokens - 1}
    return {}
