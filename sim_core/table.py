"""Tables of classes by their names.

A run uses few classes of a table. So a table has places, such as `jsq="jsq.JoinShortestQueue"`, and imports the
module of a class when the class is asked for. To list, count or look up names imports nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import TypeVar

C = TypeVar("C")


class Table(MutableMapping[str, type[C]]):
    """The classes of a package by name. The place of a class is its module, below the package, and its own name."""

    def __init__(self, package: str, **places: str) -> None:
        self._package = package
        self._entries: dict[str, str | type[C]] = {**places}

    def __getitem__(self, name: str) -> type[C]:
        entry = self._entries[name]
        if not isinstance(entry, str):
            return entry
        module, _, own_name = entry.rpartition(".")
        found: type[C] = getattr(import_module(f"{self._package}.{module}"), own_name)
        return found

    def __setitem__(self, name: str, entry: type[C]) -> None:
        self._entries[name] = entry

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries
