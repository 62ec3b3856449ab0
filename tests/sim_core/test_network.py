"""How long transfers of KV caches take on each network, and what its links carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_core import SimSpec
from sim_core.engine import Call, Engine
from sim_core.errors import SpecError
from sim_core.event import Handler
from sim_core.network import NETWORKS
from sim_core.network.ports import Port, Ports, SharedLinks
from sim_core.request import Request
from sim_core.simulation import Simulation
from sim_core.spec import MachineLinksSpec, NetworkSpec, ProcessorSpec, ServerGroupSpec
from tests.sim_core import worlds

RATE = 1024  # tokens a second of a machine's cards, each way
SHARED = sorted(name for name, network in NETWORKS.items() if issubclass(network, SharedLinks))


def spec(policy: str = "shared", machines: int = 4, gpus: int = 1, layers: int = 1, **options: Any) -> SimSpec:
    """Machines with `gpus` instances each; a token has 1000 bytes, and NVLink is 16 times as fast as the cards."""
    plain = worlds.spec("kv_round_robin", count=machines, kv_tokens=10**6)
    gpu = ProcessorSpec("box-gpu", 10**9)
    model = replace(plain.applications[0].model, num_layers=layers, hidden_size=250 // layers)
    links = () if policy == "private" else (MachineLinksSpec("box", 1000.0 * RATE, 16_000.0 * RATE),)
    return replace(
        plain,
        servers=(ServerGroupSpec("box", machines, (gpu,) * gpus),),
        applications=(replace(plain.applications[0], model=model),),
        network=NetworkSpec(policy, tuple(options.items()), links),
    )


@dataclass(frozen=True)
class Send:
    """A transfer: when, from and to which instance, and how many tokens. `prompt_s`: how long its prompt took, which
    ended `waited_s` before."""

    time_s: float
    source: int
    target: int
    tokens: int
    prompt_s: float = 0.0
    waited_s: float = 0.0


class Deliveries(Handler):
    """Notes when transfers end, and that no port carries more than it can."""

    def __init__(self, engine: Engine, ports: Sequence[Port], is_fair: bool) -> None:
        self.engine = engine
        self.is_fair = is_fair
        self.ports = ports
        self.ends: dict[int, float] = {}  # by row, in order of their ends

    def fire(self, request: Request, /) -> None:
        self.ends[request.index] = now = self.engine.now
        for port in self.ports:
            sent = port.sent_bytes + sum(transfer.sent_bytes(now) for transfer in port.transfers)
            assert sent <= port.bytes_per_s * now * (1 + 1e-9) + 1e-6
        busy = [port for port in self.ports if port.transfers]
        # others may end at this very time, by events that are still to come
        if busy and all(transfer.end.time_s != now for port in busy for transfer in port.transfers):
            rates = [(port, sum(transfer.rate for transfer in port.transfers)) for port in busy]
            assert all(rate <= port.bytes_per_s * (1 + 1e-9) for port, rate in rates)
            # work goes on; and where the shares are smallest, a port is fully used
            fullest = min(busy, key=lambda port: port.bytes_per_s / len(port.transfers))
            assert any(rate > 0.0 for _, rate in rates)
            assert not self.is_fair or dict(rates)[fullest] == pytest.approx(fullest.bytes_per_s)


def carried(described: SimSpec, sends: Sequence[Send]) -> dict[int, float]:
    """When each transfer ends, by its row, in order of their ends."""
    engine = Engine()
    simulation = Simulation(described, engine)
    network, replicas = simulation.applications[0].network, simulation.replicas[0]
    assert network is not None
    instances: Sequence[Ports] = getattr(network, "_ports", ())
    every = [port for own in instances for port in (own.network_out, own.network_in, own.inside_out, own.inside_in)]
    is_fair = described.network.policy == "shared"
    network.on_delivery = deliveries = Deliveries(engine, list(dict.fromkeys(every)), is_fair)
    together: dict[float, list[Request]] = {}
    for row, send in enumerate(sends):
        request = Request(row, 0.0, send.tokens, 2, 1)
        request.prompt_instance, request.token_instance = replicas[send.source], replicas[send.target]
        request.prompt_end_s = prompt_end_s = send.time_s - send.waited_s
        request.prompt_start_s = prompt_end_s - send.prompt_s
        together.setdefault(send.time_s, []).append(request)
    for time_s, requests in together.items():  # those of one time in the order of rows
        engine.at(time_s, Call(lambda requests: [network.send(request) for request in requests]), requests)
    engine.run(inf)
    assert sorted(deliveries.ends) == list(range(len(sends)))
    assert not any(port.transfers for port in every)
    return deliveries.ends


# -- one transfer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", sorted(NETWORKS))
def test_a_transfer_alone_takes_its_bytes_over_the_bandwidth(policy: str) -> None:
    assert carried(spec(policy), [Send(1.0, 0, 2, 512)]) == {0: 1.5}


@pytest.mark.parametrize("policy", SHARED)
def test_a_transfer_alone_is_as_fast_as_the_slower_cards(policy: str) -> None:
    uneven = spec(policy, machines=2)
    links = (MachineLinksSpec("box", 1000.0 * RATE, 1.0), MachineLinksSpec("slow", 250.0 * RATE, 1.0))
    servers = (replace(uneven.servers[0], count=1), replace(uneven.servers[0], sku="slow", count=1))
    uneven = replace(uneven, servers=servers, network=replace(uneven.network, links=links))
    assert carried(uneven, [Send(1.0, 0, 1, 512)]) == {0: 3.0}
    assert carried(uneven, [Send(1.0, 1, 0, 512)]) == {0: 3.0}


def test_private_links_do_not_slow_each_other_down() -> None:
    assert set(carried(spec("private"), [Send(1.0, 0, 2, 512)] * 5).values()) == {1.5}


# -- fair shares -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", [[(0, 1)] * 6, [(0, 1), (0, 2), (0, 3)], [(1, 0), (2, 0), (3, 0)]])
def test_equal_transfers_that_begin_together_end_together_after_n_times_the_time(ends: list[tuple[int, int]]) -> None:
    found = carried(spec(), [Send(1.0, source, target, 256) for source, target in ends])
    end_s = 1.0 + len(ends) * 0.25
    assert list(found.items()) == [(row, end_s) for row in range(len(ends))]  # in the order of their starts


def test_both_directions_of_a_card_are_apart() -> None:
    assert set(carried(spec(), [Send(1.0, 0, 1, 512), Send(1.0, 1, 0, 512)]).values()) == {1.5}


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=12))
def test_transfers_that_begin_together_end_as_with_processor_sharing(sizes: list[int]) -> None:
    found = carried(spec(machines=2), [Send(0.0, 0, 1, size) for size in sizes])
    in_order = sorted(range(len(sizes)), key=lambda row: sizes[row])
    done = 0.0  # until a transfer of a size ends, all that are no smaller have had as much as it
    for rank, (before, row) in enumerate(zip([None, *in_order[:-1]], in_order, strict=True)):
        done += (sizes[row] - (0 if before is None else sizes[before])) * (len(sizes) - rank)
        assert found[row] == pytest.approx(done / RATE, rel=1e-9)


def fair_ends(sends: Sequence[Send]) -> dict[int, float]:
    """The ends by the rule itself, in exact numbers: at each event all rates of the whole cluster are worked out."""
    left: dict[int, Fraction] = {}
    coming = sorted(range(len(sends)), key=lambda row: sends[row].time_s)
    ends: dict[int, float] = {}
    now = Fraction(0)
    while coming or left:
        out, into = ([getattr(sends[row], name) for row in left] for name in ("source", "target"))
        rates = {
            row: min(Fraction(RATE, out.count(sends[row].source)), Fraction(RATE, into.count(sends[row].target)))
            for row in left
        }
        then = [now + left[row] / rates[row] for row in left]
        then += [Fraction(sends[coming[0]].time_s)] if coming else []
        step, now = min(then) - now, min(then)
        left = {row: tokens - step * rates[row] for row, tokens in left.items()}
        ends |= {row: float(now) for row, tokens in left.items() if tokens == 0}
        left = {row: tokens for row, tokens in left.items() if tokens}
        while coming and sends[coming[0]].time_s <= now:
            row = coming.pop(0)
            left[row] = Fraction(sends[row].tokens)
    return ends


def transfers(most: int = 14) -> st.SearchStrategy[list[Send]]:
    """Transfers between four machines, many of them at the same times."""
    ends = st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(lambda pair: pair[0] != pair[1])
    prompts = st.sampled_from([0.0, 0.25, 1.0])
    one = st.tuples(st.integers(1, 32), ends, st.sampled_from([64, 256, 300, 1024]), prompts)
    made = one.map(lambda drawn: Send(1 + drawn[0] / 8, *drawn[1], drawn[2], drawn[3]))
    return st.lists(made, min_size=1, max_size=most)


@settings(deadline=None, max_examples=80)
@given(transfers())
def test_what_is_changed_at_two_ports_gives_what_all_ports_together_would(sends: list[Send]) -> None:
    expected = fair_ends(sends)
    for row, end_s in carried(spec(), sends).items():
        assert end_s == pytest.approx(expected[row], rel=1e-9)


# -- in turn -----------------------------------------------------------------------------------------------------------


def test_transfers_in_turn_end_one_after_the_other() -> None:
    sizes = [256, 1024, 64]
    found = carried(spec("shared_fifo"), [Send(1.0, 0, 1, size) for size in sizes])
    assert list(found.items()) == [(row, 1.0 + sum(sizes[: row + 1]) / RATE) for row in range(3)]


def test_in_turn_a_transfer_that_waits_for_its_destination_lets_those_behind_it_wait() -> None:
    found = carried(spec("shared_fifo"), [Send(1.0, 0, 1, 1024), Send(1.0, 2, 1, 1024), Send(1.0, 2, 3, 1024)])
    assert found == {0: 2.0, 1: 3.0, 2: 4.0}


def test_in_turn_a_receiver_does_not_wait_for_what_its_sender_is_not_ready_to_send() -> None:
    found = carried(spec("shared_fifo"), [Send(1.0, 0, 1, 1024), Send(1.0, 0, 2, 1024), Send(1.0, 3, 2, 1024)])
    assert found == {0: 2.0, 2: 2.0, 1: 3.0}


def ends_in_turn(sends: Sequence[Send]) -> dict[int, float]:
    """The ends by the rule itself: of all that are the first ones of their senders, the next to begin is the one that
    has asked first."""
    queues: dict[int, list[int]] = {}
    for row, send in enumerate(sends):
        queues.setdefault(send.source, []).append(row)
    asks = {queue[0]: sends[queue[0]].time_s for queue in queues.values()}
    free_s: dict[int, float] = {}
    ends: dict[int, float] = {}
    while asks:
        row = min(asks, key=lambda row: asks[row])
        send = sends[row]
        end_s = max(asks.pop(row), free_s.get(send.target, 0.0)) + send.tokens / RATE
        ends[row] = free_s[send.target] = end_s
        queue = queues[send.source]
        queue.remove(row)
        if queue:
            asks[queue[0]] = max(sends[queue[0]].time_s, end_s)
    return ends


@settings(deadline=None, max_examples=50)
@given(transfers())
def test_in_turn_senders_keep_the_order_of_starts_and_receivers_that_of_asking(sends: list[Send]) -> None:
    sends = sorted(sends, key=lambda send: send.time_s)
    # times of different rows are never equal, nor are sums of them and of whole tokens
    sends = [replace(send, time_s=send.time_s + row * 0.618034 / RATE) for row, send in enumerate(sends)]
    expected = ends_in_turn(sends)
    for row, end_s in carried(spec("shared_fifo"), sends).items():
        assert end_s == pytest.approx(expected[row], rel=1e-12)


# -- machines ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", SHARED)
def test_instances_of_a_machine_share_its_cards(policy: str) -> None:
    found = carried(spec(policy, machines=3, gpus=2), [Send(1.0, 0, 2, 512), Send(1.0, 1, 4, 512)])
    assert max(found.values()) == 2.0


@pytest.mark.parametrize("policy", SHARED)
def test_instances_may_have_the_cards_of_their_own_gpus(policy: str) -> None:
    own = spec(policy, machines=3, gpus=2, cards_of="instance")
    assert set(carried(own, [Send(1.0, 0, 2, 512), Send(1.0, 1, 4, 512)]).values()) == {2.0}
    assert set(carried(own, [Send(1.0, 0, 2, 512)]).values()) == {2.0}


@pytest.mark.parametrize("policy", SHARED)
def test_transfers_may_have_a_share_of_the_cards(policy: str) -> None:
    sends = [Send(1.0, 0, 1, 512), Send(1.0, 0, 2, 512)]  # the first inside a machine
    assert carried(spec(policy, gpus=2, cards_share=0.25), sends) == {0: 1.0 + 512 / (16 * RATE), 1: 3.0}
    with pytest.raises(SpecError, match=r"network\.cards_share=1\.5: must be at most 1"):
        Simulation(spec(policy, cards_share=1.5))


@pytest.mark.parametrize("policy", SHARED)
def test_transfers_inside_a_machine_take_nvlink_and_slow_no_others_down(policy: str) -> None:
    found = carried(spec(policy, machines=2, gpus=2), [Send(1.0, 0, 1, 512), Send(1.0, 0, 2, 512)])
    assert found == {0: 1.0 + 512 / (16 * RATE), 1: 1.5}


def test_cards_of_others_are_refused() -> None:
    with pytest.raises(SpecError, match=r"network\.cards_of='machines': must be machine or instance; did you mean"):
        Simulation(spec(cards_of="machines"))


@pytest.mark.parametrize("policy", SHARED)
def test_a_scheduler_that_makes_links_faster_is_refused_where_links_are_real(policy: str) -> None:
    plain = spec(policy)
    overlapping = replace(plain.applications[0], scheduler=worlds.scheduler("overlap_kv_jsq"))
    with pytest.raises(SpecError, match="not 10 times as fast: take a scheduler without overlap_"):
        Simulation(replace(plain, applications=(overlapping,)))


# -- while the prompt is computed --------------------------------------------------------------------------------------


def left_after_prompt(tokens: int, prompt_s: float, layers: int) -> float:
    """The seconds that a transfer takes after its prompt, layer by layer: each is sent when it is computed and the link
    is free."""
    free_s = 0.0
    for layer in range(layers):
        free_s = max(free_s, (layer + 1) * prompt_s / layers) + tokens / layers / RATE
    return free_s - prompt_s


@pytest.mark.parametrize("policy", sorted(NETWORKS))
@settings(deadline=None, max_examples=40)
@given(st.integers(1, 4000), st.sampled_from([0.01, 0.25, 1.0, 7.0]), st.sampled_from([1, 2, 5, 10]))
def test_what_is_left_after_the_prompt_is_that_of_layers_sent_one_by_one(
    policy: str, tokens: int, prompt_s: float, layers: int
) -> None:
    overlapping = spec(policy, layers=layers, overlap=True, overlap_from_tokens=0)
    found = carried(overlapping, [Send(8.0, 0, 2, tokens, prompt_s)])
    assert found[0] == pytest.approx(8.0 + left_after_prompt(tokens, prompt_s, layers), rel=1e-12)


@pytest.mark.parametrize("policy", sorted(NETWORKS))
def test_small_prompts_are_sent_as_a_whole(policy: str) -> None:
    overlapping = spec(policy, layers=2, overlap=True)
    assert carried(overlapping, [Send(8.0, 0, 2, 511, 1.0)]) == {0: 8.0 + 511 / RATE}
    assert carried(overlapping, [Send(8.0, 0, 2, 512, 1.0)]) == {0: 8.25}


@pytest.mark.parametrize("policy", sorted(NETWORKS))
def test_what_has_to_wait_after_its_prompt_is_sent_as_a_whole(policy: str) -> None:
    overlapping = spec(policy, layers=2, overlap=True)
    assert carried(overlapping, [Send(8.0, 0, 2, 1024, 2.0, 1.0)]) == {0: 9.0}


@pytest.mark.parametrize("policy", SHARED)
def test_prompts_of_a_batch_share_the_time_in_which_they_are_computed(policy: str) -> None:
    overlapping = spec(policy, layers=2, overlap=True)
    # half of the second prompt could be sent from 7.5 s on; so could half of the first, which has that time
    found = carried(overlapping, [Send(8.0, 0, 2, 1024, 1.0), Send(8.0, 0, 3, 1024, 1.0)])
    assert max(found.values()) == pytest.approx(8.0 + 0.5 + 1.0)


@pytest.mark.parametrize("policy", SHARED)
@settings(deadline=None, max_examples=50)
@given(transfers())
def test_no_port_carries_more_than_it_can_while_prompts_are_computed(policy: str, sends: list[Send]) -> None:
    carried(spec(policy, layers=5, overlap=True, overlap_from_tokens=0), sends)  # `Deliveries` looks
