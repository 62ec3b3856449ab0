"""Reads a configuration strictly: every value is checked, every key must be known, every error has a dotted path."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Any

from sim_core.errors import SpecError, choices

MOST = 10**18  # the largest number: sums and products of such numbers are far from a float's limit
LEAST = 1e-12  # the smallest number where it must be above 0, so that quotients stay finite
_IN_QUOTES = "; a name that looks like a number, true or false needs quotes in a file"


class Section:
    """One mapping of a configuration. Values are read by key; `done` refuses keys that were not read."""

    def __init__(self, values: object, path: str) -> None:
        if not isinstance(values, Mapping):
            raise SpecError("must be a mapping of names to values", key=path, value=values)
        self._values: Mapping[str, Any] = values
        self._path = path
        self._known: set[str] = set()

    def path(self, key: str) -> str:
        """The dotted path of `key`."""
        return f"{self._path}.{key}" if self._path else key

    def has(self, key: str) -> bool:
        """Whether there is such a key with a value."""
        self._known.add(key)
        return self._values.get(key) is not None

    def value(self, key: str) -> Any:
        """The value of `key`. SpecError where there is none."""
        if not self.has(key):
            raise SpecError("is missing", key=self.path(key))
        return self._values[key]

    def error(self, key: str, reason: str) -> SpecError:
        """An error about the value of `key`."""
        return SpecError(reason, key=self.path(key), value=self._values.get(key))

    def mapping(self, key: str) -> Mapping[str, Any]:
        """What is described below `key`, by name."""
        value = self.value(key)
        if not isinstance(value, Mapping):
            raise self.error(key, "must be a mapping of names to values")
        return value

    def section(self, key: str) -> Section:
        """The mapping below `key`."""
        return Section(self.value(key), self.path(key))

    def text(self, key: str, valid: Iterable[str] | None = None) -> str:
        """A name, one of `valid` where that is given."""
        value = self.value(key)
        if not isinstance(value, str):
            raise self.error(key, f"must be a name{_IN_QUOTES if isinstance(value, int | float) else ''}")
        if valid is not None and value not in (names := list(valid)):
            raise self.error(key, f"unknown name{choices(value, names)}")
        return value

    def boolean(self, key: str, default: bool | None = None) -> bool:
        """True or false."""
        if default is not None and not self.has(key):
            return default
        value = self.value(key)
        if not isinstance(value, bool):
            raise self.error(key, "must be true or false")
        return value

    def integer(self, key: str, least: int, default: int | None = None) -> int:
        """A whole number of at least `least`."""
        if default is not None and not self.has(key):
            return default
        value = self.value(key)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.error(key, "must be a whole number")
        if value < least:
            raise self.error(key, f"must be at least {least}")
        if value > MOST:
            raise self.error(key, f"must be at most {MOST:g}")
        return value

    def number(
        self, key: str, least: float = 0.0, default: float | None = None, above: bool = False, most: float = MOST
    ) -> float:
        """A finite number from `least` (with `above`: greater than it) to `most`."""
        if default is not None and not self.has(key):
            return default
        value = self.value(key)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or (isinstance(value, float) and not isfinite(value)):
            raise self.error(key, "must be a finite number")
        if value < least or (above and value == least):
            raise self.error(key, f"must be {'more than' if above else 'at least'} {least:g}")
        if value > most or (above and least == 0.0 and value < LEAST):
            raise self.error(key, f"must be from {LEAST:g} to {most:g}" if above else f"must be at most {most:g}")
        return float(value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of names; empty where there is none."""
        if not self.has(key):
            return ()
        values = self._values[key]
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            are_plain = isinstance(values, list) and all(isinstance(value, str | int | float) for value in values)
            raise self.error(key, f"must be a list of names{_IN_QUOTES if are_plain else ''}")
        return tuple(values)

    def sections(self, key: str) -> list[Section]:
        """A list of mappings."""
        values = self.value(key)
        if not isinstance(values, list):
            raise self.error(key, "must be a list")
        return [Section(value, f"{self.path(key)}.{index}") for index, value in enumerate(values)]

    def ignore(self, *keys: str) -> None:
        """Allow keys that mean nothing to the simulator."""
        self._known.update(keys)

    def only(self, *keys: str) -> None:
        """Raise SpecError for the first key that is not one of `keys`: before a misspelt key is reported as missing."""
        for key in self._values:
            if key not in keys:
                raise SpecError(f"unknown key{choices(key, sorted(keys))}", key=self.path(str(key)))

    def done(self) -> None:
        """Raise SpecError for the first key that was not read."""
        self.only(*self._known)
