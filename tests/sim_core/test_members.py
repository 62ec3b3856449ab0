from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from sim_core.batching.batch import Batch
from sim_core.engine import Engine
from sim_core.kv import WholeSequenceKv
from sim_core.request import Request, Task


class World:
    """A batch of decodes that come, are preempted, resume and end; beside it what each has left, counted plainly."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.batch = Batch(Engine(), WholeSequenceKv(10**6))
        self.batch.tracks_context = True
        self.left: dict[Task, int] = {}  # of the batch, in the order in which they joined
        self.away: dict[Task, int] = {}  # of those preempted
        self.ended: list[Task] = []

    def join(self) -> None:
        tokens = self.draw.randrange(1, 7)
        task = Task(Request(len(self.left), 0.0, self.draw.randrange(1, 50), 1 + tokens, 1), False, 1, 1, tokens)
        task.waits_from = self.batch.starts
        self.left[task] = task.remaining
        self.batch.join(task, task.remaining)

    def preempt(self) -> None:
        tasks = list(self.left)[self.draw.choice([0, 0, 0, 1, 2]) :]
        self.away |= {task: self.left.pop(task) for task in tasks}
        if tasks:
            self.batch.preempt(tasks)
        self.iterate()  # whoever stays runs on before anybody resumes

    def resume(self) -> None:
        tasks = list(self.away)
        if self.draw.random() < 0.4:
            tasks = self.draw.sample(tasks, self.draw.randrange(len(tasks) + 1))
        self.left |= {task: self.away.pop(task) for task in tasks}
        if tasks:
            self.batch.resume(tasks)

    def iterate(self) -> None:
        """As many iterations as an instance would run at once, or fewer."""
        if not self.left:
            return
        iterations = self.batch.next_end - self.batch.iteration
        assert iterations == min(self.left.values())
        iterations = self.draw.randrange(1, iterations + 1)
        done = self.batch.ended(iterations)
        self.left = {task: left - iterations for task, left in self.left.items()}
        assert done == [task for task, left in self.left.items() if left == 0]
        for task in done:
            del self.left[task]

    def step(self) -> None:
        self.draw.choice([self.join, self.join, self.preempt, self.resume, self.iterate, self.iterate])()
        self.batch.starts += 1


@settings(deadline=None, max_examples=400)
@given(st.integers(0, 10**9), st.integers(1, 60))
def test_whoever_was_preempted_has_as_much_left_as_before_and_ends_in_the_order_of_joining(
    seed: int, steps: int
) -> None:
    world = World(seed)
    for _ in range(steps):
        world.step()
        batch = world.batch
        assert list(batch.decodes) == list(world.left)
        assert batch.preempted == list(world.away)
        assert [task.end - batch.iteration for task in batch.decodes] == list(world.left.values())


@settings(deadline=None, max_examples=400)
@given(st.integers(0, 10**9), st.integers(1, 60))
def test_the_context_of_a_batch_is_the_prompts_of_its_decodes_and_the_tokens_that_they_have_got(
    seed: int, steps: int
) -> None:
    world = World(seed)
    for _ in range(steps):
        world.step()
        requests = {task.request: left for task, left in world.left.items()}
        tokens = (request.prompt_tokens + request.output_tokens - 1 - left for request, left in requests.items())
        assert world.batch.context() == sum(tokens)
