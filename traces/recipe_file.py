"""Recipes in YAML files, and the traces that they name."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import yaml

from sim_core.errors import SpecError, TraceError
from sim_core.trace import Trace
from traces.policy_text import GivenTrace, Opener
from traces.recipe import Recipe, parse

SUFFIX = ".yaml"
MAX_BYTES = 1 << 20


def read_recipe(path: Path, read_trace: Callable[[Path], Trace], *, source: str = "", confined: bool = True) -> Recipe:
    """What the file says. Files that it names are looked for beside it and, when `confined`, nowhere else.

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
        return parse(values, opener(path.parent, read_trace, confined=confined))
    except SpecError as error:
        raise TraceError(str(error), source=source) from error


def opener(folder: Path, read_trace: Callable[[Path], Trace], *, confined: bool) -> Opener:
    """Reads traces by their path from `folder`; a `confined` one below it alone. Each is read once."""
    known: dict[str, GivenTrace] = {}

    def open_trace(name: str) -> GivenTrace:
        if name not in known:
            known[name] = _open(folder, name, read_trace, confined)
        return known[name]

    return open_trace


def _open(folder: Path, name: str, read_trace: Callable[[Path], Trace], confined: bool) -> GivenTrace:
    if not name.isprintable():
        raise TraceError("is no file's name", source=repr(name))
    path = Path(os.path.normpath(folder / Path(name).expanduser()))
    if confined and not path.is_relative_to(os.path.normpath(folder)):
        raise TraceError("a recipe may only name files in its own folder", source=name)
    try:
        with path.open("rb") as file:
            identity = hashlib.file_digest(file, "sha256").hexdigest()
        return GivenTrace(read_trace(path), identity)
    except OSError as error:
        raise TraceError(f"cannot be read: {error.strerror}", source=name) from error


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
