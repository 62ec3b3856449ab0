"""sim_core.rng: named random streams."""

from __future__ import annotations

from sim_core.rng import Streams


def draws(seed: int, name: str, count: int = 5) -> list[float]:
    stream = Streams(seed)[name]
    return [stream.random() for _ in range(count)]


def test_a_stream_follows_from_seed_and_name() -> None:
    assert draws(3, "arrivals") == draws(3, "arrivals")
    assert draws(3, "arrivals") != draws(4, "arrivals")
    assert draws(3, "arrivals") != draws(3, "sizes")


def test_the_numbers_are_these_on_every_machine() -> None:
    assert draws(0, "arrivals", 2) == [0.7486218613036809, 0.06113757280023013]


def test_seed_and_name_cannot_be_shifted_into_one_another() -> None:
    assert draws(1, "2x") != draws(12, "x")


def test_a_stream_goes_on_where_it_was() -> None:
    streams = Streams(0)
    assert [streams["a"].random() for _ in range(5)] == draws(0, "a")


def test_drawing_from_one_stream_leaves_the_others_alone() -> None:
    streams = Streams(0)
    for _ in range(100):
        streams["b"].random()
    assert [streams["a"].random() for _ in range(5)] == draws(0, "a")
