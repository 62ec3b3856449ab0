from __future__ import annotations

import gc

import pytest

from sim_core import simulate
from sim_core.recorder import BLOCK
from tests.sim_core import worlds

ROWS = [(number / 16, 1 + number % 60, 1 + number % 30) for number in range(BLOCK + 300)]


@pytest.mark.parametrize("scheduler", ["token_jsq", "mixed_pool"])
def test_cyclic_garbage_does_not_grow_with_the_run(scheduler: str) -> None:
    spec, trace = worlds.spec(scheduler, count=2, kv_tokens=10_000, prompt_s=0.01, token_s=0.01), worlds.trace(ROWS)
    gc.collect()
    gc.disable()
    try:
        result = simulate(spec, trace)
        ended = result.completed
        del result
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = sum(type(thing).__name__ in ("Request", "Task", "Event") for thing in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert ended > BLOCK
    assert left < 20  # the last ones of each instance, which the simulation itself holds


@pytest.mark.parametrize("on", [True, False])
def test_the_search_for_cyclic_garbage_is_as_it_was_after_a_run(on: bool) -> None:
    (gc.enable if on else gc.disable)()
    try:
        simulate(worlds.spec("token_jsq"), worlds.trace(ROWS[:3]))
        assert gc.isenabled() is on
    finally:
        gc.enable()
