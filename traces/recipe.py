"""Recipes: what a generated trace is made of. traces.recipe_file reads them from YAML, traces.named from a name.

Everything follows from the recipe and a seed. Each application has random streams of its own: removing one leaves the
others as they were. With one seed a shorter trace is the beginning of a longer one.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from math import inf

from sim_core.errors import SpecError, TraceError
from sim_core.prefixes import Prefixes
from sim_core.rng import Streams
from sim_core.trace import Trace
from traces.arrivals.base import NS_PER_S, RATES_PER_S, ArrivalProcess
from traces.distributions.base import Distribution
from traces.policy_text import GivenTrace
from traces.sessions import Sessions, Turns

RECIPE_VERSION = 1  # increase it whenever the same recipe would give another trace
DEFAULT_DURATION_S = 600.0
MAX_DURATION_S = 1e9
MAX_REQUESTS = 20_000_000  # 1 GB of columns; more is a slip of the pen, not a run
ADDRESSES = 1 << 50  # of the tokens of an application's sessions
MAX_STEPS = 5 * MAX_REQUESTS  # requests and changes of rate, of one application
MAX_PEAK_PER_S = 10.0 * RATES_PER_S[1]  # beyond it nanoseconds cannot separate arrivals


class Pairs(ABC):
    """Draws sizes from the random streams PREFIX/prompt_tokens and PREFIX/output_tokens."""

    @abstractmethod
    def sample(self, streams: Streams, prefix: str, count: int) -> tuple[array[int], array[int]]:
        """Prompt and output tokens of `count` requests. A smaller count gives the beginning of a larger one."""

    @abstractmethod
    def facts(self) -> object:
        """Everything that decides the sizes, for a digest, as values that JSON can hold."""


@dataclass(frozen=True)
class Independent(Pairs):
    """Prompts and outputs are drawn independently."""

    prompt: Distribution
    output: Distribution

    def sample(self, streams: Streams, prefix: str, count: int) -> tuple[array[int], array[int]]:
        prompt = self.prompt.sample(streams[f"{prefix}/prompt_tokens"], count)
        return prompt, self.output.sample(streams[f"{prefix}/output_tokens"], count)

    def facts(self) -> object:
        return {"prompt": self.prompt.facts(), "output": self.output.facts()}


@dataclass(frozen=True)
class Joint(Pairs):
    """Whole requests of a trace, drawn with replacement, so that each prompt keeps its output."""

    drawn_from: GivenTrace

    def sample(self, streams: Streams, prefix: str, count: int) -> tuple[array[int], array[int]]:
        trace, draw = self.drawn_from.trace, streams[f"{prefix}/prompt_tokens"].random
        rows = [int(draw() * len(trace)) for _ in range(count)]
        prompt, output = trace.prompt_tokens, trace.output_tokens
        return array("q", [prompt[row] for row in rows]), array("q", [output[row] for row in rows])

    def facts(self) -> object:
        return {"jointly": self.drawn_from.identity}


def stream_prefix(application_id: int) -> str:
    """The prefix of the names of an application's random streams; 0 has the one that named workloads have."""
    return f"trace/{application_id}" if application_id else "trace"


@dataclass(frozen=True)
class RequestStream:
    """The requests of one application. With `sessions`, these arrive, and `sizes` are of the new tokens of turns."""

    application_id: int
    arrivals: ArrivalProcess
    sizes: Pairs
    batch_size: int = 1
    sessions: Sessions | None = None

    @property
    def requests_per_arrival(self) -> float:
        """The mean number of requests of what arrives: of a session, where there are any."""
        return self.sessions.turns.mean() if self.sessions else 1.0

    @property
    def rate_per_s(self) -> float:
        """Requests a second, in the long run."""
        return self.arrivals.rate_per_s * self.requests_per_arrival

    def prefix(self) -> str:
        """The prefix of its random streams' names."""
        return stream_prefix(self.application_id)

    def facts(self) -> object:
        """Everything that decides its requests, except the seed."""
        facts = [self.application_id, self.arrivals.facts(), self.sizes.facts(), self.batch_size]
        return [*facts, self.sessions.facts()] if self.sessions else facts


@dataclass(frozen=True)
class Recipe:
    """`duration_s` None: until there are `max_requests`, or until all arrivals have ended by themselves.

    `name_facts`: what the digest of a named workload is computed from; None for all other recipes.
    """

    applications: tuple[RequestStream, ...]
    duration_s: float | None
    max_requests: int | None = None
    name_facts: Mapping[str, object] | None = None

    @property
    def rate_per_s(self) -> float:
        """Requests a second of all applications together, in the long run."""
        return sum(application.rate_per_s for application in self.applications)

    def at_rate(self, rate_per_s: float) -> Recipe:
        """The recipe at another total rate; each application keeps its share. SpecError if out of range."""
        factor = rate_per_s / self.rate_per_s
        applications = []
        for application in self.applications:
            own = application.arrivals.rate_per_s * factor
            if not RATES_PER_S[0] <= own <= RATES_PER_S[1]:
                reason = f"would be {own:g} requests a second; must be from {{:f}} to {{:,.0f}}".format(*RATES_PER_S)
                raise SpecError(f"application {application.application_id} {reason}", key="rate", value=rate_per_s)
            applications.append(replace(application, arrivals=application.arrivals.at_rate(own)))
        recipe = replace(self, applications=tuple(applications), name_facts=None)
        recipe.check_amount()
        return recipe

    def digest(self, seed: int) -> str:
        """SHA-256 in hex over everything that decides the trace, without generating it."""
        facts = self.name_facts or {
            "recipe_version": RECIPE_VERSION,
            "applications": [application.facts() for application in self.applications],
            "duration_s": self.duration_s,
            "max_requests": self.max_requests,
        }
        return hashlib.sha256(json.dumps({**facts, "seed": seed}, sort_keys=True).encode()).hexdigest()

    def generate(self, seed: int, name: str) -> Trace:
        """The trace; request ids count from 0 in order of arrival. TraceError when it would have no request."""
        streams = Streams(seed)
        columns = tuple(array("q") for _ in range(2 + len(Turns._fields)))
        for place, application in enumerate(self.applications):
            turns = self._turns(application, streams, ADDRESSES * place, name)
            constants = (application.application_id, application.batch_size)
            values = (*(array("q", [value]) * len(turns.times_ns) for value in constants), *turns)
            for column, own in zip(columns, values, strict=True):
                column.extend(own)
        if not columns[0]:
            raise TraceError(f"has no request with seed {seed}; raise the rate or the duration", source=name)
        has_sessions = any(application.sessions for application in self.applications)
        if len(self.applications) > 1 or has_sessions:
            columns = _merged(columns, 2, self.max_requests)
        application_id, batch_size, times_ns, prompt_tokens, output_tokens, *runs = columns
        return Trace(
            name=name,
            request_id=array("q", range(len(times_ns))),
            application_id=application_id,
            arrival_s=array("d", [time_ns / NS_PER_S for time_ns in times_ns]),
            prompt_tokens=prompt_tokens,
            output_tokens=output_tokens,
            batch_size=batch_size,
            prefixes=_prefixes(*runs) if has_sessions else None,
        )

    def _turns(self, application: RequestStream, streams: Streams, first_address: int, name: str) -> Turns:
        """The requests of an application."""
        times_ns = array("q", self._times_ns(application, streams))
        prefix, count = application.prefix(), len(times_ns)
        if application.sessions is None:
            none = array("q", [0]) * count
            return Turns(times_ns, *application.sizes.sample(streams, prefix, count), none, none, none, none)
        try:
            return application.sessions.requests(
                times_ns,
                application.sizes,
                streams,
                prefix,
                ends_ns=self.duration_s * NS_PER_S if self.duration_s is not None else inf,
                first_address=first_address,
                most=MAX_REQUESTS,
            )
        except TraceError as error:
            raise TraceError(error.reason, source=name) from error

    def _times_ns(self, application: RequestStream, streams: Streams) -> Iterator[int]:
        times_ns = application.arrivals.times_ns(streams[f"{application.prefix()}/arrivals"])
        if self.duration_s is not None:
            end_ns = self.duration_s * NS_PER_S
            times_ns = takewhile(lambda time_ns: time_ns < end_ns, times_ns)
        return islice(times_ns, self.max_requests)

    def check_amount(self) -> None:
        """SpecError if it would take too long, or have too many requests, to be generated."""
        expected = steps = 0.0
        for application in self.applications:
            process = application.arrivals
            until_most = self.max_requests / process.rate_per_s if self.max_requests else None
            ends_s = (self.duration_s, process.span_s(), until_most)
            length_s = min(end_s for end_s in ends_s if end_s is not None)
            if length_s > MAX_DURATION_S:
                raise SpecError(f"takes {length_s:.3g} s; must be at most {MAX_DURATION_S:,.0f}", key="applications")
            if process.peak_per_s() > MAX_PEAK_PER_S:
                reason = f"has a peak of {process.peak_per_s():.3g} requests a second; at most {MAX_PEAK_PER_S:,.0f}"
                raise SpecError(reason, key="applications.arrivals", value=process.name)
            expected += process.rate_per_s * length_s * application.requests_per_arrival
            steps += process.steps_per_s() * length_s
        if expected > MAX_REQUESTS:
            raise SpecError(f"asks for {expected:.3g} requests; at most {MAX_REQUESTS:,} are made", key="applications")
        if steps > MAX_STEPS:
            raise SpecError(f"rates change {steps:.3g} times; at most {MAX_STEPS:,} are made", key="applications")


def _merged(columns: tuple[array[int], ...], times: int, most: int | None) -> tuple[array[int], ...]:
    """The columns in order of the one in the place `times`; simultaneous requests stay in the order of the recipe's
    applications."""
    import numpy as np  # only mixed traces need it

    order = np.argsort(np.frombuffer(columns[times], np.int64), kind="stable")[:most]
    return tuple(array("q", np.frombuffer(column, np.int64)[order].tobytes()) for column in columns)


def _prefixes(*runs: array[int]) -> Prefixes:
    """The runs of all requests, from the columns of first addresses and tokens of their first runs, then of others."""
    import numpy as np  # only sessions need it

    from traces.prefixes import prefixes_of  # as it imports Arrow

    by_request = np.column_stack([np.frombuffer(column, np.int64) for column in runs]).reshape(len(runs[0]), -1, 2)
    has_tokens = by_request[:, :, 1] > 0
    begins = np.concatenate([[0], np.cumsum(has_tokens.sum(axis=1))])
    kept = by_request[has_tokens]
    return prefixes_of(begins, kept[:, 0], kept[:, 1], 1)
