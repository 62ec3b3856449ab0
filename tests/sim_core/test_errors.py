"""What a screen is given."""

import pytest

from sim_core.errors import SimError, nearest, shown


@pytest.mark.parametrize(
    ("text", "on_screen"),
    [
        ("conv 24 rps", "conv 24 rps"),
        ("naïve 名前", "naïve 名前"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("two\nlines\ttab", "two\\nlines\\ttab"),
        ("right\u202eleft", "right\\u202eleft"),
        ("\ud800", "\\ud800"),
        (24, "24"),
    ],
)
def test_unprintable_signs_reach_a_screen_as_escapes(text: object, on_screen: str) -> None:
    assert shown(text) == on_screen
    assert str(SimError(str(text))) == on_screen


@pytest.mark.parametrize(
    ("name", "valid", "close"),
    [
        ("21", ["12", "20", "28"], "20"), (27, ["12", "20", "28.0"], "28.0"), ("9" * 5000, ["12", "x"], None),
        ("nan", ["12", "20"], None), ("jqs", ["jsq", "random"], "jsq"), ("2", ["p2", "20"], "p2"), ("1", [], None),
    ],
)  # fmt: skip
def test_the_nearest_of_numbers_is_the_next_one_and_of_names_the_most_alike(
    name: object, valid: list[str], close: str | None
) -> None:
    assert nearest(str(name), valid) == close
