"""What moves through the cluster. No object outlives its request: at the end only numbers in columns remain."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim_core.batching.base import Instance


NEVER = 1 << 62  # `waits_from` of who does not wait: more batches than an instance ever starts


class Task:
    """One phase of a request on one instance: its prompt, or the decoding of all tokens after the first.

    `waited` counts how often the instance started a batch without this task while it was the request's next, up to
    its present wait. That one is a difference of the instance's own count of starts, so that nobody touches the
    waiting tasks one by one: it has waited `instance.starts - waits_from` times in all.
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

    order: tuple[float, int]  # arrival and entry, both negated: newest first; set when it enters
    portion: list[Task]  # of a long queue, while it is in one

    def __init__(self, request: Request, is_prompt: bool, batch_tokens: int, kv_tokens: int, remaining: int) -> None:
        self.request = request
        self.is_prompt = is_prompt
        self.batch_tokens = batch_tokens  # what it adds to an iteration: its prompt, or 1
        self.kv_tokens = kv_tokens  # memory still to be taken when it starts; 0 once it has
        self.remaining = remaining  # iterations to go, while it is not in a batch
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

    prompt_instance: Instance
    token_instance: Instance
    end_s: float  # when its client has the last token; set when it completes

    def __init__(self, index: int, arrival_s: float, prompt_tokens: int, output_tokens: int, batch_size: int) -> None:
        self.index = index  # its row in the trace
        self.arrival_s = arrival_s
        self.prompt_tokens = prompt_tokens
        self.output_tokens = output_tokens  # the first one, which the prompt phase gives, included
        self.prompt_kv_tokens = batch_size * (prompt_tokens + 1)  # memory of the prompt and the first token
        self.decode_kv_tokens = batch_size * (output_tokens - 1)  # what decoding takes on top, all of it at its start
        self.batch_size = batch_size
        self.kv_tokens = 0  # memory held, on whichever instance has it
        self.decode: Task | None = None  # where both phases run on one instance: the second, queued behind the first
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
