"""How long the steps of a replica take."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from math import inf
from typing import ClassVar, Final

from sim_core.native import mypyc_attr
from sim_core.step import Step

NEW: Final = -1.0  # in a table: not computed yet
MOST_KEPT: Final = 1 << 20  # times that a table keeps at most

# Where a time comes from: see `StepTimes.provenance`.
GIVEN, MEASURED, INTERPOLATED, EXTRAPOLATED = "given", "measured", "interpolated", "extrapolated"
ESTIMATED, CALIBRATED = "estimated", "calibrated"  # worked out of the hardware's limits; fitted to a user's own figures
PROVENANCES = (GIVEN, MEASURED, INTERPOLATED, EXTRAPOLATED, ESTIMATED, CALIBRATED)


class TimeTable:
    """Seconds by batch tokens, computed at the first look-up and kept.

    Times above `measured_to` batch tokens, the most that was measured, are computed at each look-up and not kept:
    `looks_beyond` counts these look-ups, and `seconds_beyond` adds up what they gave.
    """

    __slots__ = ("_compute", "kept", "looks_beyond", "measured_to", "seconds_beyond")

    def __init__(self, compute: Callable[[int], float], measured_to: float = inf) -> None:
        self._compute = compute
        self.kept: list[float] = []  # by batch tokens; NEW where nothing has been looked up yet
        self.measured_to = measured_to
        self.looks_beyond = 0
        self.seconds_beyond = 0.0

    def at(self, batch_tokens: int) -> float:
        """The seconds of a step of so many tokens."""
        kept = self.kept
        if batch_tokens < len(kept):
            seconds = kept[batch_tokens]
            if seconds != NEW:
                return seconds
        return self.computed(batch_tokens)

    def computed(self, batch_tokens: int) -> float:
        """The same, where `kept` does not have it."""
        seconds = self._compute(batch_tokens)
        if batch_tokens > self.measured_to:
            self.looks_beyond += 1
            self.seconds_beyond += seconds
        elif batch_tokens < MOST_KEPT:
            kept = self.kept
            if batch_tokens >= len(kept):
                kept += [NEW] * (batch_tokens + 1 + batch_tokens // 4 - len(kept))
            kept[batch_tokens] = seconds
        return seconds


@mypyc_attr(allow_interpreted_subclasses=True)
class StepTimes:
    """How long steps take: a performance model bound to a model, its hardware and parallelism.

    Steps that follow one another need not take equally long: only `seconds` and `steps_within` know. `measured_to` is
    the most decodes of a step without prompts that were measured; times of more are extrapolated. `mostly` is the
    provenance of all steps that are not beyond the measurements; it is empty where each step is asked for its own.
    """

    __slots__ = ("measured_to", "mostly")

    grows_with_context: ClassVar[bool] = False  # whether a token takes longer, the more tokens are before it

    def __init__(self, measured_to: float = inf) -> None:
        self.measured_to = measured_to
        self.mostly = GIVEN

    @abstractmethod
    def seconds(self, step: Step, repeat: int) -> float:
        """The seconds that `repeat` steps like `step` take, one after the other. It is asked once when steps start, and
        again where they are cut."""

    @abstractmethod
    def steps_within(self, step: Step, elapsed_s: float) -> int:
        """How many steps like `step` are completed `elapsed_s` after the first has begun."""

    def _steps_near(self, steps: int, step: Step, elapsed_s: float) -> int:
        """`steps_within` where about `steps` are completed: what `seconds` says settles it, as rounding may not."""
        steps = min(steps, step.repeat)
        while steps < step.repeat and self.seconds(step, steps + 1) <= elapsed_s:
            steps += 1
        while steps > 0 and self.seconds(step, steps) > elapsed_s:
            steps -= 1
        return steps

    def _steps_between(self, step: Step, elapsed_s: float, few: int, many: int) -> int:
        """`steps_within` where `few` steps are completed, and `many` are not, by halving."""
        while many - few > 1:
            middle = (few + many) // 2
            if self.seconds(step, middle) <= elapsed_s:
                few = middle
            else:
                many = middle
        return few

    def alone(self, prompt_tokens: int, output_tokens: int = 2) -> tuple[float, float]:
        """For slowdowns: the seconds of the prompt of a request that runs alone, and those of a token after it, in the
        mean over its output. Only times that grow with context depend on how many tokens that has."""
        steps = max(output_tokens - 1, 1)
        decode_s = self.seconds(Step(decodes=1, decode_context=prompt_tokens), steps) / steps
        return self.seconds(Step(prompt_tokens=prompt_tokens), 1), decode_s

    @abstractmethod
    def plus(self, overhead_s: float) -> StepTimes:
        """The same times with `overhead_s` added to each step."""

    def provenance(self, step: Step) -> str:
        """Where the time of the first of the steps comes from: it is `given` by the configuration, `measured` for a
        step of these sizes, `interpolated` between measured ones, `extrapolated` beyond them, `estimated` from the
        limits of the hardware, or `calibrated` by measurements of the user's own engine."""
        return GIVEN

    def estimated_share(self, step: Step) -> float:
        """Which part of the time of the first of the steps comes from formulas, where the rest was measured: from 0
        to 1."""
        return 0.0

    def tables_beyond(self) -> list[TimeTable]:
        """The tables that count look-ups for steps with prompts beyond the measurements; none where all is known."""
        return []

    def may_exceed(self, decodes: int) -> bool:
        """Whether steps of up to so many decodes may be beyond the measurements without a table that counts it. Then
        `steps_beyond` is asked about all steps that have ended."""
        return decodes > self.measured_to or not self.mostly

    def steps_beyond(self, step: Step, repeat: int) -> int:
        """How many of `repeat` steps like `step` have more tokens than any measured one, apart from those that
        `tables_beyond` count."""
        return repeat if not step.prompt_tokens and step.decodes > self.measured_to else 0


@mypyc_attr(allow_interpreted_subclasses=True)
class IterationTimes(StepTimes):
    """Times by the tokens in a step: a prompt counts its size, a decode 1. All steps of a run are alike.

    `overhead_s` is part of each step, however often the model passes in it.
    """

    __slots__ = ("decode_s", "mixed_s", "overhead_s", "prompt_s")

    def __init__(self, prompt_s: TimeTable, decode_s: TimeTable, mixed_s: TimeTable, overhead_s: float = 0.0) -> None:
        super().__init__(decode_s.measured_to)
        self.prompt_s = prompt_s  # prompts alone
        self.decode_s = decode_s  # decodes alone, by their number
        self.mixed_s = mixed_s  # both
        self.overhead_s = overhead_s

    def seconds(self, step: Step, repeat: int) -> float:
        prompt_tokens = step.prompt_tokens
        if not prompt_tokens:
            return (self.overhead_s + self.decode_s.at(step.decodes) * step.passes) * repeat
        table = self.mixed_s if step.decodes else self.prompt_s
        return (self.overhead_s + table.at(prompt_tokens + step.decodes)) * repeat

    def steps_within(self, step: Step, elapsed_s: float) -> int:
        return int(elapsed_s // (self.overhead_s + self.decode_s.at(step.decodes) * step.passes))

    def plus(self, overhead_s: float) -> StepTimes:
        return IterationTimes(self.prompt_s, self.decode_s, self.mixed_s, self.overhead_s + overhead_s)

    def tables_beyond(self) -> list[TimeTable]:
        return [self.prompt_s, self.mixed_s]


@mypyc_attr(allow_interpreted_subclasses=True)
class MeasuredTimes(IterationTimes):
    """Times from one curve. Its times of tokens were measured by the tokens of context in the batch, and steps look
    them up by the number of decodes, as SplitwiseSim does. Slowdowns look them up by context.

    `measured` are the batch tokens at which it was measured. Those of steps of prompts and decodes never were."""

    __slots__ = ("context_s", "measured")

    def __init__(
        self,
        prompt_s: TimeTable,
        decode_s: TimeTable,
        mixed_s: TimeTable,
        context_s: TimeTable,
        overhead_s: float = 0.0,
        measured: Sequence[int] = (),
    ) -> None:
        super().__init__(prompt_s, decode_s, mixed_s, overhead_s)
        self.mostly = INTERPOLATED  # also the few steps of just as many tokens as were measured
        self.context_s = context_s  # of a token, by the tokens of context in the batch
        self.measured = measured

    def alone(self, prompt_tokens: int, output_tokens: int = 2) -> tuple[float, float]:
        return self.overhead_s + self.prompt_s.at(prompt_tokens), self.overhead_s + self.context_s.at(prompt_tokens)

    def plus(self, overhead_s: float) -> MeasuredTimes:
        overhead_s += self.overhead_s
        return MeasuredTimes(self.prompt_s, self.decode_s, self.mixed_s, self.context_s, overhead_s, self.measured)

    def provenance(self, step: Step) -> str:
        measured = self.measured
        if not measured or not measured[0] <= step.tokens <= measured[-1]:
            return EXTRAPOLATED
        return MEASURED if step.tokens in measured and not (step.prompt_tokens and step.decodes) else INTERPOLATED
