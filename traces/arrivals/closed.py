"""Closed arrivals: clients send a new request when their last one has ended. When that is follows from the run."""

from __future__ import annotations

import re
from array import array
from dataclasses import dataclass

from sim_core.clients import Clients
from sim_core.errors import SpecError
from sim_core.rng import Streams
from sim_core.section import Section
from traces.arrivals.base import LONGEST_S
from traces.arrivals.think import Think, think_times
from traces.policy_text import number_between, parameters, split_name

NAME = "closed"
FORM = "concurrency=64 (and requests=1000, warmup=2x, drain=no, think_s=2, ramp_s=10, front_s=0.001)"
YES_NO = ("yes", "no")
MAX_CONCURRENCY = 1_000_000
MAX_REQUESTS = 20_000_000  # and so many in the warm-up
_MULTIPLE = re.compile(r"(\d{1,9})x")


@dataclass(frozen=True)
class Closed:
    """`concurrency` clients. `requests` are those that are measured (None: as many as the trace has), `warmup` those
    before them. Clients think after each request, and start over `ramp_s` seconds (0: all at once).
    A front end takes one request after the other, for `front_s` and for `front_token_s` a token of the prompt."""

    concurrency: int
    requests: int | None
    warmup: int
    think: Think
    ramp_s: float
    drains: bool = True  # the warm-up, before what is measured begins
    front_s: float = 0.0
    front_token_s: float = 0.0

    def clients(self, requests: int, streams: Streams, prefix: str) -> Clients:
        """The clients, for so many measured requests. Think times come from the stream PREFIX/think_s."""
        times_s = self.think.times_s(streams[f"{prefix}/think_s"], requests)
        return Clients(
            self.concurrency,
            requests,
            self.warmup,
            times_s,
            self.ramp_s,
            self.drains,
            self.front_s,
            self.front_token_s,
        )

    def facts(self) -> object:
        """Everything that decides when requests are sent, for a digest, as values that JSON can hold."""
        facts = {
            "arrivals": NAME,
            "concurrency": self.concurrency,
            "requests": self.requests,
            "warmup": self.warmup,
            "think": self.think.facts(),
            "ramp_s": self.ramp_s,
            "drains": self.drains,
        }
        front = {"front_s": self.front_s, "front_token_s": self.front_token_s}
        return facts | {name: value for name, value in front.items() if value}  # without one: as before there was any


def is_closed(text: object) -> bool:
    """Whether a text about arrivals names a closed loop."""
    return isinstance(text, str) and text.partition(":")[0].strip() == NAME


def closed(text: object, key: str) -> Closed:
    """The closed loop that `text`, such as closed:concurrency=64, describes. SpecError, naming `key`, if none."""
    _, body = split_name(text, (NAME,), key)
    section = parameters(body, key)
    concurrency = section.integer("concurrency", 1)
    if concurrency > MAX_CONCURRENCY:
        raise section.error("concurrency", f"must be at most {MAX_CONCURRENCY:,}")
    requests = _amount(section, "requests", 1, concurrency) if section.has("requests") else None
    warmup = _amount(section, "warmup", 0, concurrency) if section.has("warmup") else 0
    ramp_s = number_between(section, "ramp_s", 0.0, LONGEST_S, 0.0)
    drains = not section.has("drain") or section.text("drain", YES_NO) == YES_NO[0]
    front_s, front_token_s = (number_between(section, key, 0.0, LONGEST_S, 0.0) for key in ("front_s", "front_token_s"))
    think = think_times(section, "think_s")
    described = Closed(concurrency, requests, warmup, think, ramp_s, drains, front_s, front_token_s)
    section.done()
    return described


def _amount(section: Section, key: str, least: int, concurrency: int) -> int:
    """A number of requests: `1000`, or `10x` for ten times the concurrency."""
    value = section.value(key)
    if isinstance(value, str):
        if (match := _MULTIPLE.fullmatch(value)) is None:
            raise section.error(key, "must be a number of requests, such as 1000, or 10x: ten times the concurrency")
        amount = int(match[1]) * concurrency
        if amount < least:
            raise section.error(key, f"must be at least {least}")
    else:
        amount = section.integer(key, least)
    if amount > MAX_REQUESTS:
        raise SpecError(f"are {amount:,} requests; at most {MAX_REQUESTS:,}", key=section.path(key), value=value)
    return amount


def no_times(count: int) -> array[float]:
    """The column of arrivals of requests whose times follow from the run."""
    return array("d", bytes(8 * count))
