"""Recipes: what a generated trace is made of, written in YAML or on the command line.

    duration_s: 600                            # 600 unless max_requests is given, or all arrivals are a trace's
    max_requests: 100000                       # the first so many; no limit unless given
    applications:                              # one or several; their requests are merged by time
      - workload: conv                         # sizes of measured figures; or sizes_from: FILE, with joint: true
        arrivals: gamma:rate=70,cv=2
      - id: 1                                  # 0, 1, ... in order unless given
        prompt: lognormal:mean=1024,sigma=0.8
        output: gamma:mean=200,cv=1.1
        arrivals: onoff:rate=5,on_s=10,off_s=60
        batch_size: 1

Everything follows from the recipe and a seed. Each application has random streams of its own: taking one out leaves
the others as they were. With one seed a shorter trace is the beginning of a longer one.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, takewhile

from sim_core.errors import SpecError, TraceError
from sim_core.rng import Streams
from sim_core.section import Section
from sim_core.trace import Trace
from traces.arrivals import Arrivals, arrivals
from traces.distributions import Distribution, distribution
from traces.distributions.trace import Empirical
from traces.named import DEFAULT_DURATION_S, MAX_DURATION_S, MAX_REQUESTS, NS_PER_S, RATES_PER_S
from traces.pairs import Independent, Joint, Pairs
from traces.policy_text import SIZES, Context, Opener
from traces.reader import TraceWarning
from traces.sizes import workload_names

RECIPE_VERSION = 1  # goes up whenever the same recipe would give another trace
MAX_APPLICATIONS = 1000
MAX_STEPS = 5 * MAX_REQUESTS  # requests and changes of rate, of one application
MAX_PEAK_PER_S = 10.0 * RATES_PER_S[1]  # beyond it nanoseconds do not tell arrivals apart
MAX_BATCH_SIZE = 1 << 20
MAX_ID = 1_000_000_000
SHORT = 0.99  # of the duration: a trace's times that end before that are worth a word


@dataclass(frozen=True)
class Application:
    """One stream of requests."""

    application_id: int
    arrivals: Arrivals
    sizes: Pairs
    batch_size: int

    def prefix(self) -> str:
        """Of its random streams; that of application 0 is the named workloads'."""
        return f"trace/{self.application_id}" if self.application_id else "trace"

    def facts(self) -> object:
        """All that decides its requests, the seed apart."""
        return [self.application_id, self.arrivals.facts(), self.sizes.facts(), self.batch_size]


@dataclass(frozen=True)
class Recipe:
    """`duration_s` None: until there are `max_requests`, or all arrivals have ended of themselves."""

    applications: tuple[Application, ...]
    duration_s: float | None
    max_requests: int | None

    @property
    def rate_per_s(self) -> float:
        """Requests a second of all applications together, in the long run."""
        return sum(application.arrivals.rate_per_s for application in self.applications)

    def at_rate(self, rate_per_s: float) -> Recipe:
        """The same at another rate of all applications together, each keeping its share. SpecError if out of range."""
        factor = rate_per_s / self.rate_per_s
        applications = []
        for one in self.applications:
            own = one.arrivals.rate_per_s * factor
            if not RATES_PER_S[0] <= own <= RATES_PER_S[1]:
                reason = f"would be {own:g} requests a second; must be from {{:f}} to {{:,.0f}}".format(*RATES_PER_S)
                raise SpecError(f"application {one.application_id} {reason}", key="rate", value=rate_per_s)
            applications.append(replace(one, arrivals=one.arrivals.at_rate(own)))
        _check_amount(tuple(applications), self.duration_s, self.max_requests)
        return replace(self, applications=tuple(applications))

    def digest(self, seed: int) -> str:
        """SHA-256, in hex, over all that decides the trace, without making it."""
        decides = {
            "recipe_version": RECIPE_VERSION,
            "applications": [application.facts() for application in self.applications],
            "duration_s": self.duration_s,
            "max_requests": self.max_requests,
            "seed": seed,
        }
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

    def generate(self, seed: int, name: str) -> Trace:
        """The trace: request ids from 0 in order of arrival. TraceError when it would have no request."""
        streams = Streams(seed)
        columns = tuple(array("q") for _ in range(5))
        for one in self.applications:
            new = array("q", self._times(one, streams))
            sizes = one.sizes.sample(streams, one.prefix(), len(new))
            same = (array("q", [value]) * len(new) for value in (one.application_id, one.batch_size))
            for column, more in zip(columns, (new, *sizes, *same), strict=True):
                column.extend(more)
        if not columns[0]:
            raise TraceError(f"has no request with seed {seed}; raise the rate or the duration", source=name)
        if len(self.applications) > 1:
            columns = _merged(columns, self.max_requests)
        times, prompts, outputs, ids, batches = columns
        return Trace(
            name=name,
            request_id=array("q", range(len(times))),
            application_id=ids,
            arrival_s=array("d", [at / NS_PER_S for at in times]),
            prompt_tokens=prompts,
            output_tokens=outputs,
            batch_size=batches,
        )

    def _times(self, one: Application, streams: Streams) -> Iterator[int]:
        times = one.arrivals.times_ns(streams[f"{one.prefix()}/arrivals"])
        if self.duration_s is not None:
            end_ns = self.duration_s * NS_PER_S
            times = takewhile(lambda at: at < end_ns, times)
        return islice(times, self.max_requests)


def _merged(columns: tuple[array[int], ...], most: int | None) -> tuple[array[int], ...]:
    """In order of the first column; of requests at one instant those of the application named first come first."""
    import numpy as np  # for mixed traces alone

    order = np.argsort(np.frombuffer(columns[0], np.int64), kind="stable")[:most]
    return tuple(array("q", np.frombuffer(column, np.int64)[order].tobytes()) for column in columns)


def parse(values: object, open_trace: Opener) -> Recipe:
    """From what YAML or the command line has. SpecError names the key that makes no sense."""
    top = Section(values, "")
    top.only("duration_s", "max_requests", "applications")
    applications = tuple(
        _application(section, number, open_trace) for number, section in enumerate(top.sections("applications"))
    )
    if not 0 < len(applications) <= MAX_APPLICATIONS:
        raise SpecError(f"must be from 1 to {MAX_APPLICATIONS} applications", key="applications")
    ids = [application.application_id for application in applications]
    for place, application_id in enumerate(ids):
        if application_id in ids[:place]:
            raise SpecError("is there twice", key=f"applications.{place}.id", value=application_id)
    max_requests = top.integer("max_requests", 1) if top.has("max_requests") else None
    duration_s = _duration(top, applications)
    _check_amount(applications, duration_s, max_requests)
    return Recipe(applications, duration_s, max_requests)


def _application(section: Section, number: int, open_trace: Opener) -> Application:
    section.only("id", "arrivals", "workload", "sizes_from", "joint", *SIZES, "batch_size")
    application_id = section.integer("id", 0, number)
    if application_id > MAX_ID:
        raise section.error("id", f"must be at most {MAX_ID:,}")
    process = arrivals(section.value("arrivals"), Context("", open_trace), section.path("arrivals"))
    sizes = _sizes(section, open_trace)
    batch_size = section.integer("batch_size", 1, 1)
    if batch_size > MAX_BATCH_SIZE:
        raise section.error("batch_size", f"must be at most {MAX_BATCH_SIZE:,}")
    return Application(application_id, process, sizes, batch_size)


def _sizes(section: Section, open_trace: Opener) -> Pairs:
    """`prompt` and `output` stand for themselves, and before what `workload` or `sizes_from` say of both."""
    sources = [key for key in ("workload", "sizes_from") if section.has(key)]
    joint = section.value("joint") if section.has("joint") else False
    if not isinstance(joint, bool):
        raise section.error("joint", "must be true or false")
    if len(sources) == 2:
        raise section.error("sizes_from", "give workload or sizes_from, not both")
    if joint:
        if sources != ["sizes_from"] or any(section.has(size) for size in SIZES):
            raise section.error("joint", "needs sizes_from, and neither prompt nor output")
        return Joint(open_trace(str(section.value("sizes_from"))))
    if not sources and not all(section.has(size) for size in SIZES):
        raise SpecError("needs prompt and output, or workload, or sizes_from", key=section.path("prompt"))
    return Independent(*(_size(section, size, sources, open_trace) for size in SIZES))


def _size(section: Section, size: str, sources: list[str], open_trace: Opener) -> Distribution:
    text = f"quantiles:workload={section.text('workload', workload_names())}" if sources == ["workload"] else ""
    if not section.has(size) and not text:
        return Empirical.of(open_trace(str(section.value("sizes_from"))), size)
    text = section.value(size) if section.has(size) else text
    return distribution(text, Context(size, open_trace), section.path(size))


def _duration(top: Section, applications: tuple[Application, ...]) -> float | None:
    spans = [application.arrivals.span_s() for application in applications]
    if not top.has("duration_s"):
        ends = top.has("max_requests") or all(span is not None for span in spans)
        return None if ends else DEFAULT_DURATION_S
    duration_s = top.number("duration_s", 0.0, above=True)
    if duration_s > MAX_DURATION_S:
        raise top.error("duration_s", f"must be at most {MAX_DURATION_S:,.0f}")
    for place, span in enumerate(spans):
        if span is not None and span < SHORT * duration_s:
            warnings.warn(
                f"applications.{place}.arrivals: the trace's times end after {span:,.1f} s of {duration_s:,.1f} s",
                TraceWarning,
                stacklevel=3,
            )
    return duration_s


def _check_amount(applications: tuple[Application, ...], duration_s: float | None, most: int | None) -> None:
    expected = 0.0
    steps = 0.0
    for process in (application.arrivals for application in applications):
        lengths = (duration_s, process.span_s(), most / process.rate_per_s if most else None)
        length_s = min(length_s for length_s in lengths if length_s is not None)
        if length_s > MAX_DURATION_S:
            raise SpecError(f"takes {length_s:.3g} s; must be at most {MAX_DURATION_S:,.0f}", key="applications")
        if process.peak_per_s() > MAX_PEAK_PER_S:
            reason = f"has a peak of {process.peak_per_s():.3g} requests a second; at most {MAX_PEAK_PER_S:,.0f}"
            raise SpecError(reason, key="applications.arrivals", value=process.name)
        expected += process.rate_per_s * length_s
        steps += process.steps_per_s() * length_s
    if expected > MAX_REQUESTS:
        raise SpecError(f"asks for {expected:.3g} requests; at most {MAX_REQUESTS:,} are made", key="applications")
    if steps > MAX_STEPS:
        raise SpecError(f"rates change {steps:.3g} times; at most {MAX_STEPS:,} are made", key="applications")
