"""Requests, their tasks, and instances as far as a request concerns them.

No object outlives its request: when a run has ended, only numbers in columns remain.
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Protocol

NEVER = 1 << 62  # `waits_from` of a task that is not waiting: larger than any count of batches


class Host(Protocol):
    """An instance as applications, networks and schedulers see it; `sim_core.batching.base.Instance` is one."""

    index: int
    name: str
    kv_capacity: int
    kv_tokens: int
    in_transit: int
    given_up: int
    still_since_s: float | None

    @property
    def waiting(self) -> Sized: ...
    @property
    def decodes(self) -> Sized: ...

    def enter(self, task: Task) -> None: ...
    def enter_behind(self, task: Task, prompt: Task) -> None: ...
    def take_memory(self, kv_tokens: int) -> None: ...
    def free_memory(self, kv_tokens: int) -> None: ...
    def memory_freed(self) -> None: ...
    def fits(self, kv_tokens: int) -> bool: ...
    def never_fits(self, kv_tokens: int) -> bool: ...
    def is_idle(self) -> bool: ...
    def stands_still(self) -> bool: ...
    def go_on(self, despite_transfers: bool = False) -> bool: ...


class Task:
    """One phase of a request on one instance: its prompt, or the decoding of all tokens after the first.

    `waited` counts the batches that the instance started without this task while the task could have run, up to its
    present wait. The present count is `instance.starts - waits_from`, so starting a batch needs no update of each
    waiting task.
    """

    __slots__ = (
        "batch_tokens",
        "end",
        "is_prompt",
        "kv_tokens",
        "order",
        "paused_at_s",
        "portion",
        "remaining",
        "request",
        "waited",
        "waits_from",
    )

    order: tuple[float, int]  # arrival and number of entry, both negated: newest first; set on entering an instance
    portion: list[Task]  # the part of a `LongQueue` that holds the task

    def __init__(self, request: Request, is_prompt: bool, batch_tokens: int, kv_tokens: int, remaining: int) -> None:
        self.request = request
        self.is_prompt = is_prompt
        self.batch_tokens = batch_tokens  # tokens that it adds to an iteration: the prompt's size, or 1
        self.kv_tokens = kv_tokens  # memory to take when it starts; 0 once it has started
        self.remaining = remaining  # iterations left, valid while the task is not in a batch
        self.end = -1  # the instance's iteration at which a decode in a batch ends
        self.waited = 0
        self.waits_from = NEVER
        self.paused_at_s = -1.0


class Request:
    """A request under way. Times are None until they happen."""

    __slots__ = (
        "arrival_s",
        "batch_size",
        "decode",
        "decode_kv_tokens",
        "end_s",
        "index",
        "kv_tokens",
        "output_tokens",
        "preempted_s",
        "preemptions",
        "prompt_end_s",
        "prompt_instance",
        "prompt_kv_tokens",
        "prompt_start_s",
        "prompt_tokens",
        "token_end_s",
        "token_instance",
        "token_start_s",
        "transfer_end_s",
        "transfer_start_s",
    )

    prompt_instance: Host
    token_instance: Host
    end_s: float  # when the client has the last token; set on completion

    def __init__(self, index: int, arrival_s: float, prompt_tokens: int, output_tokens: int, batch_size: int) -> None:
        self.index = index  # its row in the trace
        self.arrival_s = arrival_s
        self.prompt_tokens = prompt_tokens
        self.output_tokens = output_tokens  # including the first one, which the prompt phase produces
        self.prompt_kv_tokens = batch_size * (prompt_tokens + 1)  # memory of the prompt and the first token
        self.decode_kv_tokens = batch_size * (output_tokens - 1)  # further memory, all of it taken when decoding starts
        self.batch_size = batch_size
        self.kv_tokens = 0  # memory held, on the instance that has the KV cache
        self.decode: Task | None = None  # where both phases run on one instance: the decode, queued behind the prompt
        self.prompt_start_s: float | None = None
        self.prompt_end_s: float | None = None
        self.transfer_start_s: float | None = None
        self.transfer_end_s: float | None = None
        self.token_start_s: float | None = None
        self.token_end_s: float | None = None
        self.preempted_s = 0.0
        self.preemptions = 0

    def prompt_task(self) -> Task:
        """The prompt phase, ready to be queued."""
        return Task(self, True, self.prompt_tokens, self.prompt_kv_tokens, 1)

    def decode_task(self) -> Task:
        """The decode phase, ready to be queued. Only for requests of two or more output tokens."""
        return Task(self, False, 1, self.decode_kv_tokens, self.output_tokens - 1)
