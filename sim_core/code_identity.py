"""The code that decides a run's results: its part of the run's content key.

The deciding modules are the modules of this package that `sim_core.simulation` and `sim_core.results` need, by their
import statements, and of each family of policies (batching, schedulers, performance models, start states, networks, and
the kinds of replicas that batching policies run on) the modules of the policies that the run's spec names, with what
these need. A caller that computes figures from results adds its own modules (`figures`), which are treated alike. The
digest covers the text of each module that `sim_core.code_text` keeps. Of a policy of a plugin, whose code is part of
the spec, the modules of this package count that the plugin imports. Modules that write files, read configurations or
word messages decide nothing, nor do the families' tables as a whole. So editing a message or adding a policy changes no
key, and changing a policy changes the keys of the runs that use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from sim_core.batching import BATCHING
from sim_core.digest import sha256
from sim_core.network import NETWORKS
from sim_core.performance import PERFORMANCE_MODELS
from sim_core.policies import policies_for
from sim_core.replicas import REPLICAS
from sim_core.scheduling import SCHEDULERS
from sim_core.spec import PluginSpec, SimSpec
from sim_core.start_state import START_STATES

if TYPE_CHECKING:
    from pathlib import Path

    from sim_core.code_text import Imported, ModuleText

# The spec and the trace are arguments of a run: the other modules may name them in annotations alone.
ROOTS = ("sim_core.simulation", "sim_core.results", "sim_core.spec", "sim_core.trace")
TABLES: Mapping[str, Mapping[str, object]] = {
    "sim_core.batching.BATCHING": BATCHING,
    "sim_core.network.NETWORKS": NETWORKS,
    "sim_core.performance.PERFORMANCE_MODELS": PERFORMANCE_MODELS,
    "sim_core.replicas.REPLICAS": REPLICAS,
    "sim_core.scheduling.SCHEDULERS": SCHEDULERS,
    "sim_core.start_state.START_STATES": START_STATES,
}
_BATCHING, _NETWORKS, _PERFORMANCE, _REPLICAS, _SCHEDULERS, _START_STATES = TABLES

Policy = tuple[str, str]  # the name of a table in TABLES, and of an entry of it, or of a plugin
_Used = tuple[tuple[Policy, ...], tuple[PluginSpec, ...]]


class Code:
    """The source code of the project. Each file is read once, and only if it decides a result that is asked for."""

    def __init__(self, folder: Path | None = None, figures: Sequence[str] = ()) -> None:
        """`folder` holds the files of `sim_core` (None: those of the running package), with the project's other
        packages beside it. `figures`: the modules outside of `sim_core` that compute figures from results."""
        from pathlib import Path  # here: not needed at every start

        self._folder = Path(__file__).resolve().parent if folder is None else folder
        self._figures = tuple(figures)
        self._packages = {"sim_core", *(module.partition(".")[0] for module in figures)}
        self._texts: dict[str, ModuleText] = {}
        self._parts: dict[_Used, Mapping[str, str]] = {}
        self._digests: dict[_Used, str] = {}

    def digest_for(self, spec: SimSpec) -> str:
        """SHA-256, in hex, over the code that decides the results of `spec`."""
        used = policies_of(spec), spec.plugins
        if used not in self._digests:
            parts = self._parts_of(*used)
            self._digests[used] = sha256(f"{name}\0{value}\n".encode() for name, value in parts.items()).hex()
        return self._digests[used]

    def parts_for(self, spec: SimSpec) -> Mapping[str, str]:
        """The code that decides the results of `spec`: modules with their digests, and policies with their classes."""
        return self._parts_of(policies_of(spec), spec.plugins)

    def all_parts(self) -> Mapping[str, str]:
        """The code that decides the results of any spec, as in `parts_for`."""
        return self._parts_of(tuple((table, name) for table, entries in TABLES.items() for name in entries))

    def _parts_of(self, policies: tuple[Policy, ...], plugins: tuple[PluginSpec, ...] = ()) -> Mapping[str, str]:
        if (policies, plugins) not in self._parts:
            entries = {(table, name): TABLES[table][name] for table, name in policies if name in TABLES[table]}
            own = [_module_of(entry) for entry in entries.values()]
            own += [module for plugin in plugins for module in self._imported_by(plugin)]
            modules = self._needed([*ROOTS, *self._figures, *own])
            parts = {module: sha256([self._text(module).text.encode()]).hex() for module in modules}
            for (table, name), entry in entries.items():
                parts[f"{table}[{name}]"] = f"{_module_of(entry)}.{getattr(entry, '__qualname__', '')}"
            self._parts[policies, plugins] = dict(sorted(parts.items()))
        return self._parts[policies, plugins]

    def _imported_by(self, plugin: PluginSpec) -> list[str]:
        """The modules of the project that a plugin imports; of a table that it imports, those of all entries."""
        from sim_core.code_text import module_text

        found: list[str] = []
        for imported in module_text(plugin.text.encode(), plugin.file, is_package=False).imports:
            table = TABLES.get(f"{imported.module}.{imported.name}", {})
            found += [*map(_module_of, table.values()), *self._modules(imported)]
        return found

    def _needed(self, modules: Iterable[str]) -> list[str]:
        """`modules`, and all modules of the project that they need."""
        found: dict[str, None] = {}
        todo = list(modules)
        while todo:
            module = todo.pop()
            if module not in found:
                found[module] = None
                todo += [needed for imported in self._text(module).imports for needed in self._modules(imported)]
        return list(found)

    def _modules(self, imported: Imported) -> list[str]:
        """The modules of the project that an import needs. A name that an `__init__` only passes on leads to the module
        that defines it. A table of policies needs nothing: the spec says which of its entries are needed."""
        module, name = imported.module, imported.name
        if module.partition(".")[0] not in self._packages or f"{module}.{name}" in TABLES:
            return []
        if name is None:
            return [module]
        if self._file(f"{module}.{name}").exists():
            return [f"{module}.{name}"]
        origin = self._text(module).binds.get(name)
        if origin is None:
            return [module]
        return self._modules(origin) if self._is_package(module) else [module, *self._modules(origin)]

    def _text(self, module: str) -> ModuleText:
        if module not in self._texts:
            from sim_core.code_text import module_text

            source = self._file(module).read_bytes()
            self._texts[module] = module_text(source, module, is_package=self._is_package(module))
        return self._texts[module]

    def _is_package(self, module: str) -> bool:
        return self._file(module).name == "__init__.py"

    def _file(self, module: str) -> Path:
        """The file with the source of a module, or the file that would have it if there were such a module."""
        package, *names = module.split(".")
        if package not in self._packages:  # a policy from outside of the project that was put into a table
            return _file_elsewhere(module)
        folder = self._folder if package == "sim_core" else self._folder.with_name(package)
        path = folder.joinpath(*names)
        return path / "__init__.py" if path.is_dir() else path.with_name(f"{path.name}.py")


def policies_of(spec: SimSpec) -> tuple[Policy, ...]:
    """The policies that a run uses, without repetition."""
    from sim_core.performance.calibrated import below  # here: not needed at every start

    instances = [kind for state in spec.start_states for kind in state.kinds]
    batching = policies_for(spec).batching
    used = [
        *((_BATCHING, instance.policy) for instance in instances),
        *((_REPLICAS, batching[instance.policy].runs_on) for instance in instances if instance.policy in batching),
        *((_SCHEDULERS, application.scheduler.policy) for application in spec.applications),
        *((_START_STATES, state.kind) for state in spec.start_states),
        (_PERFORMANCE, spec.performance.policy),
        *((_PERFORMANCE, name) for name in [below(spec.performance)] if name),
        (_NETWORKS, spec.network.policy),
    ]
    return tuple(sorted(dict.fromkeys(used)))


def used_plugins(spec: SimSpec, plugins: Sequence[PluginSpec]) -> tuple[PluginSpec, ...]:
    """Those of `plugins` of which a run uses a policy, in the order of their code."""
    from sim_core.plugins import loaded  # here: most runs have none

    used = {(table.rpartition(".")[2], name) for table, name in policies_of(spec) if name not in TABLES[table]}
    tables = {plugin: loaded(plugin.file, plugin.text) for plugin in plugins}
    found = [plugin for plugin, own in tables.items() if any(name in own.get(table, {}) for table, name in used)]
    return tuple(sorted(found, key=lambda plugin: plugin.code))


def _module_of(entry: object) -> str:
    return str(getattr(entry, "__module__", ""))


def _file_elsewhere(module: str) -> Path:
    import sys
    from pathlib import Path

    return Path(str(sys.modules[module].__file__))
