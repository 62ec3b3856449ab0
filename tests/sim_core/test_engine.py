from __future__ import annotations

from heapq import heappop, heappush
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sim_core.engine import Call, Engine, Later


def test_events_run_in_order_of_time() -> None:
    engine = Engine()
    seen: list[Any] = []
    for time in (3.0, 1.0, 2.0):
        engine.at(time, Call(seen.append), time)
    engine.at_each([0.5, 2.5], Call(lambda row: seen.append(f"arrival {row}")))
    engine.run(100.0)
    assert seen == ["arrival 0", 1.0, 2.0, "arrival 1", 3.0]
    assert (engine.now, engine.events) == (3.0, 5)


def test_what_is_last_at_a_time_sees_all_events_of_it_also_those_that_follow_from_others() -> None:
    engine = Engine()
    seen: list[Any] = []

    def first(_: None) -> None:
        engine.last(Call(lambda _: seen.append("last")))
        engine.at(1.0, Call(seen.append), "follows")
        engine.at(1.0, Call(seen.append), "cancelled").handler = None

    engine.at(1.0, Call(first), None)
    engine.at(1.0, Call(seen.append), "other")
    engine.at(2.0, Call(seen.append), "later")
    engine.run(10.0)
    assert seen[2:] == ["last", "later"]
    assert set(seen[:2]) == {"follows", "other"}
    assert engine.events == 5


def test_an_event_without_delay_acts_inside_the_event_that_caused_it() -> None:
    engine = Engine()
    seen: list[str] = []

    def cause(_: None) -> None:
        seen.append("before")
        engine.after(0.0, Call(seen.append), "inside")
        seen.append("after")

    engine.at(1.0, Call(cause), None)
    engine.run(10.0)
    assert seen == ["before", "inside", "after"]


def test_a_cancelled_event_is_not_called_and_does_not_move_the_clock() -> None:
    engine = Engine()
    seen: list[int] = []
    engine.at(1.0, Call(seen.append), 1)
    engine.at(2.0, Call(seen.append), 2).handler = None
    engine.run(10.0)
    assert (seen, engine.now, engine.events) == ([1], 1.0, 1)


def test_the_event_that_reaches_the_end_time_is_the_last_one() -> None:
    engine = Engine()
    seen: list[float] = []
    for time in (1.0, 5.0, 6.0):
        engine.at(time, Call(seen.append), time)
    engine.run(5.0)
    assert seen == [1.0, 5.0]


def test_simultaneous_arrivals_all_arrive_once() -> None:
    engine = Engine()
    seen: list[int] = []
    engine.at_each([1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0], Call(seen.append))
    engine.run(10.0)
    assert sorted(seen) == list(range(7))


@given(st.lists(st.integers(0, 6), max_size=30), st.lists(st.tuples(st.integers(0, 6), st.integers(1, 6)), max_size=20))
def test_ties_fall_as_in_a_bare_binary_heap_of_times(arrivals: list[int], events: list[tuple[int, int]]) -> None:
    """The readable twin: every arrival pushed beforehand as an event of its own, times compared and nothing else."""

    class Twin:
        def __init__(self, time: float, action: Any) -> None:
            self.time, self.action = time, action

        def __lt__(self, other: Twin) -> bool:
            return self.time < other.time

    def world(schedule: Any) -> Any:
        seen: list[Any] = []

        def on_event(name: Any) -> None:
            seen.append(name)
            step, follow = name
            if follow > 1:  # each event causes another, so that the heap is in motion
                schedule(step, on_event, (step, follow - 1))

        return seen, on_event

    times = sorted(float(tick) for tick in arrivals)
    engine = Engine()
    seen, on_event = world(lambda delay, handler, name: engine.at(engine.now + delay, Call(handler), name))

    def on_arrival(row: int) -> None:
        seen.append(row)
        if row < len(events):
            on_event(events[row])

    engine.at_each(times, Call(on_arrival))
    engine.run(1e9)

    heap: list[Twin] = []
    now = 0.0
    twin_seen, twin_event = world(lambda delay, handler, name: heappush(heap, Twin(now + delay, (handler, name))))
    for row, time in enumerate(times):
        heappush(heap, Twin(time, (lambda row: None, row)))
    while heap:
        event = heappop(heap)
        now = event.time
        handler, argument = event.action
        if isinstance(argument, int):
            twin_seen.append(argument)
            if argument < len(events):
                twin_event(events[argument])
        else:
            handler(argument)
    assert seen == twin_seen


def test_events_from_before_the_run_come_in_their_time_among_many_arrivals() -> None:
    engine = Engine()
    seen: list[float] = []
    engine.at(4.5, Call(lambda _: seen.append(engine.now)), None)
    engine.at(0.5, Call(lambda _: seen.append(engine.now)), None)
    engine.at_each([float(row) for row in range(1, 40)], Call(lambda row: seen.append(engine.now)))
    engine.run(1e9)
    assert len(seen) == 41
    assert seen == sorted(seen)


def test_a_delayed_handler_fires_after_its_delay() -> None:
    engine = Engine()
    seen: list[tuple[float, Any]] = []
    later = Later(engine, 0.25, Call(lambda argument: seen.append((engine.now, argument))))
    engine.at(1.0, later, "request")
    engine.run(10.0)
    assert seen == [(1.25, "request")]
