"""What a network does: it moves KV caches between the replicas of an application.

A transfer takes memory at the destination when it starts, and frees the source's when it ends. How long it takes is
what networks differ in. A new network is a class here in a file of its own, with its line in the table of
`sim_core.network`, which says where it is, and a file in `configs/network`. Keys of that file which only this network
has are declared in its `Options`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import inf
from typing import Any, ClassVar, Final, NamedTuple

from sim_core.engine import Call, Engine
from sim_core.event import Event, Handler
from sim_core.native import mypyc_attr
from sim_core.network.use import LinkUse
from sim_core.options import made, read_options, reads_configuration
from sim_core.request import Host, Request
from sim_core.section import Section
from sim_core.spec import ModelSpec, NetworkSpec, Options, ServerGroupSpec
from sim_core.standstill import deadlocked
from sim_core.start_state.base import InstancePlan

# Where the destination is full, a transfer is tried again this often (SplitwiseSim). Where it tells of its room, those
# that wait are looked at this often, for some that wait for each other.
RETRY_S: Final = 1.0
BYTES_PER_GB: Final = 1 << 30


class WaitingTransfers:
    """Shared by all networks of a run to detect deadlock: the next try of each transfer that waits for memory."""

    __slots__ = ("gave_up_s", "retries", "tries")

    def __init__(self) -> None:
        self.tries: dict[Request, Event] = {}
        self.retries = 0  # failed tries since the last search for a deadlock
        self.gave_up_s: float | None = None  # when the last transfer was given up


class Wiring(NamedTuple):
    """What the network of an application is made of.

    `plans`: its instances, in order of their index. `bandwidth_gb_per_s`: that of its scheduler, in GiB/s;
    `bandwidth_factor`: by how much the scheduler makes it larger than what is configured.
    """

    engine: Engine
    waiting: WaitingTransfers
    spec: NetworkSpec
    model: ModelSpec
    plans: Sequence[InstancePlan]
    bandwidth_gb_per_s: float
    bandwidth_factor: float
    on_delivery: Handler


@mypyc_attr(allow_interpreted_subclasses=True)
@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """The options of all networks."""

    overlap: bool = False  # the KV cache of a layer is sent while the next layer of the prompt is computed
    overlap_from_tokens: int = 512  # smaller prompts are sent as a whole (Splitwise)


@reads_configuration
def own_options(declared: type[Any], config: Section) -> Options:
    """The options in a section that differ from their defaults. So a run has the same key whether it writes down the
    others or not."""
    defaults = {option.name: option.default for option in fields(declared)}
    return tuple((name, value) for name, value in read_options(declared, config) if value != defaults[name])


@mypyc_attr(allow_interpreted_subclasses=True)
class Network(Handler):
    """Transfers KV caches between the replicas of an application.

    A transfer waits where its destination is full. Where that one will never have room, or source and destination wait
    for each other, a request leaves without its cache, which the destination computes again; or, where the destination
    can do no such thing, the transfer is given up, and the request stays unfinished.
    """

    Options: ClassVar[type[Any]] = NetworkOptions

    def __init__(self, wiring: Wiring) -> None:
        self._engine = wiring.engine
        self._waiting = wiring.waiting
        self._kv_bytes_per_token = wiring.model.kv_bytes_per_token
        self._layers = wiring.model.num_layers
        self.on_delivery = wiring.on_delivery
        self.options: Any = made(self.Options, wiring.spec.options, f"network {wiring.spec.policy!r}")
        # a prompt of fewer tokens is sent as a whole
        self._overlap_from = float(self.options.overlap_from_tokens) if self.options.overlap else inf
        self.sends = Call(self.send)  # fires later
        self._retry = Call(self._send_again)
        # transfers that wait for memory at replicas that tell of it: by replica, and all of them in order
        self._lines: dict[int, deque[Request]] = {}
        self._in_line: dict[Request, None] = {}
        self._woken: set[int] = set()  # replicas at which memory was freed just now
        self._is_watching = False
        self._wakes, self._watch = Call(self._wake), Call(self._look_again)

    @classmethod
    @reads_configuration
    def read(cls, config: Section, policy: str, hardware: Section, servers: Sequence[ServerGroupSpec]) -> NetworkSpec:
        """The spec that a section `network` describes. `hardware`: the section `hardware_repo`. Raises SpecError."""
        return NetworkSpec(policy, own_options(cls.Options, config))

    # -- starting ------------------------------------------------------------------------------------------------

    def send(self, request: Request) -> None:
        """Start the transfer as soon as the destination has room."""
        host = request.token_instance
        if not host.kv.fits(request.kv_tokens) or (self._lines and self._lines.get(host.index)):
            self._wait(request)
            return
        self._start(request, request.prompt_tokens >= self._overlap_from and request.first_token_s == self._engine.now)

    def _start(self, request: Request, overlaps: bool) -> None:
        """Start the transfer: the destination has room. `overlaps`: a part was sent while the prompt was computed."""
        request.token_instance.kv.receive(request)
        request.sent_s = self._engine.now
        # the first token's own KV is held but not sent (SplitwiseSim)
        size_bytes = float(request.batch_size * request.prompt_tokens * self._kv_bytes_per_token)
        if overlaps:
            start_s, end_s = request.started_s, request.first_token_s
            last_bytes = size_bytes / self._layers
            first_layer_s = start_s + (end_s - start_s) / self._layers
            self.carry(request, size_bytes, self.sent_during(request, size_bytes - last_bytes, first_layer_s))
        else:
            self.carry(request, size_bytes, 0.0)

    @abstractmethod
    def carry(self, request: Request, size_bytes: float, sent_bytes: float) -> None:
        """Carry a KV cache of `size_bytes`, of which `sent_bytes` are there already, and call `arrived` then."""

    @abstractmethod
    def sent_during(self, request: Request, most_bytes: float, from_s: float) -> float:
        """How much of a KV cache has been sent since `from_s`, while its prompt was computed; `most_bytes` at most."""

    def arrived(self, request: Request) -> None:
        """A transfer ends."""
        request.came_s = self._engine.now
        source = request.prompt_instance.kv
        source.release(request)
        source.in_transit -= 1
        self.on_delivery.fire(request)

    def use(self, span_s: float) -> LinkUse | None:
        """How the links were used in the `span_s` seconds of the run; None: no link is shared."""
        return None

    # -- waiting for memory --------------------------------------------------------------------------------------

    def _wait(self, request: Request) -> None:
        """The destination is full: go on when it has room, or try again later."""
        waiting, engine = self._waiting, self._engine
        host = request.token_instance
        tells = host.index in self._lines or self._tells_of_room(host)
        if host.never_fits(request.kv_tokens):
            if tells:
                self._send_without_cache(request)
            else:
                self._give_up(request)
            return
        if tells:
            self._lines[host.index].append(request)
            self._in_line[request] = None
            if not self._is_watching:
                self._is_watching = True
                engine.at(engine.now + RETRY_S, self._watch, None)
            return
        waiting.tries[request] = engine.at(engine.now + RETRY_S, self._retry, request)
        waiting.retries += 1
        if waiting.retries > len(waiting.tries):  # the search takes time in proportion to the transfers
            waiting.retries = 0
            self._resolve_deadlock()

    def _send_again(self, request: Request) -> None:
        del self._waiting.tries[request]
        self.send(request)

    def _tells_of_room(self, host: Host) -> bool:
        """Whether a replica tells when it has room. From now on it does."""
        line: deque[Request] = deque()

        def tell() -> None:
            if line and host.index not in self._woken:
                self._woken.add(host.index)
                self._engine.at(self._engine.now, self._wakes, host)

        if host.kv.tell_of_room(tell):
            self._lines[host.index] = line
            return True
        return False

    def _wake(self, host: Host) -> None:
        """Memory was freed at `host`: start the transfers for which it is enough, in the order in which they came."""
        self._woken.discard(host.index)
        line = self._lines[host.index]
        while line and host.kv.fits(line[0].kv_tokens):
            request = line.popleft()
            del self._in_line[request]
            self._start(request, False)

    def _leave_line(self, request: Request) -> None:
        self._lines[request.token_instance.index].remove(request)
        del self._in_line[request]

    def _look_again(self, _nothing: None) -> None:
        """Each second while transfers wait in line: start those that fit although the first does not, and find those
        that will never have room, or wait for each other."""
        for request in list(self._in_line):
            host = request.token_instance
            if host.kv.fits(request.kv_tokens):
                self._leave_line(request)
                self._start(request, False)
            elif host.never_fits(request.kv_tokens):
                self._leave_line(request)
                self._send_without_cache(request)
        if self._in_line:
            self._resolve_deadlock()
        self._is_watching = bool(self._in_line)
        if self._is_watching:
            self._engine.at(self._engine.now + RETRY_S, self._watch, None)

    def _resolve_deadlock(self) -> None:
        """Let replicas that wait for each other run what they can, or else send requests without their caches, or give
        up their transfers."""
        tries = self._waiting.tries
        replicas = deadlocked([*tries, *self._in_line])
        started = [replica for replica in replicas if replica.go_on(despite_transfers=True)]
        if started:
            return
        in_line = [request for request in self._in_line if request.prompt_instance in replicas]
        if in_line:
            self._free_by_the_last(in_line)
            return
        for request in [request for request in tries if request.prompt_instance in replicas]:
            tries.pop(request).handler = None
            self._give_up(request)

    def _free_by_the_last(self, waiting: list[Request]) -> None:
        """Send the last of the requests that wait for each other without their caches, until one of the others has
        room for its own."""
        while waiting:
            request = waiting.pop()
            self._leave_line(request)
            self._send_without_cache(request)
            if any(other.token_instance.kv.fits(other.kv_tokens) for other in waiting):
                return

    def _send_without_cache(self, request: Request) -> None:
        """Free the memory of a request, whose tokens are computed again at the destination."""
        request.sent_s = request.came_s = self._engine.now
        request.preemptions += 1
        source = request.prompt_instance.kv
        source.release(request)
        source.in_transit -= 1
        if source.counts is not None:
            source.counts.preemptions += 1
        request.kv_tokens = 0
        request.token_instance.kv.in_transit += 1
        self.on_delivery.fire(request)

    def _give_up(self, request: Request) -> None:
        """Never send `request`. It keeps its memory, so its replica need not wait for that memory any longer."""
        self._waiting.gave_up_s = self._engine.now
        source, destination = request.prompt_instance, request.token_instance
        for replica in (source, destination):
            if replica.still_since_s is None:
                replica.still_since_s = self._engine.now
        source.kv.given_up += 1
        source.go_on()
