"""Workloads submit requests to applications. An open loop submits those of a trace, whatever the cluster does. A closed
loop makes requests while the run goes on: its clients send the next one when the last one has left."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from sim_core.engine import Engine
from sim_core.event import Handler
from sim_core.kv.content import Content
from sim_core.native import mypyc_attr
from sim_core.prefixes import Prefixes
from sim_core.request import Request
from sim_core.trace import Trace


@mypyc_attr(allow_interpreted_subclasses=True)
class Workload:
    """The source of a run's requests, which are rows of a trace that may grow during the run.

    `listens`: whether requests that leave are reported to `left`.
    """

    __slots__ = ()

    listens: ClassVar[bool] = False

    @abstractmethod
    def begin(self, engine: Engine, submit: Mapping[int, Handler]) -> None:
        """Schedule the first requests. `submit` has, by application, what fires with a request when its client sends
        it. It is called once in a run, before the first event."""

    @abstractmethod
    def requests(self) -> Trace:
        """All requests that have been made so far, in order of arrival. A request's index is its row. An open loop has
        made all of them from the beginning, and others only those that have arrived."""

    @abstractmethod
    def applications(self) -> Iterable[int]:
        """The applications that requests may be sent to."""

    @abstractmethod
    def first_arrival_s(self) -> float:
        """The time that figures count from; known before the run."""

    @abstractmethod
    def last_arrival_s(self) -> float:
        """After this time no request arrives; infinity while that is not known."""

    def concurrency(self) -> int:
        """How many clients a closed loop has; 0 for an open one."""
        return 0

    def warmup(self) -> int:
        """How many of `requests()`, from the first one on, only warm the cluster up, and are in no figure."""
        return 0

    def measures_from(self, handler: Handler) -> None:
        """Call `handler.fire(None)` in the run when the warm-up has ended. Without a warm-up there is no call."""

    def left(self, request: Request) -> None:
        """`request` was completed or rejected just now. What is submitted in return must be an event of its own
        (`Engine.at`), also without a delay: the replica is about to choose its next steps."""


class OpenLoop(Workload):
    """The requests of a trace, each at its own time."""

    __slots__ = ("_trace",)

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def begin(self, engine: Engine, submit: Mapping[int, Handler]) -> None:
        engine.at_each(self._trace.arrival_s, _Arrivals(self._trace, submit))

    def requests(self) -> Trace:
        return self._trace

    def applications(self) -> Iterable[int]:
        return set(self._trace.application_id)

    def first_arrival_s(self) -> float:
        return self._trace.first_arrival_s

    def last_arrival_s(self) -> float:
        return self._trace.arrival_s[-1] if self._trace.arrival_s else 0.0


class Rows:
    """Makes requests of the rows of a trace, which may grow."""

    __slots__ = ("_arrival_s", "_batch_size", "_output", "_prompt", "application_id")

    def __init__(self, trace: Trace) -> None:
        self._arrival_s, self.application_id = trace.arrival_s, trace.application_id
        self._prompt, self._output, self._batch_size = trace.prompt_tokens, trace.output_tokens, trace.batch_size

    def request(self, row: Any) -> Request:
        """The request of a row, an integer. Compiled, a parameter of this type would be made an object four times."""
        return Request(row, self._arrival_s[row], self._prompt[row], self._output[row], self._batch_size[row])


class _RowsWithContent(Rows):
    """The same, with what requests have in common."""

    __slots__ = ("_prefixes",)

    def __init__(self, trace: Trace, prefixes: Prefixes) -> None:
        super().__init__(trace)
        self._prefixes = prefixes

    def request(self, row: Any) -> Request:
        request = super().request(row)
        request.content = content_of(self._prefixes, row)
        return request


def rows_of(trace: Trace) -> Rows:
    """What makes requests of the rows of `trace`."""
    return Rows(trace) if trace.prefixes is None else _RowsWithContent(trace, trace.prefixes)


class _Arrivals(Handler):
    """Makes the request of a row, and submits it."""

    __slots__ = ("_rows", "_submit")

    def __init__(self, trace: Trace, submit: Mapping[int, Handler]) -> None:
        self._rows, self._submit = rows_of(trace), dict(submit)

    def fire(self, row: Any, /) -> None:
        rows = self._rows
        self._submit[rows.application_id[row]].fire(rows.request(row))


def content_of(prefixes: Prefixes, row: int) -> Content | None:
    """The tokens of the request in a row of a trace; None where it has none in common with others. Tokens with an
    address are in stream 0, and those of the request alone in a stream of its own."""
    begins, firsts, lengths = prefixes.begins, prefixes.firsts, prefixes.lengths
    begin, end = begins[row], begins[row + 1]
    if begin == end:
        return None
    return Content([(0, firsts[run], lengths[run]) for run in range(begin, end)], -1 - row)
