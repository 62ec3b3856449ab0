"""The batch: prompts for one iteration, decodes until their last token or until they are preempted."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

from sim_core.batching.contacts import DecodeObserver
from sim_core.batching.residents import Residents
from sim_core.request import NEVER, Task

if TYPE_CHECKING:
    from sim_core.engine import Engine


class Members(Residents):
    """Lets tasks join the batch, be preempted, and resume; knows which of the decodes ends next."""

    __slots__ = ("_ends", "_joins", "_resting", "engine", "iteration", "observer")

    def __init__(self, engine: Engine, kv_capacity: int) -> None:
        super().__init__(kv_capacity)
        self.engine = engine
        self.observer: DecodeObserver | None = None
        self.iteration = 0  # completed iterations with decodes
        self._joins = 0
        self._ends: list[tuple[int, int, Task]] = []  # heap over `decodes`; entries of tasks that left are stale
        self._resting: dict[Task, None] = {}  # the whole decode batch, parked while prompts run alone; see `preempt`

    def join(self, task: Task) -> None:
        """Let a task, which is out of the queues already, join the batch for the first time and take its memory."""
        task.waited = self.starts - task.waits_from
        task.waits_from = NEVER
        request = task.request
        if task.is_prompt:
            self.prompts.append(task)
            request.prompt_start_s = self.engine.now
            self.kv_holders += 1
        else:
            if self._resting:
                self._break_rest()
            self.decodes[task] = None
            task.end = end = self.iteration + task.remaining
            self._joins = joins = self._joins + 1
            heappush(self._ends, (end, joins, task))
            request.token_start_s = self.engine.now
        kv_tokens = task.kv_tokens
        if kv_tokens:
            task.kv_tokens = 0
            request.kv_tokens += kv_tokens
            self.kv_tokens = used = self.kv_tokens + kv_tokens
            if used > self.kv_peak:
                self.kv_peak = used

    def preempt(self, tasks: list[Task]) -> None:
        """Take decodes out of the batch. They keep their memory and wait again.

        Fast path: usually the whole decode batch is preempted by prompts and resumes together. No decode advances
        meanwhile, so the dict is parked and restored as it is.
        """
        starts, now = self.starts, self.engine.now
        for task in tasks:
            task.paused_at_s = now
            task.request.preemptions += 1
            task.waits_from = starts - task.waited
        self.waiting_batch_tokens += len(tasks)
        rest = len(tasks) == len(self.decodes) and not self.preempted
        self.preempted += tasks
        if rest:
            self._resting, self.decodes = self.decodes, {}
        else:
            self._leave(tasks, self.decodes)

    def resume(self, tasks: list[Task]) -> None:
        """Let preempted decodes join the batch again, in the order of `tasks`."""
        self.waiting_batch_tokens -= len(tasks)
        starts, now = self.starts, self.engine.now
        for task in tasks:
            task.waited = starts - task.waits_from
            task.waits_from = NEVER
            task.request.preempted_s += now - task.paused_at_s
        if self.observer is not None:
            for task in tasks:
                self.observer.decode_resumed(task, now)
        if self._resting and not self.decodes and tasks == self.preempted:
            self.decodes, self._resting = self._resting, {}
            self.preempted = []
            return
        if self._resting:
            self._break_rest()
        iteration, decodes, ends, joins = self.iteration, self.decodes, self._ends, self._joins
        for task in tasks:
            decodes[task] = None
            task.end = end = iteration + task.remaining
            joins += 1
            heappush(ends, (end, joins, task))
        self._joins = joins
        if len(tasks) == len(self.preempted):
            self.preempted = []
        else:
            self.preempted = [task for task in self.preempted if task.waits_from != NEVER]

    def _break_rest(self) -> None:
        """Only a part of the parked batch resumes, or another decode joins: fall back to bookkeeping per task."""
        resting, self._resting = self._resting, {}
        self._leave(list(resting), resting)

    def _leave(self, tasks: list[Task], decodes: dict[Task, None]) -> None:
        """Take `tasks` out of `decodes`, and note the iterations that they have left."""
        iteration = self.iteration
        for task in tasks:
            del decodes[task]
            task.remaining = task.end - iteration
            task.end = -1
        if not decodes:  # `iteration` does not advance now, so a task that resumes ends at the same one as before
            self._ends.clear()

    def _iterations_to_next_end(self) -> int:
        ends = self._ends
        while True:
            end, _, task = ends[0]
            if task.end == end:
                return end - self.iteration
            heappop(ends)
