"""The batch: prompts for one step, decodes until their last token or until they are preempted."""

from __future__ import annotations

from sim_core.batching.base import DecodeObserver
from sim_core.engine import Engine
from sim_core.kv.base import KvCache
from sim_core.request import NEVER, Task


class Batch:
    """Lets tasks join, be preempted, and resume; knows which of the decodes ends next.

    A batch counts its iterations, and a decode in it knows the iteration at which it ends. So equal iterations need no
    update of each member.
    """

    __slots__ = (
        "_context",
        "_ends",
        "_resting",
        "_resting_context",
        "decodes",
        "engine",
        "iteration",
        "kv",
        "next_end",
        "observer",
        "preempted",
        "prompt_tokens",
        "prompts",
        "starts",
        "tracks_context",
        "without_decodes",
    )

    def __init__(self, engine: Engine, kv: KvCache) -> None:
        self.engine = engine
        self.kv = kv
        self.observer: DecodeObserver | None = None
        self.prompts: list[Task] = []  # those that this step completes
        self.prompt_tokens = 0  # sum over `prompts`
        self.decodes: dict[Task, None] = {}  # in the order in which they joined
        self.preempted: list[Task] = []  # decodes, in the order in which they left; they keep their memory
        self.starts = 0  # batches started
        self.iteration = 0  # completed iterations with decodes
        self.without_decodes = 0  # completed iterations of prompts alone
        self.next_end = NEVER  # the iteration at which the next decode ends; NEVER without decodes
        self._ends: list[Task] = []  # decodes, the next one to end first; of equal ones, the first to join
        self._resting: dict[Task, None] = {}  # the whole decode batch, parked while prompts run alone; see `preempt`
        self.tracks_context = False  # only times that grow with context need it
        self._context = 0  # of `decodes`, as if none had got a token since iteration 0
        self._resting_context = 0  # the same of `_resting`

    def __len__(self) -> int:
        """The number of running tasks."""
        return len(self.prompts) + len(self.decodes)

    def join(self, task: Task, iterations: int) -> None:
        """Let a task, which is out of the queues already, join for the first time and take its memory.

        It stays for `iterations`, unless it is preempted.
        """
        task.waited = self.starts - task.waits_from
        task.waits_from = NEVER
        request = task.request
        if task.is_prompt:
            self.prompts.append(task)
            self.prompt_tokens += task.batch_tokens
            request.started_s = self.engine.now
        else:
            if self._resting:
                self._break_rest()
            if self.tracks_context:
                self._add_context(task)
            self.decodes[task] = None
            self._end_at(task, self.iteration + iterations)
            request.decoding_s = self.engine.now
        kv_tokens = task.kv_tokens
        if kv_tokens:
            task.kv_tokens = 0
            self.kv.admit(request, kv_tokens)

    def _end_at(self, task: Task, end: int) -> None:
        """Let a decode end at the iteration `end`."""
        task.end = end
        ends = self._ends
        if end < self.next_end:
            self.next_end = end
            ends.insert(0, task)
        elif end >= ends[-1].end:
            ends.append(task)
        else:
            low, high = 1, len(ends) - 1
            while low < high:
                middle = (low + high) >> 1
                if end < ends[middle].end:
                    high = middle
                else:
                    low = middle + 1
            ends.insert(low, task)

    def context(self) -> int:
        """The tokens in the cache that belong to the running decodes, where the batch tracks them: of each its prompt,
        and its own tokens but for the last one, which the next iteration computes."""
        return self._context + len(self.decodes) * self.iteration

    def _add_context(self, task: Task) -> None:
        """Count the context of a decode that joins."""
        request = task.request
        task.context = context = request.prompt_tokens + request.output_tokens - 1 - task.remaining - self.iteration
        self._context += context

    def ended(self, iterations: int) -> list[Task]:
        """Count completed iterations. Returns the tasks that are done and have left: decodes first, in order of their
        end, then prompts."""
        done: list[Task] = []
        decodes = self.decodes
        if decodes:
            self.iteration = iteration = self.iteration + iterations
            if self.next_end <= iteration:
                ends = self._ends
                while ends and ends[0].end <= iteration:
                    task = ends.pop(0)
                    task.end = -1
                    if self.tracks_context:
                        self._context -= task.context
                    del decodes[task]
                    done.append(task)
                self.next_end = ends[0].end if ends else NEVER
        else:
            self.without_decodes += iterations
        prompts = self.prompts
        if prompts:
            self.prompts = []
            self.prompt_tokens = 0
            if not done:
                return prompts
            done += prompts
        return done

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
        rest = len(tasks) == len(self.decodes) and not self.preempted
        self.preempted += tasks
        if rest:
            self._resting, self.decodes = self.decodes, {}
            self._resting_context, self._context = self._context, 0
        else:
            self._leave(tasks, self.decodes)

    def resume(self, tasks: list[Task]) -> None:
        """Let preempted decodes join the batch again, in the order of `tasks`."""
        starts, now = self.starts, self.engine.now
        for task in tasks:
            task.waited = starts - task.waits_from
            task.waits_from = NEVER
            task.request.preempted_s += now - task.paused_at_s
        if self.observer is not None:
            for task in tasks:
                self.observer.decode_resumed(task, now)
        if self._resting and not self.decodes and (tasks is self.preempted or tasks == self.preempted):
            self.decodes, self._resting = self._resting, {}
            self._context, self._resting_context = self._resting_context, 0
            self.preempted = []
            return
        if self._resting:
            self._break_rest()
        iteration, decodes = self.iteration, self.decodes
        for task in tasks:
            if self.tracks_context:
                self._add_context(task)
            decodes[task] = None
            self._end_at(task, iteration + task.remaining)
        if len(tasks) == len(self.preempted):
            self.preempted = []
        else:
            self.preempted = [task for task in self.preempted if task.waits_from != NEVER]

    def _break_rest(self) -> None:
        """Only a part of the parked batch resumes, or another decode joins: fall back to bookkeeping per task."""
        resting, self._resting = self._resting, {}
        self._leave(list(resting), resting)
        self._context, self._resting_context = self._context + self._resting_context, 0

    def _leave(self, tasks: list[Task], decodes: dict[Task, None]) -> None:
        """Take `tasks` out of `decodes`, and note the tokens that they have to come."""
        iteration = self.iteration
        for task in tasks:
            del decodes[task]
            task.remaining = task.end - iteration
            task.end = -1
            if self.tracks_context:
                self._context -= task.context
        self._ends = ends = [task for task in self._ends if task.end >= 0] if decodes else []
        self.next_end = ends[0].end if ends else NEVER
