"""Closed loops: clients that send the next request of a trace when their last one has left."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf
from typing import ClassVar

from sim_core.clients import Clients
from sim_core.engine import Engine
from sim_core.event import Event, Handler
from sim_core.request import Request
from sim_core.trace import Trace
from sim_core.workload import Workload, rows_of


class ClosedLoop(Workload):
    """The requests of a trace, sent by its clients. Several groups of clients have consecutive parts of its rows.

    Requests are numbered as they are sent. `client_of` has the client of each, counted over all groups.
    """

    __slots__ = (
        "_clients",
        "_engine",
        "_groups",
        "_lasting",
        "_measuring",
        "_row_of",
        "_rows",
        "_sends",
        "_sent",
        "_submit",
        "_trace",
        "_warmup",
        "client_of",
    )

    listens: ClassVar[bool] = True

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._clients = trace.clients
        prefixes = None if trace.prefixes is None else trace.prefixes.without_rows()
        self._sent = replace(Trace.of([], trace.name), prefixes=prefixes)
        self._rows = rows_of(self._sent)
        self._row_of = array("q")  # by request: its row in the trace
        self.client_of = array("q")
        self._groups: list[_Group] = []  # of the phase that runs, by client
        self._warmup = sum(clients.warmup for clients in trace.clients)
        self._lasting = 0  # requests of a warm-up that drains which have not left

    def begin(self, engine: Engine, submit: Mapping[int, Handler]) -> None:
        self._engine, self._submit, self._sends = engine, submit, _Sends(self)
        if self._clients[0].drains:
            self._lasting = self._warmup
        self._start(warmup=True, measured=self._lasting == 0)

    def _start(self, warmup: bool, measured: bool) -> None:
        """Begin with the requests of the warm-up, those that are measured, or both."""
        engine = self._engine
        self._groups = []
        row = 0
        for clients in self._clients:
            first_measured = row + clients.warmup
            first, end = (row if warmup else first_measured), (row + clients.rows if measured else first_measured)
            row += clients.rows
            group = _Group(clients, first, end, len(self._groups))
            for number in range(min(clients.concurrency, end - first)):
                at_s = engine.now + number * clients.ramp_s / clients.concurrency
                group.sends[number] = engine.at(at_s, self._sends, group.first_client + number)
            self._groups.extend([group] * clients.concurrency)

    def send(self, client: int) -> None:
        """A client sends its next request, if there is one more."""
        group = self._groups[client]
        row = group.next_row
        if row == group.end:
            return
        group.next_row = row + 1
        group.sends[client - group.first_client] = None
        if row + 1 == group.end:
            group.cancel()
        trace, sent, now = self._trace, self._sent, self._engine.now
        if len(sent.arrival_s) == self._warmup > 0:
            self._measuring.fire(None)
        self._row_of.append(row)
        self.client_of.append(client)
        sent.arrival_s.append(now)
        sent.request_id.append(trace.request_id[row])
        sent.application_id.append(trace.application_id[row])
        sent.prompt_tokens.append(trace.prompt_tokens[row])
        sent.output_tokens.append(trace.output_tokens[row])
        sent.batch_size.append(trace.batch_size[row])
        if sent.prefixes is not None and trace.prefixes is not None:
            sent.prefixes.append(trace.prefixes, row)
        submit, request = self._submit[trace.application_id[row]], self._rows.request(len(sent.arrival_s) - 1)
        if group.has_front:
            self._engine.at(group.through_front_s(now, trace.prompt_tokens[row]), submit, request)
        else:
            submit.fire(request)

    def left(self, request: Request) -> None:
        if self._lasting:
            self._lasting -= 1
            if self._lasting == 0:
                self._engine.at(self._engine.now, _Measures(self), None)
                return
        client = self.client_of[request.index]
        group = self._groups[client]
        if group.next_row < group.end:
            at_s = self._engine.now + group.think_s(self._row_of[request.index])
            group.sends[client - group.first_client] = self._engine.at(at_s, self._sends, client)

    def measures_from(self, handler: Handler) -> None:
        self._measuring = handler

    def measure(self) -> None:
        """Begin with the requests that are measured."""
        self._start(warmup=False, measured=True)

    def requests(self) -> Trace:
        return self._sent

    def applications(self) -> Iterable[int]:
        return set(self._trace.application_id)

    def first_arrival_s(self) -> float:
        return 0.0

    def last_arrival_s(self) -> float:
        sent_s = self._sent.arrival_s
        if len(sent_s) < len(self._trace):
            return inf
        return sent_s[-1] if sent_s else 0.0

    def concurrency(self) -> int:
        return sum(clients.concurrency for clients in self._clients)

    def warmup(self) -> int:
        return self._warmup


class _Group:
    """Clients that take the rows from `next_row` to `end` in turn."""

    __slots__ = (
        "_first_row",
        "_front_free_s",
        "_front_s",
        "_front_token_s",
        "_think_s",
        "end",
        "first_client",
        "has_front",
        "next_row",
        "sends",
    )

    def __init__(self, clients: Clients, first_row: int, end: int, first_client: int) -> None:
        self._first_row, self._think_s = first_row, clients.think_s
        self.next_row, self.end, self.first_client = first_row, end, first_client
        self.sends: list[Event | None] = [None] * clients.concurrency  # by client: when it sends
        self.has_front = clients.has_front
        self._front_s, self._front_token_s = clients.front_s, clients.front_token_s
        self._front_free_s = 0.0  # when the front end has taken all requests that it was sent

    def through_front_s(self, now_s: float, prompt_tokens: int) -> float:
        """When a request that is sent now has passed the front end, which takes one after the other."""
        self._front_free_s = max(self._front_free_s, now_s) + self._front_s + self._front_token_s * prompt_tokens
        return self._front_free_s

    def think_s(self, row: int) -> float:
        """How long the client of a row thinks after its request."""
        times_s = self._think_s
        return times_s[(row - self._first_row) % len(times_s)] if times_s else 0.0

    def cancel(self) -> None:
        """Let no client that would send stop the clock: nothing is left to send."""
        for event in self.sends:
            if event is not None:
                event.handler = None


class _Sends(Handler):
    """A client sends."""

    __slots__ = ("_loop",)

    def __init__(self, loop: ClosedLoop) -> None:
        self._loop = loop

    def fire(self, client: int, /) -> None:
        self._loop.send(client)


class _Measures(Handler):
    """The last request of the warm-up has left."""

    __slots__ = ("_loop",)

    def __init__(self, loop: ClosedLoop) -> None:
        self._loop = loop

    def fire(self, _: None, /) -> None:
        self._loop.measure()
