"""Recipes in YAML files, and the traces that they name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

import yaml

from sim_core.errors import SpecError, TraceError
from sim_core.trace import Trace
from traces.identity import file_identity
from traces.policy_text import GivenTrace, Opener
from traces.recipe import Recipe, parse
from traces.time_unit import AUTO

SUFFIX = ".yaml"
MAX_BYTES = 1 << 20


class ReadTrace(Protocol):
    """Reads a trace file: traces.reader.read_file or read_csv."""

    def __call__(self, path: Path, *, time_unit: str = AUTO) -> Trace: ...


def read_recipe(
    path: Path, read_trace: ReadTrace, *, source: str = "", confined: bool = True, time_unit: str = AUTO
) -> Recipe:
    """What the file says. Files that it names are looked for beside it and, when `confined`, nowhere else.

    `time_unit` is that of the times in those files.
    TraceError, with `source` (the path if empty), when it says nothing sensible.
    """
    source = source or str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TraceError("is too large for a recipe", source=source)
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Strict)
    except OSError as error:
        raise TraceError(f"cannot be read: {error.strerror}", source=source) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise TraceError(f"is not YAML: {' '.join(str(error).split())}", source=source) from error
    try:
        return parse(values, opener(path.parent, read_trace, confined=confined, time_unit=time_unit))
    except SpecError as error:
        raise TraceError(str(error), source=source) from error


def opener(folder: Path, read_trace: ReadTrace, *, confined: bool, time_unit: str = AUTO) -> Opener:
    """Reads traces by their path from `folder`; a `confined` one below it alone. Each is read once."""
    known: dict[str, GivenTrace] = {}

    def open_trace(name: str) -> GivenTrace:
        if name not in known:
            path = _path(folder, name, confined)
            try:
                identity = file_identity(path, time_unit=time_unit)
                known[name] = GivenTrace(read_trace(path, time_unit=time_unit), identity)
            except OSError as error:
                raise TraceError(f"cannot be read: {error.strerror}", source=name) from error
        return known[name]

    return open_trace


def _path(folder: Path, name: str, confined: bool) -> Path:
    if not name.isprintable():
        raise TraceError("is no file's name", source=repr(name))
    path = Path(os.path.normpath(folder / Path(name).expanduser()))
    if confined and not path.is_relative_to(os.path.normpath(folder)):
        raise TraceError("a recipe may only name files in its own folder", source=name)
    return path


class _Strict(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML would silently take the last, and values by reference.

    A few lines of references to references can stand for more than memory holds.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"a reference (*) in line {self.line + 1}; write it out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        names = [key.value for key, _ in node.value]
        for place, name in enumerate(names):
            if name in names[:place]:
                raise yaml.YAMLError(f"{name!r} is there twice in line {node.value[place][0].start_mark.line + 1}")
        return {str(key): value for key, value in super().construct_mapping(node, deep=deep).items()}
