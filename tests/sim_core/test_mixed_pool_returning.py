"""When lent replicas return, with the mixed pool of Splitwise and with the one from which they return early."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_core.engine import Call, Engine
from sim_core.scheduling.view import View
from sim_core.simulation import Simulation
from sim_core.spec import SimSpec
from tests.runs import measured
from tests.sim_core import worlds

BOTH = ["mixed_pool", "mixed_pool_returning"]
BURST = [(1.0, 60, 30)] * 8  # more than two machines take: 128 tokens may be pending on each
STEADY = [(2.0 + row / 2, 20, 30) for row in range(40)]  # two or more of them decode at any time


def spec(policy: str, prompts: int = 2, tokens: int = 1, kv_tokens: int = 4000) -> SimSpec:
    """Machines for prompts, then those for decodes."""
    plain = worlds.spec(policy, count=prompts + tokens, kv_tokens=kv_tokens)
    state = replace(plain.start_states[0], prompt_machines=prompts, token_machines=tokens)
    return replace(plain, start_states=(state,))


def lent_at(described: SimSpec, rows: Sequence[tuple[float, int, int]], times_s: Sequence[float]) -> list[list[int]]:
    """The indices of the replicas that are lent at some times of a run."""
    engine = Engine()
    simulation = Simulation(described, engine)
    view: Any = simulation.applications[0].view
    found: list[list[int]] = []
    note = Call(lambda _: found.append([replica.index for replica in view.replicas if is_lent(view, replica.index)]))
    for time_s in times_s:
        engine.at(time_s, note, None)
    assert simulation.run(worlds.trace(rows)).completed == len(rows)
    return found


def is_lent(view: View, index: int) -> bool:
    return view._group_of[index] is not view._home[index]


def test_the_only_token_machine_returns_when_prompts_have_room_and_never_with_mixed_pool() -> None:
    times_s = [0.5, 1.5, 2.75, 12.0, 21.0]
    assert lent_at(spec("mixed_pool"), BURST + STEADY, times_s) == [[], [2], [2], [2], [2]]
    assert lent_at(spec("mixed_pool_returning"), BURST + STEADY, times_s) == [[], [2], [], [], []]


def test_it_stays_lent_as_long_as_prompts_have_no_room() -> None:
    before_first_ends = [(1.0625, 60, 30), (1.125, 60, 30), (1.1875, 60, 30)]  # the first prompts end at 1.25 s
    times_s = [1.03, 1.1, 1.15, 1.2]
    assert lent_at(spec("mixed_pool_returning"), BURST + before_first_ends, times_s) == [[2]] * 4


def test_a_prompt_machine_returns_when_a_token_machine_has_room() -> None:
    # the token machine has room for the first request, which ends before 5 s; the second one decodes elsewhere to 5.4 s
    rows, times_s = [(1.0, 20, 60), (1.5, 20, 60), (5.0, 20, 2)], [1.25, 2.0, 5.3]
    assert lent_at(spec("mixed_pool", kv_tokens=100), rows, times_s) == [[], [0], [0]]
    assert lent_at(spec("mixed_pool_returning", kv_tokens=100), rows, times_s) == [[], [0], []]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60), st.integers(1, 30)), min_size=1, max_size=40))
def test_as_long_as_no_machine_is_lent_both_place_alike(drawn: list[tuple[int, int, int]]) -> None:
    rows = sorted((tick / 4, prompt, output) for tick, prompt, output in drawn)
    times_s = [tick / 16 for tick in range(900)]
    if any(lent_at(spec("mixed_pool"), rows, times_s)):
        return
    one, other = (measured(spec(policy), worlds.trace(rows)).requests for policy in BOTH)
    assert {name: column.tobytes() for name, column in one.items()} == {
        name: column.tobytes() for name, column in other.items()
    }


@pytest.mark.parametrize("policy", BOTH)
def test_everything_is_served(policy: str) -> None:
    assert measured(spec(policy), worlds.trace(BURST + STEADY)).completed == len(BURST) + len(STEADY)
