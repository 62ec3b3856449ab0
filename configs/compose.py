"""Turns overrides, as they are typed on a command line, into plain settings.

Hydra composes the configuration, which holds no import paths: a policy is a name, and the package with the policy looks
it up in its table.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from configs.explain import explain, unresolved
from configs.folders import Inside
from configs.groups import group_options, only_checked_loaders
from configs.repos import RepoReader
from configs.resolvers import only_our_resolvers, register_resolvers
from configs.texts import TextSettings
from sim_core.errors import SimError, SpecError
from sim_core.spec import PluginSpec

if TYPE_CHECKING:
    from configs.plugins import Sections

CONFIG_DIR: Path = Path(__file__).resolve().parent

# Left out of the resolved configuration: the folder where a single run writes does not change the run, and its template
# refers to two server groups, which a cluster need not have.
_NOT_OF_THE_RUN = ("output_dir", "hydra")


def compose(overrides: Sequence[str]) -> DictConfig:
    """config.yaml with the overrides applied and with its interpolations. Raises SpecError."""
    return Composer().compose(overrides)


def resolve(cfg: DictConfig, resolvers: Collection[str] = (), plugins: Sequence[PluginSpec] = ()) -> dict[str, Any]:
    """A composed configuration as plain values: interpolations are resolved, repositories read. Raises SpecError.
    `resolvers` are known beside ours, and policies of `plugins` beside the project's."""
    return Composer(resolvers=resolvers, plugins=plugins).resolve(cfg)


class Composer:
    """Composes many configurations fast: each choice of groups is composed once, values are patched into copies.

    The results are those of the functions `compose` and `resolve`; the caller may change them. The files of the
    configuration are read once.
    """

    def __init__(
        self, inside: Inside | None = None, resolvers: Collection[str] = (), plugins: Sequence[PluginSpec] = ()
    ) -> None:
        """With `inside`, folders of repositories are read only where it accepts them: for settings from a file.
        `resolvers` are known beside ours: those that the person at the command line wrote there. The policies of
        `plugins` may be chosen as the project's own. Raises PluginError where a name is used twice."""
        register_resolvers()
        self._also = tuple(resolvers)
        self._loader = config_loader(plugins)
        self._parser = OverridesParser.create(config_loader=self._loader)
        self.texts = TextSettings(CONFIG_DIR)
        self._parsed: dict[str, Override] = {}
        self._is_group: dict[str, bool] = {}
        self._bases: dict[tuple[str, ...], DictConfig] = {}
        self._repos = RepoReader(CONFIG_DIR.parent, inside, may_be_read=bool(plugins))

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The same as the function `compose`."""
        overrides = [self.texts.as_written(text) for text in overrides]
        with only_our_resolvers(self._also):
            try:
                groups, values = self._split(overrides)
                if values is None:
                    return self._load(overrides)
                cfg = copy.deepcopy(self._base(groups))
                for override in values:
                    _patch(cfg, override)
                return cfg
            except Exception as error:  # Hydra answers odd input with exceptions of any kind
                raise self._explained(error, overrides) from error

    def resolve(self, cfg: DictConfig) -> dict[str, Any]:
        """The same as the function `resolve`."""
        resolved: dict[str, Any] = {}
        try:
            with only_our_resolvers(self._also):
                for name in cfg:
                    if name not in _NOT_OF_THE_RUN:
                        resolved[str(name)] = _plain(cfg[name])
        except (OmegaConfBaseException, RecursionError) as error:
            raise unresolved(error) from error
        self._repos.inline(resolved)
        return resolved

    def resolved(self, overrides: Sequence[str]) -> dict[str, Any]:
        """`resolve(compose(overrides))`."""
        return self.resolve(self.compose(overrides))

    def _split(self, overrides: Sequence[str]) -> tuple[tuple[str, ...], list[Override] | None]:
        """The choices of groups and the values to patch; None for the values if only Hydra can apply them."""
        groups: list[str] = []
        values: list[Override] | None = []
        for text in overrides:
            override = self._parse(text)
            key = override.key_or_group
            known = override.type in (OverrideType.CHANGE, OverrideType.ADD, OverrideType.FORCE_ADD)
            if not known or override.package is not None or override.is_sweep_override() or _is_hydra(key):
                values = None
            elif self._names_group(key):
                groups.append(text)
                if not isinstance(override.value(), str):
                    values = None
            elif values is not None:
                values.append(override)
        return tuple(groups), values

    def _parse(self, text: str) -> Override:
        if text not in self._parsed:
            self._parsed[text] = self._parser.parse_override(text)
        return self._parsed[text]

    def _names_group(self, key: str) -> bool:
        if key not in self._is_group:
            self._is_group[key] = bool(group_options(self._loader, key))
        return self._is_group[key]

    def _base(self, groups: tuple[str, ...]) -> DictConfig:
        if groups not in self._bases:
            self._bases[groups] = self._load(groups)
        return self._bases[groups]

    def _load(self, overrides: Sequence[str]) -> DictConfig:
        cfg = self._loader.load_configuration("config", list(overrides), RunMode.RUN, from_shell=False)
        with open_dict(cfg):
            del cfg["hydra"]
        return cfg

    def _explained(self, error: Exception, overrides: Sequence[str]) -> SimError:
        if isinstance(error, SimError):
            return error
        try:
            base = self._base(self._split(overrides)[0])
        except Exception:  # the choice of groups is wrong
            base = None
        return explain(error, overrides, self._loader, base)


def config_loader(plugins: Sequence[PluginSpec] = ()) -> ConfigLoader:
    """Hydra's reader of the files in this folder, and of the sections of plugins. Hydra hands it out only through a
    global of its own, which may be in use and is restored."""
    sections = plugin_sections(plugins)
    outer = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        with only_checked_loaders(sections), initialize_config_dir(str(CONFIG_DIR), version_base=None):
            return GlobalHydra.instance().config_loader()
    finally:
        GlobalHydra.instance().hydra = outer


def plugin_sections(plugins: Sequence[PluginSpec]) -> Sections:
    """The sections of the policies of plugins, see `configs.plugins`. Raises PluginError."""
    if not plugins:
        return {}
    from configs.plugins import sections_of  # here: not needed at every start

    return sections_of(plugins)


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True, throw_on_missing=True) if OmegaConf.is_config(value) else value


def _is_hydra(key: str) -> bool:
    return key == "hydra" or key.startswith(("hydra.", "hydra/"))


def _patch(cfg: DictConfig, override: Override) -> None:
    """Apply one `key=value`, `+key=value` or `++key=value` as Hydra does."""
    key, value = override.key_or_group, override.value()
    if not key:
        raise SpecError(f"cannot read the override {override.input_line!r}: it has no key")
    adds_value = override.is_add() and not isinstance(value, dict | list)
    if adds_value and OmegaConf.select(cfg, key, throw_on_missing=False) is not None:
        raise SpecError("is there already: leave out the +", key=key, value=value)
    OmegaConf.update(cfg, key, value, merge=True, force_add=override.is_add() or override.is_force_add())
