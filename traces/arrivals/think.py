"""Think times of the clients of a closed loop: `2` (seconds), `exponential:mean=2`, `lognormal:mean=2/sigma=0.5`."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from math import exp, log
from random import Random
from statistics import NormalDist

from sim_core.section import Section
from traces.arrivals.base import LONGEST_S, NS_PER_S
from traces.policy_text import number_between, parameters, split_name, zero_or_between

SHORTEST_S = 1e-6  # of a mean that is not 0
MAX_SIGMA = 10.0
LEAST_DRAW = 2.0**-54
DISTRIBUTIONS = ("constant", "exponential", "uniform", "lognormal")
FORMS = "2, exponential:mean=2, uniform:low=1/high=3, lognormal:mean=2/sigma=0.5 (seconds)"


@dataclass(frozen=True)
class Think:
    """Independent times of the distribution `name` with the `parameters` that `think_times` has read, in s."""

    name: str
    parameters: tuple[float, ...]

    @property
    def is_random(self) -> bool:
        """Whether the times follow from random numbers."""
        return self.name != "constant"

    def times_s(self, stream: Random, count: int) -> array[float]:
        """The times after `count` requests, one draw each, in whole nanoseconds: C libraries may differ in the last bit
        of log(), 13 digits further down. A smaller count gives the beginning of a larger one. A constant gives one
        number, and 0 none."""
        if not self.is_random:
            return array("d", [self.parameters[0]] if self.parameters[0] else [])
        draw = stream.random
        return array("d", [int(self._inverse(draw()) * NS_PER_S + 0.5) / NS_PER_S for _ in range(count)])

    def _inverse(self, share: float) -> float:
        """The time that `share` of the times are below, in s."""
        first, *others = self.parameters
        if self.name == "exponential":
            return -first * log(1.0 - share)
        if self.name == "uniform":
            return first + (others[0] - first) * share
        sigma = others[0]
        normal = NormalDist().inv_cdf(max(share, LEAST_DRAW))
        return min(first * exp(sigma * (normal - sigma / 2.0)), LONGEST_S)

    def facts(self) -> object:
        """Everything that decides the times, for a digest."""
        return [self.name, *self.parameters]


NO_THINK = Think("constant", (0.0,))


def think_times(section: Section, key: str) -> Think:
    """The think times that the parameter `key` describes; none unless it is given. SpecError if it is not valid.
    Parameters are separated by `/`, since a comma separates those of the arrivals."""
    if not section.has(key):
        return NO_THINK
    value = section.value(key)
    if not isinstance(value, str):
        return Think("constant", (zero_or_between(section, key, SHORTEST_S, LONGEST_S),))
    name, body = split_name(value, DISTRIBUTIONS, section.path(key))
    inner = parameters(body.replace("/", ","), section.path(key))
    think = Think(name, _parameters(inner, name))
    inner.done()
    return think


def _parameters(section: Section, name: str) -> tuple[float, ...]:
    if name == "constant":
        return (zero_or_between(section, "seconds", SHORTEST_S, LONGEST_S),)
    if name == "uniform":
        low, high = (number_between(section, key, 0.0, LONGEST_S) for key in ("low", "high"))
        if low > high:
            raise section.error("high", f"must be at least low={low:g}")
        return low, high
    mean = number_between(section, "mean", SHORTEST_S, LONGEST_S)
    return (mean,) if name == "exponential" else (mean, number_between(section, "sigma", 0.0, MAX_SIGMA))
