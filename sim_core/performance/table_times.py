"""Step times between measured steps: by their tokens, and by the context before them."""

from __future__ import annotations

from sim_core.native import mypyc_attr
from sim_core.performance.context_line import ContextLine, ContextLines
from sim_core.performance.step_times import EXTRAPOLATED, INTERPOLATED, MEASURED, StepTimes
from sim_core.step import Step


class StepTable:
    """The times of steps of one kind, of prompts or of decodes: by their number of tokens a line over context."""

    __slots__ = ("base_s", "lines", "measured", "measured_from", "measured_to")

    def __init__(self, lines: ContextLines, measured: set[tuple[int, int]], base_s: float) -> None:
        """`measured`: the tokens and the context of each measured step. `base_s`: the time of one without any."""
        self.lines = lines
        self.base_s = base_s
        self.measured = measured
        self.measured_from = min(tokens for tokens, _ in measured)
        self.measured_to = max(tokens for tokens, _ in measured)

    def provenance(self, tokens: int, context: int) -> str:
        """See `StepTimes.provenance`."""
        if (tokens, context) in self.measured:
            return MEASURED
        line: ContextLine = self.lines.of(tokens)
        is_between = self.measured_from <= tokens <= self.measured_to
        return INTERPOLATED if is_between and line.measured_from <= context <= line.measured_to else EXTRAPOLATED

    def passes_measured(self, tokens: int, context: int, growth: int) -> int:
        """How many passes have no more tokens, and no more context, than measured ones."""
        return self.lines.of(tokens).passes_measured(context, growth) if tokens <= self.measured_to else 0


@mypyc_attr(allow_interpreted_subclasses=True)
class TableTimes(StepTimes):
    """Times from tables of steps of prompts alone, and of decodes alone.

    A step of both takes the time of its prompts, and that of its decodes beyond the time of a step of no decode.
    """

    __slots__ = ("_beside", "decodes", "overhead_s", "prompts")

    grows_with_context = True

    def __init__(self, prompts: StepTable, decodes: StepTable, overhead_s: float = 0.0) -> None:
        super().__init__(decodes.measured_to)
        self.mostly = ""
        self.prompts = prompts
        self.decodes = decodes
        self.overhead_s = overhead_s
        self._beside = ContextLines(lambda tokens: decodes.lines.of(tokens).above(decodes.base_s))

    def seconds(self, step: Step, repeat: int) -> float:
        passes, decodes, prompt_tokens = repeat * step.passes, step.decodes, step.prompt_tokens
        if not prompt_tokens:
            return self.overhead_s * repeat + self.decodes.lines.of(decodes).total(step.decode_context, decodes, passes)
        line = self.prompts.lines.of(prompt_tokens)
        seconds = self.overhead_s * repeat + line.total(step.prompt_context, prompt_tokens, passes)
        if decodes:
            seconds += self._beside.of(decodes).total(step.decode_context, decodes, passes)
        return seconds

    def steps_within(self, step: Step, elapsed_s: float) -> int:
        if step.prompt_tokens or step.passes > 1:
            return self._steps_between(step, elapsed_s, 0, step.repeat + 1)
        line = self.decodes.lines.of(step.decodes)
        steps = line.passes_within(step.decode_context, step.decodes, elapsed_s, self.overhead_s)
        return self._steps_near(steps, step, elapsed_s)

    def plus(self, overhead_s: float) -> TableTimes:
        return TableTimes(self.prompts, self.decodes, self.overhead_s + overhead_s)

    def provenance(self, step: Step) -> str:
        decodes, prompt_tokens = step.decodes, step.prompt_tokens
        if not prompt_tokens:
            return self.decodes.provenance(decodes, step.decode_context)
        of_prompts = self.prompts.provenance(prompt_tokens, step.prompt_context)
        if not decodes:
            return of_prompts
        both = of_prompts, self.decodes.provenance(decodes, step.decode_context)
        return EXTRAPOLATED if EXTRAPOLATED in both else INTERPOLATED

    def steps_beyond(self, step: Step, repeat: int) -> int:
        decodes, prompt_tokens = step.decodes, step.prompt_tokens
        passes = repeat * step.passes
        if decodes:
            passes = min(passes, self.decodes.passes_measured(decodes, step.decode_context, decodes))
        if prompt_tokens:
            passes = min(passes, self.prompts.passes_measured(prompt_tokens, step.prompt_context, prompt_tokens))
        return repeat - passes // step.passes
