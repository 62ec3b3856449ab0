"""What a screen is given."""

import pytest

from sim_core.errors import SimError, shown


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
