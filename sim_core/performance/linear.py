"""Step times that are a sum: a time of each step, and one for each token in it and each token of context."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from sim_core.errors import SpecError
from sim_core.performance.affine import AffineTimes
from sim_core.performance.base import PerformanceModel
from sim_core.spec import PerformanceSpec


@dataclass(frozen=True, slots=True)
class LinearOptions:
    base_s: float  # of each step, whatever is in it
    prompt_token_s: float = 0.0  # for each token of prompts
    decode_s: float = 0.0  # for each request that decodes
    context_token_s: float = 0.0  # for each token of context: those in the cache, and the step's own

    def __post_init__(self) -> None:
        if not 0.0 < self.base_s < inf:
            raise SpecError("must be a finite number of more than 0", key="base_s", value=self.base_s)
        for key in ("prompt_token_s", "decode_s", "context_token_s"):
            if not 0.0 <= getattr(self, key) < inf:
                raise SpecError("must be a finite number of at least 0", key=key, value=getattr(self, key))


class LinearPerformance(PerformanceModel):
    """A step takes `base_s`, and more for each token of prompts, each decode and each token of context.

    All models and processors of a run have the same times.
    """

    Options = LinearOptions

    def __init__(self, spec: PerformanceSpec) -> None:
        super().__init__(spec)
        options = self.options
        self._times = AffineTimes(options.base_s, options.prompt_token_s, options.decode_s, options.context_token_s)

    def step_times(self, model: str, hardware: str, tensor_parallelism: int) -> AffineTimes:
        return self._times
