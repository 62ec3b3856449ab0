"""The tree of texts says what a look at all texts would."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sim_core.kv.content import ENDLESS, Content
from sim_core.scheduling.prompt_loads import PromptLoads
from sim_core.scheduling.stems import Stem, Stems

REPLICAS = 3
RUNS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(1, 5)), max_size=4)
STEPS = st.lists(
    st.tuples(st.sampled_from(["hold", "open", "end"]), st.integers(0, REPLICAS - 1), RUNS, st.integers(0, 2)),
    max_size=30,
)


def alike(content: Content, other: Content, size: int) -> int:
    """How many blocks two texts begin with that are the same."""
    equal = content.equal_up_to(other, 0)
    return ENDLESS if equal >= ENDLESS else equal // size


class Books:
    """All texts of each replica, one by one: held ones, and prompts by their number of blocks."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.stems = Stems(size)
        self.held: list[tuple[int, Content, Stem]] = []
        self.prompts: list[tuple[int, Content, Stem, int]] = []

    def distinct(self, replica: int) -> int:
        """The blocks of open prompts, equal ones counted once."""
        prompts = [(content, blocks) for where, content, _, blocks in self.prompts if where == replica]
        return len(
            {content.block(0, (place + 1) * self.size) for content, blocks in prompts for place in range(blocks)}
        )

    def take(self, kind: str, replica: int, content: Content, blocks: int) -> None:
        before = self.distinct(replica)
        if kind == "hold":
            self.held.append((replica, content, self.stems.hold(content, replica)))
        elif kind == "open":
            own = self.stems.stem_of(content)
            self.prompts.append((replica, content, own, blocks))
            assert self.stems.add_prompt(own, replica, blocks) == self.distinct(replica) - before
        elif self.prompts and blocks:
            prompt = self.prompts[blocks % len(self.prompts)]
            replica, _, own, blocks = prompt
            before = self.distinct(replica)
            self.prompts.remove(prompt)
            assert self.stems.remove_prompt(own, replica, blocks) == before - self.distinct(replica)
        elif self.held:
            replica, content, own = self.held.pop(blocks % len(self.held))
            self.stems.forget(own, replica)


@given(STEPS, RUNS, st.integers(1, 3))
def test_what_a_replica_may_have_of_a_text_is_the_longest_beginning_that_is_alike(
    steps: list[tuple[str, int, list[tuple[int, int, int]], int]], runs: list[tuple[int, int, int]], size: int
) -> None:
    books = Books(size)
    for number, (kind, replica, text, shorter) in enumerate(steps):
        tokens = sum(length for _, _, length in text)
        books.take(kind, replica, Content(text, 10 + number % 4), max(tokens // size - shorter, 0))
    asked = Content(runs, 10)
    loads = PromptLoads(1, 1)
    loads.stems = books.stems
    books.stems.find(asked)
    depth = len(books.stems.path) - 1
    for replica in range(REPLICAS):
        held = [alike(asked, content, size) for where, content, _ in books.held if where == replica]
        prompts = [
            min(alike(asked, content, size), blocks) for where, content, _, blocks in books.prompts if where == replica
        ]
        assert loads.most_cached(replica, depth) == max(held, default=0)
        assert loads.open_blocks(replica, depth) == max(prompts, default=0)


@given(STEPS)
def test_nothing_is_left_of_texts_that_are_gone(
    steps: list[tuple[str, int, list[tuple[int, int, int]], int]],
) -> None:
    books = Books(2)
    for number, (kind, replica, text, _) in enumerate(steps):
        books.take(kind, replica, Content(text, 10 + number), sum(length for _, _, length in text) // 2)
    for replica, _, own in books.held:
        books.stems.forget(own, replica)
    for replica, _, own, blocks in books.prompts:
        books.stems.remove_prompt(own, replica, blocks)
    for _, _, text, _ in steps:
        books.stems.find(Content(text, 10))
        assert books.stems.path == []
