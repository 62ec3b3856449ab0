"""Poisson arrivals that keep servers busy for a share of the time, if requests are served one at a time."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.section import Section
from traces.arrivals.base import RATES_PER_S, length
from traces.arrivals.poisson import Poisson
from traces.policy_text import Context, number_between


@dataclass(frozen=True)
class Utilization(Poisson):
    """`servers` × `utilization` / `request_s` requests a second: SplitwiseSim's generate_trace_from_utilization."""

    name = "utilization"
    form = "servers=40,utilization=0.7,request_s=5"

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Utilization:
        servers = section.integer("servers", 1)
        request_s = length(section, "request_s")
        rate_per_s = servers * number_between(section, "utilization", 0.0, 1000.0) / request_s
        if not RATES_PER_S[0] <= rate_per_s <= RATES_PER_S[1]:
            raise section.error("utilization", f"makes {rate_per_s:g} requests a second, which is no rate to simulate")
        return cls(rate_per_s)
