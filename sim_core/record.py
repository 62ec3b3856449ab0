"""Records: frozen dataclasses with slots that take a quarter of the time to make.

For each class `dataclass(frozen=True, slots=True)` writes and compiles six methods, at every start. Records have an
`__init__` of their own, and share the others. So a field is set once, by `__init__`, and never again. Whatever takes
dataclasses takes records: `fields`, `replace`, `asdict`. The options of policies stay plain dataclasses, as plugins
inherit from them, and so do classes that are compiled.
"""

from __future__ import annotations

from dataclasses import Field, FrozenInstanceError, dataclass, field, fields
from typing import Any, TypeVar, dataclass_transform

C = TypeVar("C")


@dataclass_transform(frozen_default=True, field_specifiers=(field, Field))
def record(cls: type[C]) -> type[C]:
    """Make a class a record of its annotated fields."""
    made: Any = dataclass(repr=False, eq=False, slots=True)(cls)
    own = fields(made)
    made.__compared__ = tuple(each.name for each in own if each.compare)
    made.__shown__ = tuple(each.name for each in own if each.repr)
    made.__setattr__, made.__delattr__ = _set, _delete
    made.__eq__, made.__hash__, made.__repr__ = _is_equal, _hash, _shown
    return made  # type: ignore[no-any-return]


def _set(self: Any, name: str, value: object) -> None:
    if hasattr(self, name):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _delete(self: Any, name: str) -> None:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _is_equal(self: Any, other: object) -> object:
    if type(other) is not type(self):
        return NotImplemented
    return _compared(self) == _compared(other)


def _hash(self: Any) -> int:
    return hash(_compared(self))


def _compared(self: Any) -> tuple[object, ...]:
    return tuple([getattr(self, name) for name in self.__compared__])


def _shown(self: Any) -> str:
    values = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__shown__)
    return f"{type(self).__qualname__}({values})"
