"""The sections of a plugin's policies in the configuration, which the plugin itself need not write.

A section is that of a policy of the project, with the name of the plugin's policy and the fields of its `Options`:

- a scheduler is an entry of `orchestrator_repo.schedulers`, chosen by `applications.0.scheduler=NAME`;
- a performance model or a start state is a choice of its group, `performance_model=NAME` or `start_state=NAME`;
- a batching policy has a start state of its name, that of `baseline` with instances of this policy. In other start
  states it is chosen by `instance_type`.

The sections are offered to Hydra beside the files of this folder, and no file is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import OmegaConf

from configs.bounded import read_yaml
from sim_core.errors import PluginError
from sim_core.performance.constant import ConstantPerformance
from sim_core.performance.db import DatabasePerformance
from sim_core.plugin_tables import FAMILIES
from sim_core.plugins import check_together, loaded
from sim_core.scheduling.base import SplitScheduler
from sim_core.scheduling.mixed_pool import MixedPool
from sim_core.spec import PluginSpec
from sim_core.start_state.splitwise import Splitwise
from sim_core.start_state.uniform import Uniform

FOLDER = Path(__file__).resolve().parent
REPOSITORY, SCHEDULERS = "orchestrator_repo/default", "orchestrator_repo/schedulers"
Sections = Mapping[str, Mapping[str, Any]]  # by group and name, such as `performance_model/mine`
# The files that sections begin as, by the class that a policy inherits from; the first that fits counts.
_LIKE: Mapping[str, Mapping[type[Any], str]] = {
    "SCHEDULERS": {
        MixedPool: f"{SCHEDULERS}/mixed_pool",
        SplitScheduler: f"{SCHEDULERS}/kv_round_robin",
        FAMILIES["SCHEDULERS"].base: f"{SCHEDULERS}/round_robin",
    },
    "BATCHING": {FAMILIES["BATCHING"].base: "start_state/baseline"},
    "PERFORMANCE_MODELS": {
        DatabasePerformance: "performance_model/db",
        ConstantPerformance: "performance_model/constant",
    },
    "START_STATES": {
        Splitwise: "start_state/splitwise",
        FAMILIES["START_STATES"].base: "start_state/baseline",
    },
}


def sections_of(plugins: Sequence[PluginSpec]) -> Sections:
    """The sections of all policies of `plugins`. Raises PluginError where two policies would have the same one, or
    where there is a file for it."""
    check_together(plugins)
    sections: dict[str, Mapping[str, Any]] = {}
    for plugin in plugins:
        for table, entries in loaded(plugin.file, plugin.text).items():
            for name, policy in entries.items():
                key, section = _section(table, name, policy)
                if key in sections or (FOLDER / f"{key}.yaml").exists():
                    reason = f"{table}[{name!r}]: there is a {key.replace('/', ' ')} of this name: choose another"
                    raise PluginError(reason, source=plugin.file)
                sections[key] = section
    return sections


def _section(table: str, name: str, policy: type[Any]) -> tuple[str, Mapping[str, Any]]:
    """A policy's group and name, and its section."""
    like = next((file for base, file in _LIKE[table].items() if issubclass(policy, base)), None)
    section = {} if like is None else dict(_content(like))
    options = {option.name: _default(option.default, section.get(option.name)) for option in fields(policy.Options)}
    if table == "SCHEDULERS":
        return f"{SCHEDULERS}/{name}", {**section, "policy": name, **options}
    if table == "PERFORMANCE_MODELS":
        return f"performance_model/{name}", {**section, "policy": name, **options}
    if table == "BATCHING":
        instance = {**section["instance"], "instance_type": name, **options}
        return f"start_state/{name}", {**section, "instance": instance}
    if not issubclass(policy, Uniform):
        section.pop("fill_machine", None)  # which is no key of other start states
    return f"start_state/{name}", {**section, "state_type": name, **options}


def _default(default: object, before: object) -> object:
    """An option's value: its default, or that of the section before it; None: it must be set."""
    return before if default is MISSING else default


@cache
def _content(name: str) -> dict[str, Any]:
    content: dict[str, Any] = read_yaml(FOLDER / f"{name}.yaml", f"{name}.yaml")
    return content


class PluginSource(ConfigSource):
    """Gives Hydra the sections of plugins, as if each were a file. The schedulers of the configuration are no folder
    then, but the entries of that folder and the plugins', so that overrides may set their options."""

    def __init__(self, sections: Sections) -> None:
        super().__init__("plugins", f"{self.scheme()}://")
        self._sections = {name: section for name, section in sections.items() if not name.startswith(f"{SCHEDULERS}/")}
        added = {name.rpartition("/")[2]: own for name, own in sections.items() if name not in self._sections}
        if added:
            files = sorted((FOLDER / SCHEDULERS).glob("*.yaml"))
            schedulers = {file.stem: _content(f"{SCHEDULERS}/{file.stem}") for file in files}
            self._sections[REPOSITORY] = {**_content(REPOSITORY), "schedulers": {**schedulers, **added}}

    @staticmethod
    def scheme() -> str:
        """See `ConfigSource`."""
        return "plugins"

    def load_config(self, config_path: str) -> ConfigResult:
        """See `ConfigSource`."""
        section = OmegaConf.create(dict(self._sections[_name(config_path)]))
        return ConfigResult(self.provider, self.full_path(), section, {"package": None})

    def available(self) -> bool:
        """See `ConfigSource`."""
        return True

    def is_group(self, config_path: str) -> bool:
        """See `ConfigSource`."""
        return any(name.startswith(f"{config_path}/") for name in self._sections)

    def is_config(self, config_path: str) -> bool:
        """See `ConfigSource`."""
        return _name(config_path) in self._sections

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """See `ConfigSource`."""
        if results_filter == ObjectType.GROUP:
            return []
        return sorted(name.rpartition("/")[2] for name in self._sections if name.rpartition("/")[0] == config_path)


def _name(config_path: str) -> str:
    return config_path.removesuffix(".yaml").strip("/")
