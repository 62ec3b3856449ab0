"""A batching policy of another kind than those in the table needs its own file alone: see `tests.sim_core.chunked`."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_core import SimSpec, spec
from sim_core.batching import BATCHING
from sim_core.engine import Call
from sim_core.performance import PERFORMANCE_MODELS
from sim_core.performance.affine import AffineTimes
from sim_core.request import Task
from sim_core.results import SimResult
from sim_core.simulation import Simulation
from sim_core.step import Step
from tests.sim_core import worlds
from tests.sim_core.chunked import Affine, Chunked

Row = tuple[float, int, int]


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BATCHING, "Chunked", Chunked)
    monkeypatch.setitem(PERFORMANCE_MODELS, "affine", Affine)


def world(kv_tokens: int = 1000, budget: int = 4, looks_ahead: bool = False, jumps: bool = True) -> SimSpec:
    options = (("looks_ahead", looks_ahead), ("jumps", jumps))
    batch = spec.InstanceSpec("Chunked", 1, 1, 8, budget, None, options=options)
    made = worlds.spec("round_robin", count=1, kv_tokens=kv_tokens, batch=batch)
    return replace(made, performance=spec.PerformanceSpec("affine"))


def served(described: SimSpec, rows: list[Row]) -> tuple[Simulation, SimResult]:
    simulation = Simulation(described)
    return simulation, simulation.run(worlds.trace(rows))


def times(result: SimResult, name: str) -> list[float]:
    by_id = sorted(zip(result.requests["request_id"], result.requests[name], strict=True))
    return [seconds for _, seconds in by_id]


# A step takes 1 s, 0.5 s a token of prompts, 0.25 s a decode, and 0.125 s a token of context, its own tokens included.
ALONE = (0.0, 10, 5)
CHUNKS_S = (1 + 4 * 0.5 + 4 * 0.125, 1 + 4 * 0.5 + 8 * 0.125, 1 + 2 * 0.5 + 10 * 0.125)
DECODES_S = tuple(1.25 + context * 0.125 for context in (11, 12, 13, 14))


def test_a_prompt_runs_in_chunks_and_decodes_take_longer_with_their_context() -> None:
    simulation, result = served(world(), [ALONE])
    assert times(result, "prompt_end_s") == [sum(CHUNKS_S)] == [10.75]
    assert times(result, "token_end_s") == [sum(CHUNKS_S) + sum(DECODES_S)] == [22.0]
    assert result.events == 5  # the arrival, three chunks, and all decodes as one
    assert result.instances["iterations"] == [7]
    assert result.instances["busy_s"] == [22.0]
    assert (simulation.replicas[0][0].kv.tokens, simulation.replicas[0][0].requests) == (0, 0)


def test_an_arrival_ends_the_decodes_at_the_boundary_that_the_growing_steps_have() -> None:
    _, result = served(world(), [ALONE, (16.5, 2, 1)])  # in the third decode, which ends at 19
    assert times(result, "prompt_start_s") == [0.0, 19.0]
    both_s = 1 + 0.25 + 2 * 0.5 + (14 + 2) * 0.125
    assert times(result, "token_end_s") == [19.0 + both_s] * 2


def test_a_step_that_was_chosen_ahead_runs_before_an_arrival() -> None:
    _, result = served(world(looks_ahead=True), [(0.0, 10, 6), (16.5, 2, 1)])
    assert times(result, "prompt_end_s")[0] == 10.75  # alone it is as fast: no step waits for the choice of the next
    assert times(result, "prompt_start_s") == [0.0, 19.0]  # chosen at the end of the third decode, behind the fourth
    both_s = 1 + 0.25 + 2 * 0.5 + (15 + 2) * 0.125
    assert times(result, "token_end_s") == [22.0 + both_s] * 2


def test_an_arrival_during_the_step_before_a_run_lets_one_step_of_the_run_pass() -> None:
    _, result = served(world(looks_ahead=True), [ALONE, (9.0, 2, 1)])  # in the last chunk, with the decodes behind it
    both_s = 1 + 0.25 + 2 * 0.5 + (12 + 2) * 0.125
    assert times(result, "prompt_end_s") == [10.75, 10.75 + DECODES_S[0] + both_s]


def test_where_memory_ends_the_last_to_come_is_computed_again() -> None:
    simulation, result = served(world(kv_tokens=16), [(0.0, 4, 9), (0.5, 4, 5)])
    assert result.completed == 2
    assert list(result.requests["preemptions"]) == [0, 1]
    kv = simulation.replicas[0][0].kv
    assert kv.peak <= kv.capacity == 16
    assert (kv.tokens, kv.holders) == (0, 0)
    # both decode from 4 tokens on until 8 are full; the second waits with 4 tokens of output, until the first has ended
    first_ends_s, second_ends_s = times(result, "token_end_s")
    assert second_ends_s == first_ends_s + (1 + 4 * 0.5 + 4 * 0.125) + (1 + 4 * 0.5 + 8 * 0.125)


@pytest.mark.parametrize(("looks_ahead", "next_starts_s"), [(False, 19.0), (True, 22.0)])
def test_a_request_leaves_at_the_end_of_the_step_without_its_token(looks_ahead: bool, next_starts_s: float) -> None:
    simulation = Simulation(world(looks_ahead=looks_ahead))
    replica, application = simulation.replicas[0][0], simulation.applications[0]

    def leave(_nothing: None) -> None:
        (request,) = application.open
        replica.evict(request)

    simulation.engine.at(16.5, Call(leave), None)
    held: list[int] = []
    for time_s in (18.9, 19.1):
        simulation.engine.at(time_s, Call(lambda _: held.append(replica.kv.holders)), None)
    result = simulation.run(worlds.trace([(0.0, 10, 20), (17.0, 4, 1)]))
    assert held[0] == 1
    assert (replica.requests, replica.kv.tokens, replica.kv.holders) == (0, 0, 0)
    assert times(result, "token_end_s") == [next_starts_s + CHUNKS_S[0]]  # the step under way is paid
    assert result.unfinished == 1


class Patient(Chunked):
    """Begins with the first request when another one leaves."""

    def starts(self, task: Task) -> bool:
        return False


def test_where_nothing_runs_a_request_leaves_at_once_and_others_get_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BATCHING, "Chunked", Patient)
    simulation = Simulation(world())
    replica, application = simulation.replicas[0][0], simulation.applications[0]
    simulation.engine.at(3.0, Call(lambda _: replica.evict(application.unfinished()[0])), None)
    result = simulation.run(worlds.trace([(0.0, 10, 5), (1.0, 4, 1)]))
    assert times(result, "prompt_start_s") == [3.0]
    assert (result.completed, result.unfinished, replica.requests, replica.kv.holders) == (1, 1, 0, 0)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.tuples(st.floats(0.0, 40.0), st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=8),
    st.booleans(),
    st.sampled_from([60, 1000]),
)
def test_jumps_over_growing_steps_equal_their_single_steps(rows: list[Row], looks_ahead: bool, kv_tokens: int) -> None:
    described = [world(1000 if looks_ahead else kv_tokens, 8, looks_ahead, jumps) for jumps in (True, False)]
    # steps end at multiples of 1/8 s after the first arrival: no other request comes just then
    rows = [(arrival_s + (row + 1) / 1024, prompt, output) for row, (arrival_s, prompt, output) in enumerate(rows)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BATCHING, "Chunked", Chunked)
        patch.setitem(PERFORMANCE_MODELS, "affine", Affine)
        (_, jumped), (_, single) = (served(each, rows) for each in described)
    assert jumped.completed == single.completed == len(rows)
    assert jumped.events <= single.events
    assert jumped.instances["iterations"] == single.instances["iterations"]
    for name in ("prompt_start_s", "prompt_end_s", "token_end_s"):
        assert times(jumped, name) == pytest.approx(times(single, name), rel=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 4), st.integers(0, 300), st.integers(0, 10**6), st.integers(1, 400),
    st.floats(1e-9, 1e-3), st.floats(0.0, 1.0),
)  # fmt: skip
def test_a_run_of_growing_steps_is_the_sum_of_its_steps_and_a_cut_finds_those_that_have_ended(
    prompt_tokens: int, decodes: int, context: int, repeat: int, context_token_s: float, part: float
) -> None:
    affine = AffineTimes(0.01, 1e-4, 1e-5, context_token_s, overhead_s=0.003)
    step = Step(prompt_tokens, decodes, 7 * prompt_tokens, context * (decodes > 0))
    step.repeat = repeat
    assert affine.seconds(step, repeat) == pytest.approx(
        sum(affine.seconds(step.after(number), 1) for number in range(repeat)), rel=1e-12
    )
    elapsed_s = part * affine.seconds(step, repeat)
    steps = affine.steps_within(step, elapsed_s)
    assert affine.seconds(step, steps) <= elapsed_s
    assert steps == repeat or affine.seconds(step, steps + 1) > elapsed_s


def test_a_request_alone_takes_the_mean_of_its_growing_tokens() -> None:
    prompt_s, token_s = AffineTimes(1.0, 0.5, 0.25, 0.125).alone(10, 5)
    assert (prompt_s, token_s) == (1 + 10 * 0.5 + 10 * 0.125, sum(DECODES_S) / 4)
