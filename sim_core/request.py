"""Requests, their tasks, and replicas as far as a request concerns them.

No object outlives its request: when a run has ended, only numbers in columns remain.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Final

from sim_core.event import Handler
from sim_core.kv.base import Holder, KvCache
from sim_core.kv.content import Content

NAN: Final = float("nan")
NEVER: Final = 1 << 60  # `waits_from` of a task that is not waiting: larger than any count of batches


class Host(Handler):
    """A replica as far as requests, applications and networks know it; `sim_core.replica.Replica` is the only one."""

    __slots__ = ("index", "kv", "name", "still_since_s")

    index: int  # among the replicas of its application
    name: str
    kv: KvCache
    still_since_s: float | None  # when requests here first could never go on

    @abstractmethod
    def enter(self, task: Task) -> None:
        """A request's next task arrives."""

    @abstractmethod
    def enter_behind(self, task: Task, prompt: Task) -> None:
        """Queue the decode of a request behind its prompt, which is queued here too."""

    @abstractmethod
    def memory_freed(self) -> None:
        """A KV cache has left: the first task in the queue may have room now."""

    @abstractmethod
    def is_idle(self) -> bool:
        """Whether there is no batch, and none is about to be chosen."""

    @abstractmethod
    def stands_still(self) -> bool:
        """Whether nothing runs here, and no KV cache is about to come or to leave."""

    @abstractmethod
    def go_on(self, despite_transfers: bool = False) -> bool:
        """Start tasks out of the policy's order, where it stands still. Returns whether any has started."""

    def never_fits(self, kv_tokens: int) -> bool:
        """Whether `kv_tokens` of KV cache will never have room here."""
        return self.stands_still() and not self.kv.fits(kv_tokens)


class Task:
    """One phase of a request on one instance: its prompt, or the decoding of all tokens after the first.

    `waited` counts the batches that the replica started without this task while the task could have run, up to its
    present wait. The present count is `batch.starts - waits_from`, so starting a batch needs no update of each waiting
    task.
    """

    __slots__ = (
        "batch_tokens",
        "came_s",
        "context",
        "end",
        "entry",
        "is_prompt",
        "kv_tokens",
        "paused_at_s",
        "portion",
        "remaining",
        "request",
        "waited",
        "waits_from",
    )

    portion: list[Task]  # the part of a `LongQueue` that holds the task
    context: int  # of a decode in a `Batch` that tracks it: what it would have had at the batch's iteration 0

    def __init__(self, request: Request, is_prompt: bool, batch_tokens: int, kv_tokens: int, remaining: int) -> None:
        self.request = request
        self.is_prompt = is_prompt
        self.end = -1  # the batch's iteration at which a decode in it ends
        self.waited = 0
        self.waits_from = NEVER
        self.paused_at_s = -1.0
        self.remaining = remaining  # tokens to come, valid while the task is not in a batch
        self.batch_tokens = batch_tokens  # tokens that it adds to an iteration: the prompt's size, or 1
        self.kv_tokens = kv_tokens  # memory to take when it starts; 0 once it has started
        self.came_s = request.arrival_s
        self.entry = 0  # its number among the tasks that have entered the replica; 0 before it has


def _known(time_s: float) -> float | None:
    """A time that is NaN until it happens; None then."""
    return None if time_s != time_s else time_s


class Request(Holder):
    """A request under way. Times are None until they happen.

    What runs often reads and sets them under the names that `__init__` gives them, as plain numbers, NaN until they
    happen. A number that may be None would be an object elsewhere in memory, and with thousands of machines a hundred
    thousand requests are under way, in no cache. For the same reason what concerns a running decode comes first.
    """

    __slots__ = (
        "arrival_s",
        "batch_size",
        "cached_tokens",
        "came_s",
        "content",
        "decode",
        "decode_kv_tokens",
        "decoding_s",
        "end_s",
        "first_token_s",
        "index",
        "last_token_s",
        "max_tokens",
        "output_tokens",
        "preempted_s",
        "preemptions",
        "priority",
        "prompt_instance",
        "prompt_kv_tokens",
        "prompt_tokens",
        "sent_s",
        "started_s",
        "token_instance",
    )

    prompt_instance: Host
    token_instance: Host
    end_s: float  # when the client has the last token; set on completion

    def __init__(self, index: int, arrival_s: float, prompt_tokens: int, output_tokens: int, batch_size: int) -> None:
        self.kv_tokens = 0
        self.preemptions = 0
        self.preempted_s = 0.0
        self.last_token_s = NAN  # `token_end_s`
        self.decoding_s = NAN  # `token_start_s`
        self.first_token_s = NAN  # `prompt_end_s`
        self.decode: Task | None = None  # where both phases run on one instance: the decode, queued behind the prompt
        self.prompt_tokens = prompt_tokens
        self.output_tokens = output_tokens  # including the first one, which the prompt phase produces
        self.prompt_kv_tokens = batch_size * (prompt_tokens + 1)  # memory of the prompt and the first token
        self.decode_kv_tokens = batch_size * (output_tokens - 1)  # further memory, all of it taken when decoding starts
        self.started_s = NAN  # `prompt_start_s`
        self.sent_s = self.came_s = NAN  # `transfer_start_s`, `transfer_end_s`
        self.index = index  # its row in the trace
        self.arrival_s = arrival_s
        self.batch_size = batch_size
        self.cached_tokens = 0  # of its prompt: in the prefix cache when it was admitted for the first time
        # for engines that read them
        self.content: Content | None = None  # None: no other request has a part of its text
        self.max_tokens = output_tokens  # more: it ends before, by a token of its own
        self.priority = 0  # a smaller one goes first

    @property
    def prompt_start_s(self) -> float | None:
        """When the prompt began to run."""
        return _known(self.started_s)

    @prompt_start_s.setter
    def prompt_start_s(self, time_s: float) -> None:
        self.started_s = time_s

    @property
    def prompt_end_s(self) -> float | None:
        """When the first token was there."""
        return _known(self.first_token_s)

    @prompt_end_s.setter
    def prompt_end_s(self, time_s: float) -> None:
        self.first_token_s = time_s

    @property
    def transfer_start_s(self) -> float | None:
        """When its KV cache began to move."""
        return _known(self.sent_s)

    @property
    def transfer_end_s(self) -> float | None:
        """When its KV cache had moved."""
        return _known(self.came_s)

    @property
    def token_start_s(self) -> float | None:
        """When its decode began to run."""
        return _known(self.decoding_s)

    @token_start_s.setter
    def token_start_s(self, time_s: float) -> None:
        self.decoding_s = time_s

    @property
    def token_end_s(self) -> float | None:
        """When the last token was there."""
        return _known(self.last_token_s)

    @token_end_s.setter
    def token_end_s(self, time_s: float) -> None:
        self.last_token_s = time_s

    def prompt_task(self) -> Task:
        """The prompt phase, ready to be queued."""
        return Task(self, True, self.prompt_tokens, self.prompt_kv_tokens, 1)

    def decode_task(self) -> Task:
        """The decode phase, ready to be queued. Only for requests of two or more output tokens."""
        return Task(self, False, 1, self.decode_kv_tokens, self.output_tokens - 1)
