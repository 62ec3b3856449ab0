"""The unit of a trace file's times: defined by its format, found out from the file, or named by the user.

Some formats are published in several units (Mooncake's in milliseconds by Moonshot AI, in seconds by Alibaba). Their
unit is found out by these rules, of which the first that applies decides; docs/workloads.md explains them:

1. All requests arrive at once: every unit gives the same trace.
2. The times are Unix times (2010 to 2100) in one of the units, and the rate in that unit is usual.
3. The keys are those of a publisher that states the unit (a dialect), and the rate in that unit is usual, or in none.
4. The rate is usual (USUAL_PER_S) in one unit alone. A unit that is not the layout's own needs MIN_REQUESTS requests.

If none applies, reading stops with a question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

from sim_core.errors import TraceError, choices
from sim_core.record import record

AUTO = "auto"
DECIMALS = {"s": 0, "ms": 3, "us": 6, "ns": 9}  # a unit is 10 to minus so many seconds
UNIT_NS: dict[str, int] = {unit: 10 ** (9 - decimals) for unit, decimals in DECIMALS.items()}
UNITS = (AUTO, *UNIT_NS)  # the user's choices
NAMES = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
# Mean requests per second of a trace. Published ones have 0.1 to 50; in seconds, Mooncake's would have 0.003 to 0.007.
# Nobody publishes this layout in microseconds or nanoseconds: a rate above 100 is no reason to consider them.
USUAL_PER_S = {"s": (0.01, 1_000.0), "ms": (0.01, 1_000.0), "us": (0.01, 100.0), "ns": (0.01, 100.0)}
MIN_REQUESTS = 100  # a shorter slice may be a burst: the rate of Mooncake's slices is steady from 50 requests on
UNIX_S = (1_262_304_000, 4_102_444_800)  # 2010-01-01, 2100-01-01


@record
class Times:
    """The times of a format by its definition.

    `unit` is empty for times of day. `named`: the column's name contains the unit, so that no other can be meant.
    `varies`: files are published in other units, too; `dialects` maps the keys of such files to their publisher's unit.
    """

    unit: str = ""
    named: bool = False
    varies: bool = False
    dialects: Mapping[tuple[str, ...], str] = field(default_factory=dict)

    def text(self) -> str:
        """The unit as the table of formats shows it."""
        return f"{NAMES[self.unit]}, or found out" if self.varies else NAMES[self.unit]


@record
class TimeUnit:
    """The unit in which a file was read, and why: `source` is "told" (by the user) or "found"."""

    unit: str
    source: str
    reason: str

    def text(self) -> str:
        """The unit and the reason, such as `seconds (as told)`."""
        return f"{NAMES[self.unit]} ({self.reason})"


def check_time_unit(name: object, key: str) -> None:
    """TraceError unless `name` is a unit or `auto`; `key` is the option's name."""
    if name not in UNITS:
        raise TraceError(f"{key}={name!r}: unknown unit of time{choices(name, UNITS)}")


def named_by_user(unit: str, times: Times, column: str, source: str) -> TimeUnit | None:
    """The unit that the user named; None if it is the format's own anyway. TraceError if it cannot be meant."""
    if not times.unit:
        reason = f"holds times of day, which have no unit: leave out --time-unit {unit} (in a run: trace.time_unit)"
        raise TraceError(reason, source=source, column=column)
    if unit == times.unit and not times.varies:
        return None
    if times.named:
        reason = f"holds {NAMES[times.unit]}, as its name says: --time-unit {unit} (trace.time_unit) cannot be meant"
        raise TraceError(reason, source=source, column=column)
    return TimeUnit(unit, "told", "as told")


@record
class Observed:
    """A file's number of requests, and its first and last times as they are written."""

    requests: int
    first: float
    last: float

    def span_s(self, unit: str) -> float:
        """From the first arrival to the last, if the times were in `unit`."""
        return (self.last - self.first) * UNIT_NS[unit] / UNIT_NS["s"]

    def rate_per_s(self, unit: str) -> float:
        """Requests per second, if the times were in `unit`: n requests have n - 1 gaps."""
        return (self.requests - 1) / self.span_s(unit)

    def usual(self) -> list[str]:
        """The units in which the rate is usual, from the longest to the shortest."""
        return [unit for unit, (least, most) in USUAL_PER_S.items() if least <= self.rate_per_s(unit) <= most]


def found_out(observed: Observed, times: Times, keys: set[str], column: str, source: str) -> TimeUnit:
    """The unit by the rules above. `keys` are those of the first request. TraceError asks if none applies."""
    if observed.first == observed.last:
        return TimeUnit(times.unit, "found", "every unit gives the same trace: all requests arrive at once")
    usual = observed.usual()
    for unit in usual:
        if since := _unix_date(observed, unit):
            return TimeUnit(unit, "found", f"found out: they are Unix times, from {since} on")
    for names, unit in times.dialects.items():
        if keys.issuperset(names) and (unit in usual or not usual):
            return TimeUnit(unit, "found", f"found out by the keys {', '.join(names)}; {_rates(observed, unit)}")
    if len(usual) == 1 and (usual[0] == times.unit or observed.requests >= MIN_REQUESTS):
        return TimeUnit(usual[0], "found", f"found out: {_rates(observed, usual[0])}")
    raise TraceError(_question(observed, usual), source=source, column=column)


def _unix_date(observed: Observed, unit: str) -> str:
    scale = UNIT_NS["s"] // UNIT_NS[unit]
    if not UNIX_S[0] <= observed.first / scale <= observed.last / scale <= UNIX_S[1]:
        return ""
    from datetime import UTC, datetime  # only such times need it

    return datetime.fromtimestamp(observed.first / scale, UTC).date().isoformat()


def _rates(observed: Observed, unit: str) -> str:
    other = "s" if unit == "ms" else "ms"
    rates = [_number(observed.rate_per_s(name)) for name in (unit, other)]
    return f"{rates[0]} requests/s, in {NAMES[other]} it would be {rates[1]}"


def _question(observed: Observed, usual: Sequence[str]) -> str:
    readings = usual if len(usual) > 1 else _with_own_units(usual)
    parts = []
    for unit in readings:
        span, rate = _number(observed.span_s(unit)), _number(observed.rate_per_s(unit))
        parts.append(f"in {NAMES[unit]} they last {span} s, {rate} requests/s")
    options = _either([f"--time-unit {unit}" for unit in readings])
    runs = _either([f"trace.time_unit={unit}" for unit in readings])
    return f"the unit of these times is not clear: {'; '.join(parts)}. Say {options} (in a run: {runs})"


def _with_own_units(usual: Sequence[str]) -> list[str]:
    """The units in which the format is published, and those in which the rate is usual."""
    return [unit for unit in UNIT_NS if unit in ("s", "ms") or unit in usual]


def _either(parts: Sequence[str]) -> str:
    return " or ".join([", ".join(parts[:-1]), parts[-1]])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"
