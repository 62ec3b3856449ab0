"""The state in which a request was left, as data. Sentences are made from it for display, and never parsed."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

REJECTED, UNFINISHED = "rejected", "unfinished"  # the outcomes of a request that was not completed


class RequestState(StrEnum):
    """The state of a request that was not completed. The values are stored in files: they must not change."""

    NEVER_FITS = "never_fits"
    PROMPT_TOO_LONG = "prompt_too_long"
    NO_INSTANCE = "no_instance"
    NOT_REACHED = "not_reached"
    WAITS_FOR_PROMPT = "waits_for_prompt"
    PROMPT_RUNNING = "prompt_running"
    WAITS_TO_SEND = "waits_to_send"
    IN_TRANSFER = "in_transfer"
    WAITS_TO_DECODE = "waits_to_decode"
    DECODING = "decoding"
    LAST_TOKEN_ON_ITS_WAY = "last_token_on_its_way"

    @property
    def outcome(self) -> str:
        """`REJECTED`, or `UNFINISHED` for a request that its application had taken or would have taken."""
        return REJECTED if self in _OF_REJECTED else UNFINISHED

    def sentence(self, instance: str = "an instance") -> str:
        """The state in words. `instance`: the name of the instance that the state concerns, if any."""
        return _SENTENCES[self].format(instance=instance)


_OF_REJECTED = (RequestState.NEVER_FITS, RequestState.PROMPT_TOO_LONG, RequestState.NO_INSTANCE)
_SENTENCES = {
    RequestState.NEVER_FITS: "needs more KV cache than {instance} holds",
    RequestState.PROMPT_TOO_LONG: "its prompt is longer than {instance} takes",
    RequestState.NO_INSTANCE: "its application has no instance",
    RequestState.NOT_REACHED: "the run ended before it reached its application",
    RequestState.WAITS_FOR_PROMPT: "waits for its prompt on {instance}",
    RequestState.PROMPT_RUNNING: "its prompt runs on {instance}",
    RequestState.WAITS_TO_SEND: "waits for memory on {instance} to send its KV cache there",
    RequestState.IN_TRANSFER: "its KV cache is on the way to {instance}",
    RequestState.WAITS_TO_DECODE: "waits to decode on {instance}",
    RequestState.DECODING: "decodes on {instance}",
    RequestState.LAST_TOKEN_ON_ITS_WAY: "its last token is on the way",
}


class Situation(NamedTuple):
    """The state of one request, with its details. `instance` is the name of the instance that the state concerns, ""
    where it concerns none; `application_id` belongs to NO_INSTANCE, and the tokens to NEVER_FITS (of KV cache) and to
    PROMPT_TOO_LONG (of the prompt)."""

    state: RequestState
    instance: str = ""
    application_id: int = 0
    needed_tokens: int = 0
    capacity_tokens: int = 0

    def reason(self) -> str:
        """Why the request was not served, as a sentence without its subject."""
        if self.state is RequestState.NEVER_FITS:
            return f"needs {self.needed_tokens} tokens of KV cache, the instance holds {self.capacity_tokens}"
        if self.state is RequestState.PROMPT_TOO_LONG:
            return f"has a prompt of {self.needed_tokens} tokens, the instance takes {self.capacity_tokens} at most"
        if self.state is RequestState.NO_INSTANCE:
            return f"application {self.application_id} has no instance"
        return self.state.sentence(self.instance)
