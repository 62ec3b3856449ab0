"""Workloads submit requests to applications. An open loop submits those of a trace, whatever the cluster does."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from sim_core.engine import Engine
from sim_core.event import Handler
from sim_core.native import mypyc_attr
from sim_core.request import Request
from sim_core.trace import Trace


@mypyc_attr(allow_interpreted_subclasses=True)
class Workload:
    """The source of a run's requests."""

    __slots__ = ()

    @abstractmethod
    def begin(self, engine: Engine, submit: Mapping[int, Handler]) -> None:
        """Schedule the first requests. `submit` has, by application, what fires with a request when its client sends
        it. It is called once in a run, before the first event."""


class OpenLoop(Workload):
    """The requests of a trace, each at its own time. A request's index is its row."""

    __slots__ = ("_trace",)

    def __init__(self, trace: Trace) -> None:
        self._trace = trace

    def begin(self, engine: Engine, submit: Mapping[int, Handler]) -> None:
        engine.at_each(self._trace.arrival_s, _Arrivals(self._trace, submit))


class _Arrivals(Handler):
    """Makes the request of a row, and submits it."""

    __slots__ = ("_application_id", "_arrival_s", "_batch_size", "_output", "_prompt", "_submit")

    def __init__(self, trace: Trace, submit: Mapping[int, Handler]) -> None:
        self._submit = submit
        self._arrival_s, self._application_id = trace.arrival_s, trace.application_id
        self._prompt, self._output, self._batch_size = trace.prompt_tokens, trace.output_tokens, trace.batch_size

    def fire(self, row: int, /) -> None:
        request = Request(row, self._arrival_s[row], self._prompt[row], self._output[row], self._batch_size[row])
        self._submit[self._application_id[row]].fire(request)
