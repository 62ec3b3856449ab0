"""The steps of a replica, as plain data: what a batcher decides, and what iteration times depend on."""

from __future__ import annotations


class Step:
    """A number of equal steps that a replica may run one after the other.

    In one step `prompt_tokens` tokens of prompts are computed and `decodes` requests get a token each. `repeat` equal
    steps can follow one another before anything changes: until the next request ends, or, with prompts, one. A batcher
    fills one object again and again; the replica lowers `repeat` where an arrival cuts the steps short.
    """

    __slots__ = ("decodes", "passes", "prompt_tokens", "repeat")

    def __init__(self, prompt_tokens: int = 0, decodes: int = 0) -> None:
        self.prompt_tokens = prompt_tokens
        self.decodes = decodes
        self.repeat = 1
        self.passes = 1  # of the model in one step; more than one where a decode runs to its end in a single step

    @property
    def tokens(self) -> int:
        """The tokens of one step: a prompt counts its size, a decode 1."""
        return self.prompt_tokens + self.decodes
