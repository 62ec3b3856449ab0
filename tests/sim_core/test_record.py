"""Records are frozen dataclasses with slots in all but the time that they take to make."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any

import pytest

from sim_core.errors import SpecError
from sim_core.record import record
from sim_core.spec import InstanceSpec, PluginSpec, ProcessorSpec


def made_by(decorator: Callable[[type[Any]], type[Any]]) -> type[Any]:
    @decorator
    class Part:
        """A part of something."""

        name: str
        count: int = 1
        tags: tuple[str, ...] = field(default_factory=tuple)
        note: str = field(default="", compare=False, repr=False)

        @property
        def twice(self) -> int:
            return 2 * self.count

    return Part


PLAIN, RECORD = made_by(dataclass(frozen=True, slots=True)), made_by(record)
MADE = [PLAIN, RECORD]


@pytest.mark.parametrize("part", MADE)
def test_a_field_is_set_once(part: type[Any]) -> None:
    one = part("bolt", 3)
    for name in ("name", "count", "note"):
        with pytest.raises(FrozenInstanceError, match=f"cannot assign to field '{name}'"):
            setattr(one, name, 4)
        with pytest.raises(FrozenInstanceError):
            delattr(one, name)
    with pytest.raises((AttributeError, TypeError)):
        one.unknown = 4
    assert not hasattr(one, "__dict__")
    assert (one.name, one.count, one.tags, one.note, one.twice) == ("bolt", 3, (), "", 6)


@pytest.mark.parametrize("part", MADE)
def test_values_are_equal_by_the_fields_that_are_compared(part: type[Any]) -> None:
    assert part("bolt") == part("bolt", 1, (), "other") != part("nut")
    assert hash(part("bolt")) == hash(part("bolt", note="other")) == hash(("bolt", 1, ()))
    assert part("bolt") != ("bolt", 1, ())
    assert part("bolt") != PLAIN("bolt") or part is PLAIN
    with pytest.raises(TypeError, match="unhashable"):
        hash(part("bolt", tags=["a"]))


def test_a_record_is_shown_as_a_dataclass_is() -> None:
    assert repr(RECORD("bolt", 2, note="hidden")) == repr(PLAIN("bolt", 2))


@pytest.mark.parametrize("part", MADE)
def test_what_takes_dataclasses_takes_records(part: type[Any]) -> None:
    one = part("bolt", 2)
    assert is_dataclass(one)
    assert [each.name for each in fields(one)] == ["name", "count", "tags", "note"]
    assert replace(one, count=5) == part("bolt", 5)
    assert asdict(one) == {"name": "bolt", "count": 2, "tags": (), "note": ""}
    match one:
        case part(name, count):
            assert (name, count) == ("bolt", 2)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        part()


def test_copies_of_a_record_are_equal_and_frozen() -> None:
    plugin = PluginSpec("code", "mine.py", "text")
    for other in (copy.copy(plugin), copy.deepcopy(plugin), pickle.loads(pickle.dumps(plugin))):
        assert other == plugin
        assert (other.file, other.text) == ("mine.py", "text")
        with pytest.raises(FrozenInstanceError):
            other.code = "else"


def test_a_record_inherits_fields_and_checks_them_when_it_is_made() -> None:
    @record
    class Named(ProcessorSpec):
        number: int = -1

    assert [each.name for each in fields(Named)] == ["name", "memory_bytes", "number"]
    assert Named("gpu", 8, 2) == Named("gpu", 8, 2) != Named("gpu", 8)
    assert Named("gpu", 8) != ProcessorSpec("gpu", 8)
    with pytest.raises(SpecError, match="pipelines are not modelled"):
        InstanceSpec("ORCA", 1, 2)
