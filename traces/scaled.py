"""Traces at another rate: the arrivals of a trace file, compressed or stretched."""

from __future__ import annotations

import hashlib
from array import array
from dataclasses import replace

from sim_core.errors import TraceError
from sim_core.trace import Trace
from traces.arrivals.base import LONGEST_S, NS_PER_S, RATES_PER_S


def at_rate(trace: Trace, rate_per_s: float, source: str) -> Trace:
    """The trace with its first arrival at 0 and its mean rate, which is its gaps over its span, at `rate_per_s`. Bursts
    stay bursts. TraceError, naming `source`, where there is no rate to go by, or it leads out of bounds."""
    first_s, span_s = trace.first_arrival_s, trace.arrival_s[-1] - trace.arrival_s[0] if len(trace) else 0.0
    if not span_s > 0.0:
        raise TraceError("has no rate that could be changed: all requests arrive at once", source=source)
    least, most = RATES_PER_S
    if not least <= rate_per_s <= most:
        reason = f"the rate must be from {least:f} to {most:,.0f} requests a second, not {rate_per_s:g}"
        raise TraceError(reason, source=source)
    new_span_s = (len(trace) - 1) / rate_per_s
    if new_span_s > LONGEST_S:
        reason = f"at {rate_per_s:g} requests a second it lasts {new_span_s:.3g} s; at most {LONGEST_S:,.0f}"
        raise TraceError(reason, source=source)
    factor = new_span_s / span_s
    arrival_s = array("d", [int((time_s - first_s) * factor * NS_PER_S + 0.5) / NS_PER_S for time_s in trace.arrival_s])
    return replace(trace, arrival_s=arrival_s, origin_s=0.0)


def identity_at_rate(identity: str, rate_per_s: float) -> str:
    """The identity of a trace at another rate, from that of its file."""
    return hashlib.sha256(f"{identity} at {rate_per_s!r} requests a second".encode()).hexdigest()
