"""Links that transfers share: the network cards of machines, and NVLink inside a machine.

Sending and receiving are apart, as links are full duplex. A transfer between two machines uses the cards of both; one
between instances of the same machine uses the NVLink of their GPUs, which have no part in other traffic. The switches
between machines are never short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from sim_core.errors import SpecError, choices
from sim_core.event import Event
from sim_core.native import mypyc_attr
from sim_core.network.base import Network, NetworkOptions, Wiring, own_options
from sim_core.network.use import LinkUse
from sim_core.options import reads_configuration
from sim_core.request import Request
from sim_core.section import Section
from sim_core.spec import MachineLinksSpec, NetworkSpec, ServerGroupSpec
from sim_core.start_state.base import InstancePlan

MACHINE, INSTANCE = "machine", "instance"
BYTES_PER_GBIT: Final = 1e9 / 8


class Port:
    """One direction of the network cards of a machine, or of the NVLink of an instance's GPUs."""

    __slots__ = ("bytes_per_s", "free_s", "sent_bytes", "transfers")

    def __init__(self, bytes_per_s: float) -> None:
        self.bytes_per_s = bytes_per_s
        self.transfers: list[Transfer] = []  # under way, in the order in which they came
        self.sent_bytes = 0.0  # of transfers that have ended, and of what was sent during prompts
        self.free_s = 0.0  # until when what was sent so far takes it, one thing after the other, without a gap

    def take(self, size_bytes: float, from_s: float) -> None:
        """Book what is sent from `from_s` on."""
        self.free_s = max(self.free_s, from_s) + size_bytes / self.bytes_per_s


class Transfer:
    """A KV cache on its way."""

    __slots__ = ("end", "left_bytes", "number", "rate", "request", "since_s", "size_bytes", "source", "target")

    def __init__(self, number: int, request: Request, source: Port, target: Port, size_bytes: float) -> None:
        self.number = number  # in the order of their starts
        self.request = request
        self.source = source
        self.target = target
        self.size_bytes = size_bytes
        self.left_bytes = size_bytes  # at `since_s`
        self.rate = 0.0  # bytes/s; 0: it has not begun
        self.since_s = 0.0
        self.end = Event(0.0, None, None)

    def sent_bytes(self, now_s: float) -> float:
        """What has been sent by `now_s`."""
        return self.size_bytes - max(self.left_bytes - self.rate * (now_s - self.since_s), 0.0)


class Ports:
    """The four ports of an instance. Instances of one machine have the same ones to other machines."""

    __slots__ = ("inside_in", "inside_out", "machine", "network_in", "network_out")

    def __init__(self, machine: int, network_out: Port, network_in: Port, inside_bytes_per_s: float) -> None:
        self.machine = machine
        self.network_out = network_out
        self.network_in = network_in
        self.inside_out = Port(inside_bytes_per_s)
        self.inside_in = Port(inside_bytes_per_s)


@mypyc_attr(allow_interpreted_subclasses=True)
@dataclass(frozen=True, slots=True)
class SharedOptions(NetworkOptions):
    """How much of the network cards transfers have, and who shares them: all instances of a machine, or each instance
    has those of its own GPUs."""

    cards_of: str = MACHINE
    cards_share: float = 1.0  # of their bandwidth; other traffic has the rest

    def __post_init__(self) -> None:
        if self.cards_share > 1.0:
            raise SpecError("must be at most 1", key="network.cards_share", value=self.cards_share)
        if self.cards_of not in (MACHINE, INSTANCE):
            raise SpecError(
                f"must be {MACHINE} or {INSTANCE}{choices(self.cards_of, (MACHINE, INSTANCE))}",
                key="network.cards_of",
                value=self.cards_of,
            )


@mypyc_attr(allow_interpreted_subclasses=True)
class SharedLinks(Network):
    """A network whose transfers share links. In which way, the classes that inherit from it decide."""

    Options: ClassVar[type[Any]] = SharedOptions

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        if wiring.bandwidth_factor != 1.0:
            raise SpecError(
                f"links of real bandwidth are not {wiring.bandwidth_factor:g} times as fast: take a scheduler without "
                "overlap_, and network.overlap=true",
                key="network.policy",
                value=wiring.spec.policy,
            )
        self._ports = _ports_of(wiring.plans, wiring.spec.links, self.options)
        self._begun = 0  # transfers

    @classmethod
    @reads_configuration
    def read(cls, config: Section, policy: str, hardware: Section, servers: Sequence[ServerGroupSpec]) -> NetworkSpec:
        skus = dict.fromkeys(group.sku for group in servers)
        links = tuple(read_links(sku, policy, hardware) for sku in skus)
        return NetworkSpec(policy, own_options(cls.Options, config), links)

    def transfer_of(self, request: Request, size_bytes: float) -> Transfer:
        """A transfer that is about to begin."""
        source, target = self._ports_between(request)
        source.take(size_bytes, self._engine.now)
        target.take(size_bytes, self._engine.now)
        self._begun += 1
        return Transfer(self._begun, request, source, target, size_bytes)

    def _ports_between(self, request: Request) -> tuple[Port, Port]:
        source, target = self._ports[request.prompt_instance.index], self._ports[request.token_instance.index]
        if source.machine == target.machine:
            return source.inside_out, target.inside_in
        return source.network_out, target.network_in

    def sent_during(self, request: Request, most_bytes: float, from_s: float) -> float:
        """What both ports have left beside all that they have sent, or are to send, since `from_s`."""
        source, target = self._ports_between(request)
        now = self._engine.now
        for port in (source, target):
            most_bytes = min(most_bytes, max(now - max(port.free_s, from_s), 0.0) * port.bytes_per_s)
        if most_bytes > 0.0:
            for port in (source, target):
                port.take(most_bytes, from_s)
                port.sent_bytes += most_bytes
        return most_bytes

    def leave(self, transfer: Transfer) -> None:
        """Take a transfer that has ended from its ports."""
        for port in (transfer.source, transfer.target):
            port.transfers.remove(transfer)
            port.sent_bytes += transfer.size_bytes

    def use(self, span_s: float) -> LinkUse | None:
        now = self._engine.now
        cards = dict.fromkeys(port for ports in self._ports for port in (ports.network_out, ports.network_in))
        inside = [ports.inside_out for ports in self._ports]
        sent = {port: port.sent_bytes + sum(t.sent_bytes(now) for t in port.transfers) for port in (*cards, *inside)}
        busiest = max(sent[port] / port.bytes_per_s for port in cards)
        return LinkUse(
            # each byte leaves one port and enters another
            sum(sent[port] for port in cards) / 2,
            sum(sent[port] for port in inside),
            busiest / span_s if span_s > 0.0 else 0.0,
        )


def _ports_of(plans: Sequence[InstancePlan], links: Sequence[MachineLinksSpec], options: SharedOptions) -> list[Ports]:
    """The ports of each instance, in order of its index."""
    known = {link.sku: link for link in links}
    cards: dict[int, tuple[Port, Port]] = {}
    found: list[Ports] = []
    for index, plan in enumerate(plans):
        link = known.get(plan.sku)
        if link is None:
            raise SpecError(f"the spec lacks the links of {plan.sku}", key="network.links")
        own = len(plan.processors)
        machine = plan.machine if plan.machine >= 0 else -1 - index  # not known: a machine of its own
        bytes_per_s = link.machine_bytes_per_s * options.cards_share
        if options.cards_of == INSTANCE:
            bytes_per_s *= own / plan.machine_processors
        if options.cards_of == INSTANCE or machine not in cards:
            cards[machine] = Port(bytes_per_s), Port(bytes_per_s)
        network_out, network_in = cards[machine]
        found.append(Ports(machine, network_out, network_in, own * link.gpu_bytes_per_s))
    return found


@reads_configuration
def read_links(sku: str, policy: str, hardware: Section) -> MachineLinksSpec:
    """The links of a machine, from its file in the hardware repo and those of the links that it names."""
    known = hardware.mapping("interconnects")
    repo = Section(hardware.mapping("skus")[sku], hardware.path(f"skus.{sku}"))
    own = repo.section("interconnects") if repo.has("interconnects") else Section({}, repo.path("interconnects"))
    rates = {name: _rate(own, name, policy, hardware.path("interconnects"), known) for name in ("machine", "gpu")}
    own.done()
    return MachineLinksSpec(sku, rates["machine"], rates["gpu"])


@reads_configuration
def _rate(own: Section, name: str, policy: str, folder: str, known: Mapping[str, Any]) -> float:
    """Bytes a second, each way, of the `count` links that a SKU names."""
    if not own.has(name):
        what = "its links to other machines" if name == "machine" else "the links of a GPU to others of its machine"
        raise SpecError(f"network={policy} needs {what}, such as {{link: NAME, count: 8}}", key=own.path(name))
    entry = own.section(name)
    link, count = entry.text("link", known), entry.integer("count", 1)
    entry.done()
    described = Section(known[link], f"{folder}.{link}")
    return described.number("gbit_per_s", above=True) * count * BYTES_PER_GBIT
