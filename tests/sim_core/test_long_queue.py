from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_core import simulate
from sim_core.batching import long_queue, waits_queue
from sim_core.batching.long_queue import LongQueue
from sim_core.request import Request, Task
from tests.sim_core import worlds


def task(age: float, waited: int) -> Task:
    made = Task(Request(0, 0.0, 1, 2, 1), False, 1, 1, 1)
    made.came_s, made.entry = age, 1
    made.waited = waited
    made.waits_from = -waited
    return made


@pytest.mark.plain
@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 300))
def test_it_holds_what_a_list_holds_in_the_same_places(seed: int, steps: int) -> None:
    stream = random.Random(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(long_queue, "PORTION", 4)
        first = [task(float(age), stream.randrange(3)) for age in range(10)]
        queue, plain = LongQueue(first), list(first)
        for _ in range(steps):
            if plain and stream.random() < 0.45:
                gone = stream.choice(plain)
                plain.remove(gone)
                queue.remove(gone)
            elif plain:
                new = task(float(stream.randrange(10)), stream.randrange(3))
                # the binary search of a list, unsorted as it may be
                low, high = 0, len(plain)
                while low < high:
                    middle = (low + high) // 2
                    other = plain[middle]
                    if (new.waited, new.came_s) < (other.waited, other.came_s):
                        high = middle
                    else:
                        low = middle + 1
                plain.insert(low, new)
                queue.insert(new, new.waited, 0)
            assert list(queue) == plain
            assert len(queue) == len(plain)
            assert bool(queue) == bool(plain)
            if plain:
                assert queue[0] is plain[0]
                assert queue[len(plain) - 1] is plain[-1]


@pytest.mark.plain
def test_an_overloaded_instance_does_the_same_with_either_queue() -> None:
    stream = random.Random(1)
    rows = [(number / 50, stream.randrange(1, 60), stream.randrange(1, 30)) for number in range(400)]
    spec = worlds.spec("token_jsq", count=2, kv_tokens=50_000)
    plain = simulate(spec, worlds.trace(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(waits_queue, "LONG", 8)
        patch.setattr(long_queue, "PORTION", 4)
        long = simulate(spec, worlds.trace(rows))
    assert plain.completed == 400
    assert sum(plain.requests["preemptions"]) > 100
    assert [column.tobytes() for column in plain.requests.values()] == [
        column.tobytes() for column in long.requests.values()
    ]
