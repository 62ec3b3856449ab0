"""Reads texts such as `lognormal:mean=1024,sigma=0.8`: distributions and arrivals on command lines and in recipes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sim_core.errors import SpecError, choices, nearest
from sim_core.record import record
from sim_core.section import Section
from sim_core.trace import Trace

SIZES = ("prompt", "output")


@record
class GivenTrace:
    """A trace that a recipe draws from, and the identity of its file (SHA-256 in hex)."""

    trace: Trace
    identity: str


Opener = Callable[[str], GivenTrace]


@record
class Context:
    """What a text leaves open: which size it is for ("prompt" or "output"), and how files are opened."""

    size: str
    open_trace: Opener


def split_name(text: object, names: Iterable[str], key: str) -> tuple[str, str]:
    """The name, and the text behind its colon. SpecError unless the name is one of `names`."""
    if not isinstance(text, str):
        raise SpecError("must be a text such as NAME:PARAMETER=VALUE,...", key=key, value=text)
    name, _, body = text.partition(":")
    name = name.strip()
    if name not in (known := list(names)):
        raise SpecError(f"unknown name{choices(name, known)}", key=key, value=text)
    return name, body.strip()


class Parameters(Section):
    """The parameters behind a name. For a misspelt one the error suggests the missing one that is nearest."""

    def value(self, key: str) -> Any:
        """The parameter's value; SpecError if it is missing."""
        if not self.has(key) and (close := nearest(key, [name for name in self._values if name not in self._known])):
            raise SpecError(
                f"unknown parameter; did you mean {key!r}?", key=self.path(close), value=self._values[close]
            )
        return super().value(key)


def parameters(body: str, key: str) -> Section:
    """The parameters behind a name. SpecError where one has no '=' or appears twice."""
    values: dict[str, object] = {}
    for part in body.split(",") if body else ():
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not value:
            raise SpecError(f"{part.strip()!r} must be PARAMETER=VALUE", key=key, value=body)
        if name in values:
            raise SpecError("is there twice", key=f"{key}.{name}")
        values[name] = _value(value)
    return Parameters(values, key)


def number_between(section: Section, key: str, least: float, most: float, default: float | None = None) -> float:
    """A number within the limits, both included."""
    value = section.number(key, least, default)
    if value > most:
        raise section.error(key, f"must be at most {most:,g}")
    return value


def zero_or_between(section: Section, key: str, least: float, most: float, default: float | None = None) -> float:
    """0, or a number within the limits, both included."""
    value = number_between(section, key, 0.0, most, default)
    if 0.0 < value < least:
        raise section.error(key, f"must be 0 or at least {least:g}")
    return value


def numbers(section: Section, key: str) -> tuple[float, ...]:
    """Numbers of at least 0, written 10/50/20."""
    parts = str(section.value(key)).split("/")
    inner = Section({str(place): _value(part.strip()) for place, part in enumerate(parts, 1)}, section.path(key))
    return tuple(inner.number(str(place)) for place in range(1, len(parts) + 1))


def _value(text: str) -> object:
    if not text.isascii() or "_" in text:  # int() and float() take both
        return text
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def file_name(section: Section) -> str:
    """The parameter `file`: a path, which may look like a number."""
    return str(section.value("file"))
