"""The steps of a replica, as plain data: what a batcher decides, and what iteration times depend on."""

from __future__ import annotations


class Step:
    """A number of equal steps that a replica may run one after the other.

    In one step `prompt_tokens` tokens of prompts are computed and `decodes` requests get a token each. `repeat` equal
    steps can follow one another before anything changes: until the next request ends, or memory may run out. A batcher
    fills one object again and again; the replica lowers `repeat` where an arrival cuts the steps short.

    `prompt_context` and `decode_context` are the tokens in the cache before the first of the steps: those that belong
    to the prompts, in which earlier steps have computed them, and those that belong to the decodes. From step to step
    they grow by `prompt_tokens` and by `decodes`. Only times that grow with context read them, and some policies fill
    them for such times alone: see `Batcher.track_context`.

    `prompt_pairs` says how the prompt tokens share the work of attention: the sum of t * (2 * c + t) over the prompts,
    of which t tokens are computed after c tokens of context. That is twice the pairs of a token and a token before it.
    `prompts` is their number. 0 in both stands for one prompt.
    """

    __slots__ = (
        "decode_context",
        "decodes",
        "passes",
        "prompt_context",
        "prompt_pairs",
        "prompt_tokens",
        "prompts",
        "repeat",
    )

    def __init__(
        self, prompt_tokens: int = 0, decodes: int = 0, prompt_context: int = 0, decode_context: int = 0
    ) -> None:
        self.prompt_tokens = prompt_tokens
        self.decodes = decodes
        self.prompt_context = prompt_context
        self.decode_context = decode_context
        self.prompt_pairs = 0
        self.prompts = 0
        self.repeat = 1
        self.passes = 1  # of the model in one step; more than one where a decode runs to its end in a single step

    @property
    def tokens(self) -> int:
        """The tokens of one step: a prompt counts its size, a decode 1."""
        return self.prompt_tokens + self.decodes

    def after(self, steps: int) -> Step:
        """The one step that follows after the first `steps` of these."""
        later = Step(
            self.prompt_tokens,
            self.decodes,
            self.prompt_context + steps * self.prompt_tokens,
            self.decode_context + steps * self.decodes,
        )
        if self.prompt_pairs:
            later.prompt_pairs = self.prompt_pairs + 2 * steps * self.prompt_tokens * self.prompt_tokens
        later.prompts = self.prompts
        later.passes = self.passes
        return later
