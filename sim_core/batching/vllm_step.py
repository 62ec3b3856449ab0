"""What one pass of vLLM's scheduler decides."""

from __future__ import annotations

from sim_core.batching.vllm_sequence import Sequence
from sim_core.step import Step


class VllmStep(Step):
    """One step. All decodes that run as one are in it, `members` in number; the others are `sequences`, with `counts`
    tokens each, in the order of scheduling."""

    __slots__ = (
        "admitted",
        "cached",
        "counts",
        "end_s",
        "first_tokens",
        "members",
        "number",
        "preempted",
        "sequences",
        "start_s",
        "yielding",
    )

    def __init__(self) -> None:
        super().__init__()
        self.number = 0  # of the pass
        self.members = 0
        self.sequences: list[Sequence] = []
        self.counts: list[int] = []
        self.admitted: list[Sequence] = []  # in this pass
        self.cached: list[int] = []  # the tokens of each of them that were in the prefix cache
        self.preempted: list[Sequence] = []
        self.yielding: list[Sequence] = []  # those that the step gives a token, but for members that stay such
        self.first_tokens: list[Sequence] = []  # once its outputs are there: those that got their first one
        self.start_s = 0.0
        self.end_s = 0.0

    def begin(self, number: int) -> None:
        """Make it the empty step of the pass `number`. Steps are used again and again: most hold no lists."""
        self.number = number
        self.members = self.decodes = self.decode_context = self.prompt_tokens = self.prompt_context = 0
        self.prompt_pairs = self.prompts = 0
        self.repeat = 1
        if self.sequences:
            self.sequences.clear()
            self.counts.clear()
            if self.admitted:
                self.admitted.clear()
                self.cached.clear()
        if self.preempted:
            self.preempted.clear()
        if self.yielding:
            self.yielding.clear()
            self.first_tokens.clear()

    @property
    def requests(self) -> int:
        """How many requests have tokens in it."""
        return self.members + len(self.sequences)

    def drop(self, sequence: Sequence) -> int:
        """Take a request out again. Returns the tokens that it had."""
        if sequence not in self.sequences:
            return 0
        index = self.sequences.index(sequence)
        del self.sequences[index]
        return self.counts.pop(index)
