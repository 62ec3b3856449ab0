"""What prefix caches are worth: counts that reconcile with vLLM's recordings, and bounds that hold."""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.engine_cases import Case
from sim_core import SimSpec, Trace
from sim_core.batching.vllm_step import VllmStep
from sim_core.cache_use import endless_caches, hit_bounds
from sim_core.engine_turns import EngineTurns, LoopObserver
from sim_core.kv.endless import EndlessPagedCache
from sim_core.prefixes import Prefixes
from sim_core.simulation import Simulation, simulate
from sim_core.step import Step
from sweep.single.summary import text_summary
from sync.results.measure import measure
from tests.engine.test_engine_cases import CASES, NAMES, read
from tests.runs import measured
from tests.sim_core import worlds
from traces.arrivals.closed import closed
from traces.closed import with_clients


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_those_of_vllms_recordings(name: str) -> None:
    case = Case(read(CASES / f"{name}.case.json.gz"))
    case.run()
    expected = read(CASES / f"{name}.expected.json.gz")
    prompts = {request.index: request.prompt_tokens for request in case.requests}
    computed: dict[int, int] = {}
    lost: dict[int, int] = {}
    looked_up = hits = recomputed = preemptions = 0
    for row in expected["steps"]:
        step = dict(zip(expected["step_columns"], row, strict=True))
        for number in map(int, step["preempted"].split()):
            lost[number] = computed.pop(number)
            preemptions += 1
        for number, cached in (map(int, entry.split(":")) for entry in step["hits"].split()):
            if number in lost:
                recomputed += max(lost[number] - cached, 0)
            else:
                looked_up += prompts[number]
                hits += cached
            computed[number] = cached
        for entry in step["scheduled"].split():
            number, _, tokens = entry.partition(":")
            computed[int(number)] += int(tokens or 1)
    counts = case.kv.counts
    assert counts is not None
    assert (counts.prompts, counts.hits, counts.recomputed, counts.preemptions) == (
        *(looked_up, hits, recomputed, preemptions),
    )
    assert (hits, preemptions) == tuple(expected["summary"][name] for name in ("cached_tokens", "preemptions"))


# -- runs with traces that have prefixes -------------------------------------------------------------------------------

BLOCK = 4


def spec(
    scheduler: str = "round_robin", kv_tokens: int = 400, count: int = 2, seed: int = 0, **options: Any
) -> SimSpec:
    batch = worlds.instance("vllm")
    values = dict(batch.options) | {"block_size": BLOCK} | options
    return worlds.spec(
        scheduler, count=count, kv_tokens=kv_tokens, seed=seed, batch=replace(batch, options=tuple(values.items()))
    )


def trace_of(rows: list[tuple[float, int, int, list[tuple[int, int]]]]) -> Trace:
    """A trace of requests given as (arrival_s, prompt_tokens, output_tokens, runs)."""
    begins, firsts, lengths = array("q", [0]), array("q"), array("q")
    for *_, runs in rows:
        for first, tokens in runs:
            firsts.append(first)
            lengths.append(tokens)
        begins.append(len(firsts))
    plain = worlds.trace([row[:3] for row in rows])
    return replace(plain, prefixes=Prefixes(begins, firsts, lengths, 1))


def summary(spec: SimSpec, trace: Trace) -> dict[str, float]:
    return {name: value for name, value in measured(spec, trace).summary.items() if name.startswith("cache/")}


def test_full_blocks_of_earlier_prompts_are_hit_but_never_the_last_token() -> None:
    same = [(0, 16)]
    rows = [(0.0, 16, 2, same), (10.0, 16, 2, same), (20.0, 17, 2, [(0, 16), (90, 1)]), (30.0, 9, 2, [(0, 7), (50, 2)])]
    result = measured(spec(count=1), trace_of(rows))
    assert result.requests["cached_tokens"].tolist() == [0, 12, 16, 4]
    assert summary(spec(count=1), trace_of(rows)) == {
        "cache/recomputed_tokens": 0,
        "cache/preemptions": 0,
        "cache/prompt_tokens": 58,
        "cache/hit_tokens": 32,
        "cache/bound_tokens": 32,
        "cache/evicted_blocks": 0,
        "cache/hit_rate": 32 / 58,
        "cache/bound_rate": 32 / 58,
    }


def test_a_turn_hits_the_answer_before_it_where_addresses_go_on() -> None:
    rows = [(0.0, 10, 7, [(0, 17)]), (30.0, 24, 3, [(0, 27)])]
    assert measured(spec(count=1), trace_of(rows)).requests["cached_tokens"].tolist() == [0, 16]
    apart = [(0.0, 10, 7, [(0, 10)]), (30.0, 24, 3, [(0, 24)])]
    assert measured(spec(count=1), trace_of(apart)).requests["cached_tokens"].tolist() == [0, 8]


def test_replicas_have_caches_of_their_own_and_the_bound_has_one() -> None:
    rows = [(10.0 * n, 16, 2, [(0, 16)]) for n in range(4)]
    found = summary(spec(count=2), trace_of(rows))
    assert (found["cache/hit_tokens"], found["cache/bound_tokens"]) == (24, 36)


def test_what_memory_has_no_room_for_is_evicted_and_the_bound_says_so() -> None:
    rows = [(10.0 * n, 40, 2, [(100 * (n % 2), 40)]) for n in range(4)]
    found = summary(spec(count=1, kv_tokens=48), trace_of(rows))
    assert (found["cache/hit_tokens"], found["cache/bound_tokens"]) == (0, 72)
    assert found["cache/evicted_blocks"] > 0
    assert summary(spec(count=1), trace_of(rows))["cache/hit_tokens"] == 72


def test_rejected_requests_are_in_no_bound() -> None:
    rows = [(0.0, 500, 2, [(0, 500)]), (10.0, 40, 2, [(0, 40)]), (20.0, 40, 2, [(0, 40)])]
    found = summary(spec(count=1), trace_of(rows))
    assert (found["cache/bound_tokens"], found["cache/bound_rate"]) == (36, 36 / 80)


def test_applications_have_bounds_of_their_own() -> None:
    rows = [(float(n), 16, 2, [(0, 16)]) for n in range(4)]
    trace = replace(trace_of(rows), application_id=array("q", [0, 1, 0, 2]))
    caches = {number: [EndlessPagedCache(BLOCK)] for number in (0, 1)}
    assert hit_bounds(trace, caches, range(4)) == [0, 0, 12, 0]


def test_the_text_of_a_run_has_its_hits_and_what_the_lack_of_memory_cost() -> None:
    rows = [(n / 16, 40, 40, [(100 * (n % 2), 40)]) for n in range(8)]
    small, trace = spec(count=1, kv_tokens=128), trace_of(rows)
    result = measured(small, trace)
    text, figures = text_summary(small, trace, result, 1.0, ""), result.summary
    assert figures["cache/preemptions"] > 0 < figures["cache/recomputed_tokens"]
    assert (
        f"cache      {figures['cache/hit_rate']:.1%} of the prompts' tokens hit (with endless memory "
        f"{figures['cache/bound_rate']:.1%}), {figures['cache/evicted_blocks']:,.0f} blocks evicted\n"
        f"preempted  {figures['cache/preemptions']:,.0f} times, "
        f"{figures['cache/recomputed_tokens']:,.0f} tokens computed again\n"
    ) in text
    plain = worlds.spec()
    assert "cache" not in text_summary(plain, trace, measured(plain, trace), 1.0, "")


@pytest.mark.parametrize("batching", ["Splitwise", "ORCA", "vllm"])
def test_without_a_prefix_cache_prefixes_change_nothing(batching: str) -> None:
    rows = [(n / 4, 16, 9, [(0, 16)]) for n in range(40)]
    without = spec(enable_prefix_caching=False) if batching == "vllm" else worlds.spec(batching=batching)
    trace = trace_of(rows)
    with_prefixes, plain = measured(without, trace), measured(without, replace(trace, prefixes=None))
    assert {name: column.tobytes() for name, column in with_prefixes.requests.items()} == {
        name: column.tobytes() for name, column in plain.requests.items()
    }
    assert with_prefixes.summary == plain.summary
    assert "cached_tokens" not in plain.requests
    assert not any(name.startswith(("cache/hit", "cache/bound")) for name in plain.summary)


class Watch(LoopObserver):
    """Counts what all steps of a run compute, and checks the blocks after each of them."""

    def __init__(self) -> None:
        self.tokens = self.hits = self.lost = self.recomputed = 0

    def scheduled(self, replica: EngineTurns, step: VllmStep) -> None:
        self.tokens += step.members + sum(step.counts)
        self.hits += sum(step.cached)
        for sequence, cached in zip(step.admitted, step.cached, strict=True):
            if sequence.request.preemptions:  # it may also end by the token in flight, and compute nothing again
                self.lost += sequence.lost
                self.recomputed += max(sequence.lost - cached, 0)
        pool = replica.scheduler.pool
        assert 0 <= pool.free <= pool.usable
        assert pool.tokens == (pool.usable - pool.free) * pool.size

    def repeated(self, replica: EngineTurns, step: Step, passes: int) -> None:
        self.tokens += step.decodes * passes


@st.composite
def rows_with_runs(draw: st.DrawFn) -> list[tuple[float, int, int, list[tuple[int, int]]]]:
    """Requests at multiples of 1/4 s that begin with parts of the same few texts."""
    runs = st.lists(st.tuples(st.sampled_from([0, 0, 100, 200, 203]), st.sampled_from([3, 8, 8, 16, 30])), max_size=3)
    rows = []
    for tick in sorted(draw(st.lists(st.integers(0, 60), min_size=1, max_size=30))):
        prompt, output = draw(st.integers(1, 60)), draw(st.integers(1, 30))
        left, own = prompt + output, []
        for first, tokens in draw(runs):
            if left > 0:
                own.append((first, min(tokens, left)))
            left -= tokens
        rows.append((tick / 4, prompt, output, own))
    return rows


@st.composite
def worlds_with_caches(draw: st.DrawFn) -> SimSpec:
    return spec(
        draw(st.sampled_from(["random", "round_robin", "jsq", "token_jsq"])),
        kv_tokens=draw(st.integers(112, 300)),
        count=draw(st.integers(1, 3)),
        seed=draw(st.integers(0, 3)),
        block_size=draw(st.sampled_from([1, 4, 4, 16])),
        async_scheduling=draw(st.booleans()),
        policy=draw(st.sampled_from(["fcfs", "priority"])),
        max_num_batched_tokens=draw(st.sampled_from([16, 64, 8192])),
        max_num_seqs=draw(st.sampled_from([2, 16])),
        scheduler_reserve_full_isl=draw(st.booleans()),
    )


@settings(deadline=None, max_examples=200)
@given(worlds_with_caches(), rows_with_runs())
def test_random_worlds_conserve_requests_tokens_and_blocks_and_hit_no_more_than_the_bound(
    spec: SimSpec, rows: list[Any]
) -> None:
    trace = trace_of(rows)
    simulation, watches = Simulation(spec), []
    for replica in simulation.replicas[0]:
        assert isinstance(replica, EngineTurns)
        replica.loop_observer = Watch()
        watches.append(replica.loop_observer)
    result = measure(simulation.run(trace), spec)
    assert result.completed == len(trace)
    for replica in simulation.replicas[0]:
        assert (replica.kv.tokens, replica.kv.holders, replica.requests) == (0, 0, 0)
    tokens, hits, lost = (sum(getattr(watch, name) for watch in watches) for name in ("tokens", "hits", "lost"))
    assert tokens == sum(trace.prompt_tokens) + sum(trace.output_tokens) - len(trace) - hits + lost
    use = result.cache_use
    assert use is not None
    assert use.prompts == use.bound_prompts == sum(trace.prompt_tokens)
    assert use.preemptions == int(result.requests["preemptions"].sum())
    assert use.recomputed == sum(watch.recomputed for watch in watches) <= lost
    assert use.hits == int(result.requests["cached_tokens"].sum()) <= hits
    bounds = hit_bounds(trace, endless_caches(simulation.replicas), range(len(trace)))
    assert sum(bounds) == use.bound
    for request, cached in zip(result.requests["request_id"], result.requests["cached_tokens"], strict=True):
        assert cached <= bounds[request]


class NaiveCache:
    """Every full block by all that is before it."""

    def __init__(self, block: int) -> None:
        self.block = block
        self.known: set[tuple[Any, ...]] = set()

    def add(self, row: int, runs: list[tuple[int, int]], prompt: int, output: int) -> int:
        tokens: list[Any] = [first + place for first, length in runs for place in range(length)]
        tokens += [(row, place) for place in range(prompt + output - len(tokens))]
        hit = 0
        while hit + self.block < prompt and tuple(tokens[: hit + self.block]) in self.known:
            hit += self.block
        self.known.update(tuple(tokens[:end]) for end in range(self.block, prompt + output, self.block))
        return hit


@settings(deadline=None, max_examples=200)
@given(rows_with_runs(), st.sampled_from([1, 3, 4, 16]))
def test_the_bound_is_that_of_a_cache_that_keeps_every_block(rows: list[Any], block: int) -> None:
    naive, trace = NaiveCache(block), trace_of(rows)
    expected = [naive.add(row, runs, prompt, output) for row, (_, prompt, output, runs) in enumerate(rows)]
    assert hit_bounds(trace, {0: [EndlessPagedCache(block)]}, range(len(rows))) == expected


def test_clients_send_what_requests_have_in_common_and_what_is_a_requests_own_is_new_each_time() -> None:
    common = [(0, 8)]
    trace = trace_of([(0.0, 12, 3, common), (1.0, 12, 3, common), (2.0, 12, 3, [])])
    sent = with_clients(trace, closed("closed:concurrency=1,requests=6", "arrivals"), 0, "test")
    result = simulate(spec(count=1), sent)
    # the third has nothing in common with others, so it is not known when it is sent again
    assert list(result.requests["cached_tokens"]) == [0, 8, 0, 8, 8, 0]
    assert result.cache_use is not None
    assert (result.cache_use.hits, result.cache_use.bound, result.cache_use.prompts) == (24, 24, 72)
