"""The groups of the configuration: folders with a file for each choice. The value of a group is the name of a file.

Hydra takes the value for a path: `+experiment=../../../elsewhere/evil` would read a file anywhere, which may then set
`hydra.*`. So all that Hydra reads here passes `CheckedLoader`, which knows only the names of files that are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import hydra._internal.hydra as hydra_internals
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import IConfigRepository
from hydra.core.config_loader import ConfigLoader
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override

from sim_core.errors import SpecError, choices

if TYPE_CHECKING:
    from configs.plugins import Sections

LONGEST_GROUP = 100  # characters of a group's name; file systems refuse to look up longer names


def group_options(loader: ConfigLoader, key: str) -> list[str]:
    """The choices of a configuration group; empty if `key` is no group."""
    is_none = "." in key or not key or len(key) > LONGEST_GROUP
    return [] if is_none else loader.get_group_options(key, ObjectType.CONFIG)


def check_choice(override: Override, options: Sequence[str]) -> None:
    """Raise SpecError if an override of a group has a value that is none of the group's `options`."""
    for value in _values(override):
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and name not in options:
                raise SpecError(f"no such choice{choices(name, options)}", key=override.key_or_group, value=name)


class CheckedLoader(ConfigLoaderImpl):
    """Hydra's reader of configurations. It reads no file of a group but those that `group_options` lists. `sections`
    are those of plugins, which it offers as if they were files."""

    def __init__(self, config_search_path: ConfigSearchPath, sections: Sections | None = None) -> None:
        super().__init__(config_search_path)
        self._sections = sections or {}
        self._offer(self.repository)

    def _offer(self, repository: IConfigRepository) -> None:
        """Offer the sections of plugins, in front of all files."""
        if not self._sections:
            return
        from configs.plugins import PluginSource  # here: not needed at every start

        sources = repository.get_sources()
        if not any(isinstance(source, PluginSource) for source in sources):
            sources.insert(0, PluginSource(self._sections))

    def _parse_overrides_and_create_caching_repo(self, *args: Any, **kwargs: Any) -> Any:
        # Hydra's launchers call this in their own processes, too. `repository` has the folders of hydra.searchpath.
        overrides, repository = super()._parse_overrides_and_create_caching_repo(*args, **kwargs)
        self._offer(repository)
        _check_choices(overrides, repository)
        return overrides, repository


@contextmanager
def only_checked_loaders(sections: Sections | None = None) -> Iterator[None]:
    """Within this block Hydra makes a `CheckedLoader` with `sections` wherever it makes a reader of configurations."""
    former = hydra_internals.ConfigLoaderImpl  # type: ignore[attr-defined]
    hydra_internals.ConfigLoaderImpl = partial(CheckedLoader, sections=sections)  # type: ignore[attr-defined, assignment]
    try:
        yield
    finally:
        hydra_internals.ConfigLoaderImpl = former  # type: ignore[attr-defined]


def _check_choices(overrides: Iterable[Override], repository: IConfigRepository) -> None:
    for override in overrides:
        key = override.key_or_group
        # A folder without files for choices, such as __pycache__, is a group for Hydra, too.
        if key and "." not in key and not override.is_delete() and repository.group_exists(key):
            check_choice(override, repository.get_group_options(key, ObjectType.CONFIG))


def _values(override: Override) -> list[Any]:
    value: Any = override.value()
    if isinstance(value, ChoiceSweep):
        return [] if isinstance(value.list, Glob) else list(override.sweep_iterator())
    return [value]
