from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sim_core.scheduling.ranking import Load, Ranking

STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "raise", "lower"]), st.integers(0, 7), st.integers(1, 5)), max_size=200
)


@given(STEPS)
def test_the_least_is_what_a_look_at_all_members_finds(steps: list[tuple[str, int, int]]) -> None:
    load = Load(8)
    ranking = Ranking(load)
    members: list[int] = []  # in order of joining
    for step, index, amount in steps:
        if step == "add" and index not in members:
            members.append(index)
            ranking.add(index)
        elif step == "remove" and index in members:
            members.remove(index)
            ranking.remove(index)
        elif step == "raise":
            load.at[index] += amount
        elif step == "lower":
            load.lower(index, amount)
        assert len(ranking) == len(members)
        others = [member for member in members if member != index]
        assert ranking.least_without(index) == (min(others, key=load.at.__getitem__) if others else -1)
        assert ranking.least() == (min(members, key=load.at.__getitem__) if members else -1)


def test_rubbish_does_not_pile_up() -> None:
    load = Load(2)
    load.at[1] = 10**9
    ranking = Ranking(load)
    ranking.add(0)
    ranking.add(1)
    for _ in range(10_000):  # never at the top, so never popped
        load.lower(1, 1)
        assert ranking.least_without(0) == 1
    assert len(ranking.heap) < 100
