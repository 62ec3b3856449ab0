"""Which code decides a run's results: its part of the run's content key.

The deciding modules are those of this package that `sim_core.simulation` and `sim_core.results` need, by their import
statements, and of each family of policies (batching, schedulers, performance models, start states) the modules of the
policies that the run's spec names, with what these need. Of each the digest covers what `sim_core.code_text` keeps.
Modules that write files, read configurations or word messages decide nothing, nor do the families' tables as a whole.
So mending a text or adding a policy changes no key, and changing a policy changes the keys of the runs that use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sim_core.batching import BATCHING
from sim_core.digest import sha256
from sim_core.performance import PERFORMANCE_MODELS
from sim_core.scheduling import SCHEDULERS
from sim_core.spec import SimSpec
from sim_core.start_state import START_STATES

if TYPE_CHECKING:
    from pathlib import Path

    from sim_core.code_text import Imported, ModuleText

# The spec and the trace are handed in, so that what needs them may name them in annotations alone.
ROOTS = ("sim_core.simulation", "sim_core.results", "sim_core.spec", "sim_core.trace")
TABLES: Mapping[str, Mapping[str, object]] = {
    "sim_core.batching.BATCHING": BATCHING,
    "sim_core.performance.PERFORMANCE_MODELS": PERFORMANCE_MODELS,
    "sim_core.scheduling.SCHEDULERS": SCHEDULERS,
    "sim_core.start_state.START_STATES": START_STATES,
}
_BATCHING, _PERFORMANCE, _SCHEDULERS, _START_STATES = TABLES

Policy = tuple[str, str]  # the name of a table in TABLES, and of an entry of it


class Code:
    """The package's source code. Each of its files is read once, and only if it decides a result that is asked for."""

    def __init__(self, folder: Path | None = None) -> None:
        """`folder` holds the package's files; None: those that this module is one of."""
        from pathlib import Path  # not at every start

        self._folder = Path(__file__).resolve().parent if folder is None else folder
        self._texts: dict[str, ModuleText] = {}
        self._parts: dict[tuple[Policy, ...], Mapping[str, str]] = {}
        self._digests: dict[tuple[Policy, ...], str] = {}

    def digest_for(self, spec: SimSpec) -> str:
        """SHA-256 over what decides the results of `spec`, in hex: results that other code computed differ in it."""
        policies = policies_of(spec)
        if policies not in self._digests:
            parts = self._parts_of(policies)
            self._digests[policies] = sha256(f"{name}\0{value}\n".encode() for name, value in parts.items()).hex()
        return self._digests[policies]

    def parts_for(self, spec: SimSpec) -> Mapping[str, str]:
        """What decides the results of `spec`: modules with their digests, and policies with their classes."""
        return self._parts_of(policies_of(spec))

    def all_parts(self) -> Mapping[str, str]:
        """What decides the results of any spec, as in `parts_for`."""
        return self._parts_of(tuple((table, name) for table, entries in TABLES.items() for name in entries))

    def _parts_of(self, policies: tuple[Policy, ...]) -> Mapping[str, str]:
        if policies not in self._parts:
            entries = {(table, name): TABLES[table][name] for table, name in policies}
            modules = self._needed([*ROOTS, *(_module_of(entry) for entry in entries.values())])
            parts = {module: sha256([self._text(module).text.encode()]).hex() for module in modules}
            for (table, name), entry in entries.items():
                parts[f"{table}[{name}]"] = f"{_module_of(entry)}.{getattr(entry, '__qualname__', '')}"
            self._parts[policies] = dict(sorted(parts.items()))
        return self._parts[policies]

    def _needed(self, modules: Iterable[str]) -> list[str]:
        """The modules, and all modules of the package that they need."""
        found: dict[str, None] = {}
        todo = list(modules)
        while todo:
            module = todo.pop()
            if module not in found:
                found[module] = None
                todo += [needed for imported in self._text(module).imports for needed in self._modules(imported)]
        return list(found)

    def _modules(self, imported: Imported) -> list[str]:
        """The modules of the package that an import needs. What an `__init__` only passes on is looked up where it is
        made, and a table of policies is nothing: the spec says which of its entries are needed."""
        module, name = imported.module, imported.name
        if module.partition(".")[0] != "sim_core" or f"{module}.{name}" in TABLES:
            return []
        if name is None:
            return [module]
        if self._file(f"{module}.{name}").exists():
            return [f"{module}.{name}"]
        made_in = self._text(module).binds.get(name)
        if made_in is None:
            return [module]
        return self._modules(made_in) if self._is_package(module) else [module, *self._modules(made_in)]

    def _text(self, module: str) -> ModuleText:
        if module not in self._texts:
            from sim_core.code_text import module_text

            source = self._file(module).read_bytes()
            self._texts[module] = module_text(source, module, is_package=self._is_package(module))
        return self._texts[module]

    def _is_package(self, module: str) -> bool:
        return self._file(module).name == "__init__.py"

    def _file(self, module: str) -> Path:
        """Where the source of a module is, or would be if there were such a module."""
        package, *names = module.split(".")
        if package != "sim_core":  # a policy that somebody else has put into a table
            return _file_elsewhere(module)
        path = self._folder.joinpath(*names)
        return path / "__init__.py" if path.is_dir() else path.with_name(f"{path.name}.py")


def policies_of(spec: SimSpec) -> tuple[Policy, ...]:
    """The policies that a run uses, each once."""
    instances = [kind for state in spec.start_states for kind in state.kinds]
    used = [
        *((_BATCHING, instance.policy) for instance in instances),
        *((_SCHEDULERS, application.scheduler.policy) for application in spec.applications),
        *((_START_STATES, state.kind) for state in spec.start_states),
        (_PERFORMANCE, spec.performance.policy),
    ]
    return tuple(sorted(dict.fromkeys(used)))


def _module_of(entry: object) -> str:
    return str(getattr(entry, "__module__", ""))


def _file_elsewhere(module: str) -> Path:
    import sys
    from pathlib import Path

    return Path(str(sys.modules[module].__file__))
