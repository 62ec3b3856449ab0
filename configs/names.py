"""What a name or a value in a file may hold, so that every screen, list and page can show it as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sim_core.errors import SpecError

MOST_SIGNS = 200  # of a name
MOST_SIGNS_OF_A_VALUE = 1000  # of a text in a value, such as a path


def check_name(name: object, key: str, what: str = "a name") -> None:
    """Raise SpecError, which says the rule, for a name that a screen cannot show as it is."""
    _check(str(name), key, what, MOST_SIGNS)


def check_value(value: object, key: str) -> None:
    """As `check_name`, for all texts in a value."""
    for text in _texts(value):
        _check(text, key, "a value", MOST_SIGNS_OF_A_VALUE)


def _check(text: str, key: str, what: str, most: int) -> None:
    if not text.isprintable():
        reason = f"{what} has only signs that a screen shows: no line breaks, escapes or other control characters"
        raise SpecError(reason, key=key, value=text)
    if len(text) > most:
        raise SpecError(f"{what} has at most {most:,} signs, and this one has {len(text):,}", key=key, value=text)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, part in value.items():
            yield str(name)
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)
