"""Step times that grow with the context: what a step computes, and what it reads of the cache, both cost time."""

from __future__ import annotations

from math import sqrt

from sim_core.native import mypyc_attr
from sim_core.performance.step_times import StepTimes
from sim_core.step import Step


@mypyc_attr(allow_interpreted_subclasses=True)
class AffineTimes(StepTimes):
    """A pass of the model takes `base_s`, `prompt_token_s` for each token of prompts, `decode_s` for each decode, and
    `context_token_s` for each token of context: those in the cache before it, and its own.

    The context grows by a pass's own tokens, so equal steps take longer and longer, and the time of a run of them is a
    sum of an arithmetic series. `overhead_s` is part of each step, however often the model passes in it.
    """

    __slots__ = ("base_s", "context_token_s", "decode_s", "overhead_s", "prompt_token_s")

    grows_with_context = True

    def __init__(
        self,
        base_s: float,
        prompt_token_s: float,
        decode_s: float,
        context_token_s: float,
        overhead_s: float = 0.0,
    ) -> None:
        super().__init__()
        self.base_s = base_s
        self.prompt_token_s = prompt_token_s
        self.decode_s = decode_s
        self.context_token_s = context_token_s
        self.overhead_s = overhead_s

    def seconds(self, step: Step, repeat: int) -> float:
        passes = repeat * step.passes
        further = passes * (passes - 1) // 2  # by how many passes the context of a pass has grown, over all passes
        return self.overhead_s * repeat + self._first_s(step) * passes + self._growth_s(step) * further

    def steps_within(self, step: Step, elapsed_s: float) -> int:
        first_s, growth_s = self._first_s(step) * step.passes + self.overhead_s, self._growth_s(step)
        # the root of seconds(step, n) = elapsed_s, in a form that has no difference of nearly equal numbers
        linear_s = first_s - growth_s / 2
        root = 2 * elapsed_s / (linear_s + sqrt(linear_s * linear_s + 2 * growth_s * elapsed_s))
        return self._steps_near(int(root), step, elapsed_s)

    def plus(self, overhead_s: float) -> AffineTimes:
        overhead_s += self.overhead_s
        return AffineTimes(self.base_s, self.prompt_token_s, self.decode_s, self.context_token_s, overhead_s)

    def _first_s(self, step: Step) -> float:
        """The seconds of the first pass."""
        context = step.prompt_context + step.decode_context + step.prompt_tokens + step.decodes
        tokens_s = self.prompt_token_s * step.prompt_tokens + self.decode_s * step.decodes
        return self.base_s + tokens_s + self.context_token_s * context

    def _growth_s(self, step: Step) -> float:
        """By how much each further pass takes longer than the one before."""
        return self.context_token_s * (step.prompt_tokens + step.decodes)
