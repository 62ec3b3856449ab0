from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_core.batching import long_queue, waits_queue
from sim_core.batching.waits_queue import WaitsQueue, waits
from sim_core.request import NEVER, Request, Task

LIMIT = 3


class Plain:
    """What the queue is to be: a list, searched by the key of each task as it is now."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []

    def insert(self, task: Task, starts: int) -> None:
        low, high = 0, len(self.tasks)
        while low < high:
            middle = (low + high) // 2
            if self.key(task, starts) < self.key(self.tasks[middle], starts):
                high = middle
            else:
                low = middle + 1
        self.tasks.insert(low, task)

    @staticmethod
    def key(task: Task, starts: int) -> tuple[int, float]:
        return waits(task, starts), task.came_s


class World:
    """An instance that starts batches, as far as its queue can see: tasks come, are taken out, displaced, unblocked."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.queue, self.plain = WaitsQueue(), Plain()
        self.running: list[Task] = []
        self.blocked: list[Task] = []
        self.starts = self.entries = 0

    def come(self, blocked: bool) -> None:
        self.entries += 1
        task = Task(Request(self.entries, 0.0, 1, 2, 1), False, 1, 1, 1)
        task.came_s, task.entry = float(self.draw.randrange(8)), self.entries
        if blocked:
            self.blocked.append(task)
        else:
            task.waits_from = self.starts
        self.queue.insert(task, self.starts)
        self.plain.insert(task, self.starts)

    def unblock(self) -> None:
        if self.blocked:
            self.blocked.pop().waits_from = self.starts

    def take_out(self, tasks: list[Task]) -> None:
        self.queue.remove(tasks, self.starts)
        for task in tasks:
            self.plain.tasks.remove(task)
            task.waited = self.starts - task.waits_from
            task.waits_from = NEVER
            self.running.append(task)

    def refill(self) -> None:
        """Some waiting ones join; those who run may be displaced first, or those displaced before resume."""
        paused = [task for task in self.plain.tasks if task.paused_at_s >= 0.0]
        fresh = [task for task in self.plain.tasks if task.waits_from != NEVER and task.paused_at_s < 0.0]
        new = self.draw.sample(fresh, min(len(fresh), self.draw.randrange(3)))
        step = self.draw.random()
        if paused and step < 0.5:
            new += paused if step < 0.4 else paused[:1]
        elif self.running and new:
            displaced = self.draw.sample(self.running, self.draw.randrange(1, len(self.running) + 1))
            for task in displaced:
                self.running.remove(task)
                task.waits_from, task.paused_at_s = self.starts - task.waited, 0.0
                self.plain.insert(task, self.starts)
            self.queue.set_aside(displaced, self.starts)
        for task in new:
            task.paused_at_s = -1.0
        self.take_out(new)
        self.starts += 1


@pytest.mark.plain
@settings(deadline=None, max_examples=300)
@given(st.integers(0, 10**9), st.integers(1, 80), st.booleans())
def test_setting_aside_is_putting_in_at_once(seed: int, steps: int, long: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if long:
            patch.setattr(waits_queue, "LONG", 8)
            patch.setattr(long_queue, "PORTION", 4)
        world = World(seed)
        for _ in range(steps):
            step = world.draw.random()
            if step < 0.35:
                world.come(blocked=world.draw.random() < 0.4)
            elif step < 0.5:
                world.unblock()
            else:
                world.refill()
            plain = world.plain.tasks
            assert len(world.queue) == len(plain)
            if plain:
                expected = waits(plain[0], world.starts) >= LIMIT
                assert world.queue.first_has_waited(LIMIT, world.starts) is expected
            if world.draw.random() < 0.2:
                assert list(world.queue.in_order()) == plain
        assert list(world.queue.in_order()) == plain


def test_an_untouched_group_is_never_put_in() -> None:
    world = World(0)
    for _ in range(4):
        world.come(blocked=False)
    world.take_out(world.plain.tasks[:3])
    world.starts += 1
    displaced, rest = world.running[:3], list(world.plain.tasks)
    for task in displaced:
        task.waits_from = world.starts - task.waited
    world.queue.set_aside(displaced, world.starts)
    world.queue.remove(rest, world.starts)
    assert world.queue._tasks == rest  # noted, not done
    world.queue.remove(displaced, world.starts + 1)
    assert not world.queue._tasks
    assert len(world.queue) == 0
