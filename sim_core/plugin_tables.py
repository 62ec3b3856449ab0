"""The tables of a plugin: which families have one, and what an entry must be."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from inspect import getattr_static
from pathlib import Path
from re import ASCII, fullmatch
from types import ModuleType
from typing import Any, NamedTuple

from sim_core.batching import BATCHING, Batcher
from sim_core.errors import MOST_SHOWN, PluginError, SimError, nearest, one_line
from sim_core.options import KINDS, kind_of
from sim_core.performance import PERFORMANCE_MODELS, PerformanceModel
from sim_core.scheduling import SCHEDULERS, Scheduler
from sim_core.start_state import START_STATES, StartState

LONGEST_NAME = 60  # characters of a policy's name
NO_NAMES = ("true", "false", "null", "none", "nan", "inf", "yes", "no", "on", "off")  # which settings read as values

Table = Mapping[str, type[Any]]


class Family(NamedTuple):
    """A family whose policies a plugin may have: the base class of the entries of its table, and the project's own."""

    base: type[Any]
    own: Table


FAMILIES: Mapping[str, Family] = {
    "SCHEDULERS": Family(Scheduler, SCHEDULERS),
    "BATCHING": Family(Batcher, BATCHING),
    "PERFORMANCE_MODELS": Family(PerformanceModel, PERFORMANCE_MODELS),
    "START_STATES": Family(StartState, START_STATES),
}

HOW = f"name its policies in a table, such as SCHEDULERS = {{'mine': Mine}} (one of: {', '.join(FAMILIES)})"


def abstract_methods(base: type[Any]) -> tuple[str, ...]:
    """The methods that `base` leaves to the classes that inherit from it, by its source: a compiled class does not tell
    them."""
    source = Path(__file__).resolve().parents[1].joinpath(*base.__module__.split(".")).with_suffix(".py")
    tree = ast.parse(source.read_bytes())
    own = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == base.__name__)
    methods = [node for node in own.body if isinstance(node, ast.FunctionDef)]
    return tuple(node.name for node in methods if any(_is_abstract(mark) for mark in node.decorator_list))


def _is_abstract(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Name) and decorator.id == "abstractmethod"


def tables_of(module: ModuleType, file: str, text: str) -> Mapping[str, Table]:
    """The tables of a loaded plugin by name. `file` is its name, `text` its source. Raises PluginError."""
    return _Tables(module, file, text).checked()


class _Tables:
    """Finds the tables of a loaded plugin, and checks their entries. Raises PluginError."""

    def __init__(self, module: ModuleType, file: str, text: str) -> None:
        self._module, self._file, self._text = module, file, text

    def checked(self) -> Mapping[str, Table]:
        """The tables by name."""
        tables: dict[str, Table] = {}
        for name, family in FAMILIES.items():
            entries = getattr(self._module, name, {})
            if not isinstance(entries, dict):
                raise self._error(f"{name} must be a mapping of names to classes", name)
            for entry, policy in entries.items():
                self._check_name(name, entry)
                self._check_class(f"{name}[{entry!r}]", policy, family, name)
            if entries:
                tables[name] = dict(entries)
        if not tables:
            own = [name for name in vars(self._module) if name.isupper()]
            wrong = next((name for name in own if nearest(name, FAMILIES)), None)
            close = f"{wrong}: did you mean {nearest(wrong, FAMILIES)}? " if wrong else ""
            raise self._error(f"{close}it names no policy: {HOW}", wrong or "")
        return tables

    def _check_name(self, table: str, name: object) -> None:
        if not isinstance(name, str) or not fullmatch(rf"[A-Za-z]\w{{0,{LONGEST_NAME - 1}}}", name, ASCII):
            reason = (
                f"{table}[{one_line(repr(name), MOST_SHOWN)}]: a name begins with a letter of the English alphabet, and"
                f" has letters, digits and underscores, at most {LONGEST_NAME}"
            )
            raise self._error(reason, table)
        if name.lower() in NO_NAMES:
            raise self._error(f"{table}[{name!r}]: settings read {name} as a value: choose another name", table)
        if name in FAMILIES[table].own:
            raise self._error(f"{table}[{name!r}]: a policy of this project has the name: choose another", table)

    def _check_class(self, place: str, policy: object, family: Family, table: str) -> None:
        base = family.base
        if not isinstance(policy, type) or not issubclass(policy, base):
            shown = policy.__name__ if isinstance(policy, type) else repr(policy)
            reason = f"{place}: {one_line(shown, MOST_SHOWN)} must be a class that inherits from"
            raise self._error(f"{reason} {base.__module__}.{base.__name__}", table)
        needed = abstract_methods(base)
        missing = [name for name in needed if getattr_static(policy, name) is getattr_static(base, name)]
        if missing:
            where = f"{base.__name__} in {base.__module__.replace('.', '/')}.py"
            reason = f"{place}: {policy.__name__} lacks {', '.join(missing)}, which {where} asks for"
            raise self._error(reason, policy.__name__)
        self._check_options(place, policy, getattr(policy, "Options"))  # noqa: B009 (a type of no known base)

    def _check_options(self, place: str, policy: type[Any], options: object) -> None:
        name = f"{place}: {policy.__name__}.Options"
        if not isinstance(options, type) or not is_dataclass(options):
            raise self._error(f"{name} must be a dataclass, decorated with @dataclass(frozen=True)", policy.__name__)
        known = f"must be one of {', '.join(KINDS)}"
        for option in fields(options):
            kind = kind_of(option)
            if kind not in KINDS:
                shown = one_line(kind, MOST_SHOWN)
                raise self._error(f"{name}.{option.name} is a {shown}: it {known}", options.__name__)
            if option.default_factory is not MISSING or not option.init:
                raise self._error(f"{name}.{option.name}: give a default as a plain value", options.__name__)
            if option.default is not MISSING and option.default is not None and not _is(option.default, kind):
                reason = f"{name}.{option.name}: the default {one_line(repr(option.default), MOST_SHOWN)} is no {kind}"
                raise self._error(reason, options.__name__)
        if all(option.default is not MISSING for option in fields(options)):
            try:
                options()
            except SimError as error:
                raise self._error(f"{name}: its defaults are refused: {error}", options.__name__) from error

    def _error(self, reason: str, name: str) -> PluginError:
        """The error with the line at which `name` is bound at the top level."""
        return PluginError(reason, source=self._file, line=_line_of(self._text, name))


def _is(value: object, kind: str) -> bool:
    """Whether a default is of a kind; a float may be written as a whole number."""
    types = {"float": (float, int), "int": (int,), "bool": (bool,), "str": (str,)}[kind]
    return isinstance(value, types) and (kind == "bool" or not isinstance(value, bool))


def _line_of(text: str, name: str) -> int | None:
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return node.lineno
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return node.lineno
    return None
