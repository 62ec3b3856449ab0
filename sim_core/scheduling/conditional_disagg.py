"""Conditional disaggregation: a long prompt runs on a prompt replica, and a short one where the request decodes.

The rule and the names of its options are those of NVIDIA Dynamo 0.2 (its disaggregated router) and, but for the queue,
of TensorRT-LLM's `conditional_disagg_config`; docs/schedulers.md says what differs.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.native import mypyc_attr
from sim_core.request import Request
from sim_core.scheduling.base import Placement, SplitOptions, SplitScheduler, Start
from sim_core.scheduling.view import View
from sim_core.spec import PROMPT, TOKEN


@dataclass(frozen=True, slots=True)
class ConditionalDisaggOptions(SplitOptions):
    """When a prompt runs where its request decodes."""

    max_local_prefill_length: int  # tokens to compute: more go to a prompt replica
    max_prefill_queue_size: int  # with so many requests in the queue of the prompt replica, no further one goes there


@mypyc_attr(allow_interpreted_subclasses=True)
class ConditionalDisagg(SplitScheduler):
    """Decodes on the token replica with the fewest pending tokens. Its prompt runs there, too, if few tokens of it are
    not cached there, or if the prompt replica with the fewest pending tokens has a queue."""

    Options = ConditionalDisaggOptions

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        load = start.view.pending_tokens()
        self._prompts, self._tokens = (start.view.ranking(role, load) for role in (PROMPT, TOKEN))
        self._most_tokens: int = self.options.max_local_prefill_length
        self._most_queued: int = self.options.max_prefill_queue_size

    def place(self, request: Request, view: View) -> Placement:
        token = view.replicas[self._tokens.least()]
        to_compute = request.prompt_tokens
        if to_compute > self._most_tokens and request.content is not None:
            to_compute -= token.kv.cached_tokens(request.content, to_compute)
        if to_compute > self._most_tokens:
            prompt = view.replicas[self._prompts.least()]
            if prompt.batcher.queue_length() < self._most_queued:
                return Placement(prompt, token)
        return Placement(token, token)
