"""How long an iteration takes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import inf


class TimeTable(dict[int, float]):
    """Seconds by batch tokens, worked out on the first look and kept.

    Times above `measured_to` batch tokens, the most that was measured, are worked out at each look and not kept:
    `looks_beyond` counts these looks, and all others cost no more than a dict's.
    """

    __slots__ = ("_compute", "looks_beyond", "measured_to")

    def __init__(self, compute: Callable[[int], float], measured_to: float = inf) -> None:
        super().__init__()
        self._compute = compute
        self.measured_to = measured_to
        self.looks_beyond = 0

    def __missing__(self, batch_tokens: int) -> float:
        seconds = self._compute(batch_tokens)
        if batch_tokens > self.measured_to:
            self.looks_beyond += 1
        else:
            self[batch_tokens] = seconds
        return seconds


@dataclass(frozen=True, slots=True)
class IterationTimes:
    """Seconds that one iteration takes by the tokens in its batch: a prompt counts its size, a decode 1."""

    prompt_s: TimeTable  # prompts alone
    decode_s: TimeTable  # decodes alone
    mixed_s: TimeTable  # both

    def plus(self, overhead_s: float) -> IterationTimes:
        """The same with so much more an iteration."""
        if overhead_s == 0.0:
            return self

        def longer(table: TimeTable) -> TimeTable:
            return TimeTable(lambda batch_tokens: table[batch_tokens] + overhead_s, table.measured_to)

        return IterationTimes(longer(self.prompt_s), longer(self.decode_s), longer(self.mixed_s))


class PerformanceModel(ABC):
    """Gives the times of any (model, hardware, tensor parallelism) that the run uses."""

    @abstractmethod
    def iteration_times(self, model: str, hardware: str, tensor_parallelism: int) -> IterationTimes:
        """The times, or SpecError where nothing is known of that combination."""
