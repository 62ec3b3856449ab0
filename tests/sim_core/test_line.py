from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sim_core.batching.line import Line
from sim_core.request import Request, Task


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 9), st.booleans()), max_size=60))
def test_tasks_wait_in_order_of_arrival_then_of_entry_with_their_sums(
    steps: list[tuple[int, int, bool]],
) -> None:
    line = Line()
    plain: list[Task] = []
    for entry, (arrival_s, tokens, removes) in enumerate(steps, 1):
        task = Task(Request(entry, float(arrival_s), tokens, 2, 1), True, tokens, 2 * tokens, 1)
        task.entry = entry
        line.add(task)
        plain.append(task)
        plain.sort(key=lambda waiting: (waiting.came_s, waiting.entry), reverse=True)
        if removes:
            gone = plain.pop(tokens % len(plain))
            line.remove(gone)
        assert list(line.newest_first()) == plain
        assert list(line.in_order()) == plain[::-1]
        assert len(line) == len(plain)
        assert line.batch_tokens == sum(waiting.batch_tokens for waiting in plain)
        assert line.kv_tokens == sum(waiting.kv_tokens for waiting in plain)
    line.clear()
    assert (list(line.in_order()), line.batch_tokens, line.kv_tokens) == ([], 0, 0)
