"""Plugins: files with policies of a user's own, which are used as the project's own are.

A plugin names its policies in tables at its top level, of the shape of the families' tables. It has at least one:

    SCHEDULERS = {"best_of_some": BestOfSome}
    BATCHING = {"GENTLE": GentleBatcher}
    PERFORMANCE_MODELS = {"per_token": PerToken}
    START_STATES = {"reserve": Reserve}

To read a plugin is to run its code, so only a file that a person names is read. A mistake in it is a PluginError, in
one line with the place. A `PluginSpec` is all that a run needs of it, in any process: its text, of which `loaded` makes
a module once a process.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from functools import lru_cache
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from re import fullmatch
from traceback import walk_tb
from types import CodeType

from sim_core.code_text import module_text
from sim_core.digest import sha256
from sim_core.errors import MOST_SHOWN, PluginError, nearest, one_line
from sim_core.plugin_tables import HOW, Table, tables_of
from sim_core.regular_file import read_bytes
from sim_core.spec import PluginSpec

SUFFIX = ".py"
INSTALLED = frozenset({"site-packages", "dist-packages"})  # folders of installed packages
ABOVE = ("sweep", "sync", "traces", "configs")  # packages of the project that no key covers


def read_plugins(paths: Iterable[Path], say: Callable[[str], None]) -> dict[str, PluginSpec]:
    """The plugins in some files by path, loaded and checked; one that comes twice counts once. Before the code of a
    file runs, `say` gets a line that says so. Raises PluginError."""
    texts = [(path, _content(path)) for path in paths]
    plugins: dict[str, PluginSpec] = {}
    for path, text in texts:
        if any(plugin.text == text for plugin in plugins.values()):
            continue
        say(f"runs code of {one_line(str(path), MOST_SHOWN)} (sha256 {sha256([text.encode()]).hex()[:16]})")
        plugins[str(path)] = read_plugin(path, text)
    check_together(tuple(plugins.values()))
    return plugins


def read_plugin(path: Path, text: str | None = None) -> PluginSpec:
    """The plugin in a file, which holds `text` (None: that is to be read), loaded and checked. Raises PluginError."""
    try:
        return plugin_of(_content(path) if text is None else text, path.name)
    except PluginError as error:
        raise PluginError(error.reason, source=str(path), line=error.line) from error


def _content(path: Path) -> str:
    """The text of a plugin's file. Raises PluginError."""
    source = str(path)
    if not fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.py", path.name):
        reason = f"a plugin is a Python file, whose name ends in {SUFFIX} and has letters, digits and . _ - alone"
        raise PluginError(reason, source=source)
    try:
        text = read_bytes(path, "plugin_bytes").decode("utf-8-sig")
    except FileNotFoundError as error:
        names = sorted(file.name for file in path.parent.glob(f"*{SUFFIX}")) if path.parent.is_dir() else []
        close = nearest(path.name, names)
        raise PluginError(f"no such file{f'; did you mean {close!r}?' if close else ''}", source=source) from error
    except UnicodeDecodeError as error:
        raise PluginError(f"is no text in UTF-8 (at place {error.start})", source=source) from error
    except (OSError, ValueError) as error:  # ValueError: no file can have such a name
        reason = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise PluginError(reason, source=source) from error
    if not text.strip():
        raise PluginError(f"is empty: {HOW}", source=source)
    return text


def plugin_of(text: str, file: str) -> PluginSpec:
    """The plugin whose file, called `file`, holds `text`, loaded and checked. Raises PluginError."""
    try:
        deciding = module_text(text.encode(), file, is_package=False)
        _check_imports(ast.parse(text), file)
    except (SyntaxError, ValueError) as error:  # ValueError: a zero byte
        reason = f"SyntaxError: {getattr(error, 'msg', error)}"
        raise PluginError(reason, source=file, line=getattr(error, "lineno", None)) from error
    except (RecursionError, MemoryError) as error:
        raise PluginError("its expressions are nested too deeply", source=file) from error
    loaded(file, text)
    return PluginSpec(sha256([deciding.text.encode()]).hex(), file, text)


def check_together(plugins: Sequence[PluginSpec]) -> None:
    """Raise PluginError where two plugins have a file or a policy of the same name."""
    files: set[str] = set()
    owner: dict[tuple[str, str], str] = {}
    for plugin in plugins:
        if plugin.file in files:
            raise PluginError("two plugins have files of this name: rename one", source=plugin.file)
        files.add(plugin.file)
        for table, entries in loaded(plugin.file, plugin.text).items():
            for name in entries:
                if (table, name) in owner:
                    reason = f"{table}[{name!r}]: {owner[table, name]} has a policy of this name, too: rename one"
                    raise PluginError(reason, source=plugin.file)
                owner[table, name] = plugin.file


@lru_cache(maxsize=64)
def loaded(file: str, text: str) -> Mapping[str, Table]:
    """The tables of the plugin whose file, called `file`, holds `text`; its code runs once a process, and what it
    prints goes to standard error. Raises PluginError."""
    name = f"plugin_{sha256([text.encode()]).hex()[:16]}"
    spec = ModuleSpec(name, _Text(file, text), origin=file)
    module = module_from_spec(spec)
    module.__file__ = file
    sys.modules[name] = module  # where dataclasses look the annotations of a class up
    try:
        with redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)  # type: ignore[union-attr]
        return tables_of(module, file, text)
    except PluginError:
        sys.modules.pop(name, None)
        raise
    except (Exception, SystemExit) as error:
        sys.modules.pop(name, None)
        reason = f"{described(error)} (raised while the file was loaded)"
        raise PluginError(reason, source=file, line=line_in(error, [file])[1]) from error


def described(error: BaseException) -> str:
    """An exception in one line: its kind and its text."""
    text = one_line(" ".join(str(error).split()), MOST_SHOWN)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def line_in(error: BaseException, files: Iterable[str]) -> tuple[str, int | None]:
    """The innermost place in one of `files` that an exception passed; an empty name: it passed none."""
    known = frozenset(files)
    places = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    return next(((file, line) for file, line in reversed(places) if file in known), ("", None))


class _Text(InspectLoader):
    """Loads a module from its text. `file` names it in tracebacks."""

    def __init__(self, file: str, text: str) -> None:
        self._file, self._text = file, text

    def get_source(self, fullname: str) -> str:
        """The text."""
        return self._text

    def get_code(self, fullname: str) -> CodeType:
        """The compiled text."""
        return self.source_to_code(self._text, self._file)


def _check_imports(tree: ast.Module, file: str) -> None:
    """Raise PluginError for an import of another file of the user's, which neither travels nor counts in keys."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if not node.level else ["." * node.level + (node.module or "")]
        else:
            continue
        for name in names:
            if not _may_be_imported(name.partition(".")[0]):
                reason = f"imports {name}, which is neither of Python, nor of sim_core, nor an installed package"
                reason += ": a plugin is one file, which holds all that it needs"
                raise PluginError(reason, source=file, line=node.lineno)


def _may_be_imported(package: str) -> bool:
    if package in sys.stdlib_module_names or package == "sim_core":
        return True
    if not package or package in ABOVE:
        return False
    try:
        found = find_spec(package)
    except (ImportError, ValueError):
        return False
    if found is None:  # loading it says so, with the line
        return True
    places = [found.origin, *(found.submodule_search_locations or ())]
    return any(not INSTALLED.isdisjoint(Path(place).parts) for place in places if place)
