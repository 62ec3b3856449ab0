"""The options that a policy declares: a frozen dataclass, whose fields are the keys in its configuration.

A field is a `float` (above 0, or at least 0 where 0 is its default), an `int` (at least 0), a `bool` or a `str`. One
without a default must be configured; an optional one has the default None, or a value of its type. What goes beyond
that is checked in `__post_init__`, which raises SpecError.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, TypeVar

from sim_core.errors import SpecError, choices
from sim_core.section import Section
from sim_core.spec import Options

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class NoOptions:
    """The options of a policy that has none."""


def reads_configuration(function: F) -> F:
    """Marks a function that reads a part of a configuration into a spec. As a run's key covers its spec, it leaves out
    the code of such functions (`sim_core.code_text`), and with it the modules that they alone need."""
    return function


KINDS = ("float", "int", "bool", "str")  # of an option


@reads_configuration
def kind_of(option: Field[Any]) -> str:
    """The type of an option by its name, without `None`."""
    kind = option.type.__name__ if isinstance(option.type, type) else str(option.type)
    return kind.removesuffix(" | None")


@reads_configuration
def read_options(declared: type[Any], config: Section) -> Options:
    """The values in `config` of the fields of the dataclass `declared`, in their order. Raises SpecError."""
    may_be_0 = {option.name for option in fields(declared) if option.default == 0.0}
    readers: Mapping[str, Callable[[str], float | str]] = {
        "float": lambda key: config.number(key, above=key not in may_be_0),
        "int": lambda key: config.integer(key, 0),
        "bool": config.boolean,
        "str": config.text,
    }
    values: dict[str, float | str] = {}
    for option in fields(declared):
        if config.has(option.name) or option.default is MISSING:
            values[option.name] = readers[kind_of(option)](option.name)
    declared(**values)
    return tuple(values.items())


def made(declared: type[T], options: Options, policy: str) -> T:
    """The dataclass `declared` with the values in `options`. Raises SpecError for a name that `policy` does not have,
    and for one that it lacks."""
    known = {option.name: option for option in fields(declared)}  # type: ignore[arg-type]
    values = dict(options)
    for name in values:
        if name not in known:
            raise SpecError(f"{policy} has no such option{choices(name, known)}", key=name, value=values[name])
    for name, option in known.items():
        if name not in values and option.default is MISSING:
            raise SpecError(f"{policy} needs this option", key=name)
    return declared(**values)
