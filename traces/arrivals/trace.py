"""The times of a trace, stretched or compressed to a rate."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random

from sim_core.section import Section
from traces.arrivals.base import LONGEST_S, NS_PER_S, RATES_PER_S, ArrivalProcess, rate
from traces.policy_text import Context, file_name


@dataclass(frozen=True)
class Given(ArrivalProcess):
    """The times of `file`, the first of which becomes 0; n requests at `rate` span (n − 1) / rate seconds.

    Without `rate` the gaps stay as they are. The times end with the file.
    """

    name = "trace"
    form = "file=FILE (and rate=70)"
    seconds: array[float]
    factor: float
    identity: str

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Given:
        source = context.open_trace(file_name(section))
        times = source.trace.arrival_s
        span_s = times[-1] - times[0]
        own_rate = (len(times) - 1) / span_s if span_s > 0.0 else 0.0
        if not RATES_PER_S[0] <= own_rate <= RATES_PER_S[1]:
            raise section.error("file", f"{len(times)} requests in {span_s:g} s have no rate to go by")
        asked = rate(section) if section.has("rate") else own_rate
        if len(times) / asked > LONGEST_S:
            raise section.error(
                "file", f"{len(times)} requests at {asked:g} a second take more than {LONGEST_S:,.0f} s"
            )
        return cls(asked, array("d", [t - times[0] for t in times]), own_rate / asked, source.identity)

    def at_rate(self, rate_per_s: float) -> Given:
        return replace(self, rate_per_s=rate_per_s, factor=self.factor * self.rate_per_s / rate_per_s)

    def span_s(self) -> float:
        return self.seconds[-1] * self.factor

    def facts(self) -> object:
        return {"arrivals": self.name, "file": self.identity, "factor": self.factor}

    def times_ns(self, stream: Random) -> Iterator[int]:
        return (int(t * self.factor * NS_PER_S + 0.5) for t in self.seconds)
