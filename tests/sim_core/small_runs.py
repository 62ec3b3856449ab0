"""Small runs that meet most of the core, and digests of their results: see `test_same_bytes`, `benchmarks/same_bytes`.

A run is drawn from the stream of its own number, by `random()` alone, so it is the same in every version of Python.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from hashlib import sha256
from random import Random
from typing import TypeVar

from sim_core import SimSpec, Trace
from sim_core.clients import Clients
from sim_core.errors import SimError
from sim_core.results import SimResult
from sim_core.rng import Streams
from sim_core.spec import CurveSpec, InstanceSpec, PerformanceSpec, ProcessorSpec, ServerGroupSpec, StartStateSpec
from sync.results.measure import MeasuredRun
from tests.runs import measured
from tests.sim_core import worlds

T = TypeVar("T")
Run = tuple[SimSpec, Trace]
BATCHING = ("DEFAULT", "ORCA", "Splitwise")
# Fields of a result that are no columns, and their defaults. Only what differs from its default is part of a digest, so
# that a new field changes those of the runs alone that have it. The summary is made by code that is never compiled.
FIGURES = {
    each.name: each.default
    for each in fields(SimResult)
    if each.name not in ("requests", "unserved", "instances", "provenance_s")
}
BINARY = PerformanceSpec("constant", prompt_s=0.25, token_s=0.0625)  # makes many times equal
ODD = PerformanceSpec("constant", prompt_s=0.2137, token_s=0.0391)  # rounds at each sum


def curve(hardware: str, factor: float, tensor_parallelism: int = 1) -> CurveSpec:
    """Measured times of the tiny model: `factor` times those of the slowest processor."""
    prompt_s, token_s = (0.0231, 0.0517, 0.1313, 0.31), (0.0113, 0.0131, 0.0171, 0.0293)
    scaled = (tuple(factor * time_s for time_s in times_s) for times_s in (prompt_s, token_s))
    return CurveSpec("tiny", hardware, tensor_parallelism, (4, 16, 48, 120), *scaled)


MEASURED = PerformanceSpec(
    "db", curves=(curve("box-gpu", 1.0), curve("big-gpu", 0.7), curve("big-gpu", 0.4, 2), curve("a100-80gb", 0.3, 8))
)


class Dice:
    """Draws from one stream."""

    def __init__(self, stream: Random) -> None:
        self.random = stream.random

    def whole(self, least: int, most: int) -> int:
        """A whole number of `least` to `most`."""
        return least + int(self.random() * (most - least + 1))

    def one_of(self, choices: Sequence[T]) -> T:
        """One of `choices`."""
        return choices[int(self.random() * len(choices))]

    def trace(self, count: int, span_s: float, sizes: tuple[int, int] = (60, 30), ones: float = 0.1, *,
              ties: bool = True, applications: int = 1, start_s: float = 0.0) -> Trace:  # fmt: skip
        """`count` requests of at most `sizes` tokens within `span_s`, with `ties` at multiples of 1/16 s. A share of
        `ones` has one output token, and some stand for two sequences."""
        rows = sorted(
            (
                start_s + (self.whole(0, int(span_s * 16)) / 16 if ties else self.random() * span_s),
                self.whole(1, sizes[0]),
                1 if self.random() < ones else self.whole(1, sizes[1]),
                1 if self.random() < 0.95 else 2,
                self.whole(0, applications - 1),
            )
            for _ in range(count)
        )
        arrivals, prompts, outputs, batch_sizes, numbers = ([row[column] for row in rows] for column in range(5))
        ids = array("q", range(count))
        columns = (array("q", column) for column in (prompts, outputs, batch_sizes))
        return Trace("drawn", ids, array("q", numbers), array("d", arrivals), *columns)


def grid() -> Iterator[tuple[str, Run]]:
    """Every scheduler of SplitwiseSim with every batching policy: lightly loaded, overloaded, and short of memory."""
    for policy in worlds.SPLITWISESIMS:
        for batching in BATCHING:
            name = f"{policy} {batching}"
            dice = Dice(Streams(0)[name])
            light = worlds.spec(policy, batching, count=4)
            yield f"{name}, light", (replace(light, performance=MEASURED), dice.trace(150, 20))
            crowded = worlds.spec(policy, batch=worlds.instance(batching, 12, 80))
            yield f"{name}, overloaded", (replace(crowded, performance=ODD), dice.trace(250, 12, ties=False))
            short = worlds.spec(policy, count=4, kv_tokens=130, batch=worlds.instance(batching, 16, 90, 3))
            yield f"{name}, short of memory", (short, dice.trace(120, 30, (60, 50)))


def drawn(number: int) -> Run:
    """The random run of this number: scheduler, batching, machines, memory, times, delays, ends, seed and trace."""
    dice = Dice(Streams(number)["small runs"])
    policy = dice.one_of(worlds.SPLITWISESIMS)
    batch = worlds.instance(dice.one_of(BATCHING), dice.whole(1, 16), dice.whole(1, 120), dice.whole(0, 6))
    batch = replace(batch, run_s=dice.one_of((0.0, 0.0, 0.0037)))
    delays = dice.one_of(({}, {}, {"submit_task_s": 0.125}, {"submit_flow_s": 0.25, "finish_request_s": 0.5}))
    plain = worlds.spec(policy, count=dice.whole(2, 6), kv_tokens=dice.whole(60, 500), batch=batch, delays=delays)
    spec = replace(
        started(dice.one_of(("as it is", "as it is", "mixed", "filled", "none", "two applications")), plain, batch),
        performance=dice.one_of((BINARY, ODD, MEASURED)),
        seed=dice.whole(0, 5),
        routing_delay_s=dice.one_of((0.0, 0.0, 0.0625)),
        end_time_s=dice.one_of((None, None, 9.0)),
        stop_at_backlog_s=dice.one_of((None, None, 2.0)),
    )
    spin_up_s = dice.one_of((0.0, 0.0, 0.0, 1.5))
    applications = tuple(replace(each, spin_up_s=spin_up_s * (1 + each.application_id)) for each in spec.applications)
    trace = dice.trace(
        dice.whole(5, 300),
        dice.one_of((2.0, 6.0, 20.0)),
        (dice.whole(5, 90), dice.whole(2, 90)),
        dice.one_of((0.0, 0.1, 0.4)),
        ties=dice.random() < 0.6,
        applications=len(applications),
        start_s=dice.one_of((0.0, 0.0, 2.0, 1.9e9)),
    )
    return replace(spec, applications=applications), trace


def closed(number: int) -> Run:
    """The random run of this number with clients who send its requests, and think."""
    spec, trace = drawn(number)
    dice = Dice(Streams(number)["closed runs"])
    applications = sorted(set(trace.application_id))
    rows = sorted(range(len(trace)), key=lambda row: trace.application_id[row])
    clients = []
    for application in applications:
        count = trace.application_id.count(application)
        warmup = dice.whole(0, count // 4)
        times_s = array("d", [dice.one_of((0.0, 0.0625, 2.0 * dice.random())) for _ in range(dice.whole(0, 20))])
        concurrency, ramp_s = dice.whole(1, 20), dice.one_of((0.0, 0.0, 1.5))
        clients.append(Clients(concurrency, count - warmup, warmup, times_s, ramp_s, drains=number % 4 > 0))
    columns = {
        name: array("q", [getattr(trace, name)[row] for row in rows])
        for name in ("request_id", "application_id", "prompt_tokens", "output_tokens", "batch_size")
    }
    return spec, Trace("drawn", arrival_s=array("d", bytes(8 * len(rows))), clients=tuple(clients), **columns)


def started(how: str, spec: SimSpec, batch: InstanceSpec) -> SimSpec:
    """`spec` with other machines and another start state. Big machines have four processors."""
    memory_bytes = spec.servers[0].processors[0].memory_bytes
    big = ServerGroupSpec("big", 2, (ProcessorSpec("big-gpu", memory_bytes),) * 4)
    state = spec.start_states[0]
    if how == "mixed" and state.kind == "splitwise":
        state = replace(
            state, split_type="heterogeneous", prompt_skus=("big",), token_skus=("box",), prompt_machines=0,
            token_machines=0,
        )  # fmt: skip
        return replace(spec, servers=(*spec.servers, big), start_states=(state,))
    if how == "mixed":
        return replace(spec, servers=(*spec.servers, big))
    if how == "filled" and state.kind != "splitwise":
        halves = replace(batch, tensor_parallelism=2)
        return replace(spec, servers=(big,), start_states=(replace(state, instance=halves, fill_machine=True),))
    if how == "none" and state.kind != "splitwise":
        return replace(spec, start_states=(StartStateSpec("unallocated"),))
    if how == "two applications":
        box, first = spec.servers[0], spec.applications[0]
        own = (("box", box.count),)
        return replace(
            spec,
            servers=(replace(box, count=2 * box.count),),
            applications=(first, replace(first, application_id=1)),
            start_states=tuple(replace(state, application_id=number, machines=own) for number in (0, 1)),
        )
    return spec


def digest_of_run(run: Run) -> str:
    """The digest of a run's result, or of the error that it ends in."""
    try:
        return digest(measured(*run))
    except SimError as error:
        return sha256(f"{type(error).__name__}: {error}".encode()).hexdigest()


def digest(result: MeasuredRun) -> str:
    """SHA-256 of all that a run recorded, and of the times and slowdowns of its requests, each to the last bit."""
    parts = sha256()
    for name, column in sorted(result.requests.items()):
        parts.update(name.encode() + column.dtype.str.encode() + column.tobytes())
    unserved = [result.unserved[name] for name in ("request_id", "outcome", "instance")]
    states = [str(state) for state in result.unserved["state"]]
    parts.update(repr((unserved, states, sorted(result.instances.items()))).encode())
    figures = {name: getattr(result, name) for name in FIGURES}
    parts.update(repr({name: value for name, value in figures.items() if value != FIGURES[name]}).encode())
    return parts.hexdigest()
