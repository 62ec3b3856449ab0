"""Texts as runs of streams: equal exactly where each token is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sim_core.kv.content import ENDLESS, Content

RUNS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 6)), max_size=6)
TOKENS = 60


def tokens(runs: list[tuple[int, int, int]], output: int) -> list[tuple[int, int]]:
    """The first tokens, each alone."""
    single = [(stream, first + index) for stream, first, length in runs for index in range(length)]
    return (single + [(output, index) for index in range(TOKENS)])[:TOKENS]


@given(RUNS, RUNS, st.integers(0, 2), st.integers(0, 2))
def test_two_texts_are_equal_up_to_the_first_token_that_differs(
    runs: list[tuple[int, int, int]], others: list[tuple[int, int, int]], output: int, other: int
) -> None:
    one, two = tokens(runs, output), tokens(others, other)
    equal = next((index for index in range(TOKENS) if one[index] != two[index]), None)
    found = Content(runs, output).equal_up_to(Content(others, other), 0)
    assert found == equal if equal is not None else found >= TOKENS


@given(RUNS, RUNS, st.integers(0, 2), st.integers(1, 5), st.integers(0, 9), st.integers(0, 9))
def test_blocks_are_equal_where_their_tokens_are(
    runs: list[tuple[int, int, int]], others: list[tuple[int, int, int]], output: int, size: int, at: int, to: int
) -> None:
    one, two = tokens(runs, output)[at : at + size], tokens(others, output)[to : to + size]
    equal = Content(runs, output).block(at, size) == Content(others, output).block(to, size)
    assert equal == (one == two)


def test_a_text_that_goes_on_as_another_one_is_equal_to_it_without_end() -> None:
    assert Content([(1, 0, 5), (2, 0, 3)], 3).equal_up_to(Content([(1, 0, 2), (1, 2, 3), (2, 0, 3)], 3), 0) >= ENDLESS
