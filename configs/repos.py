"""Reads repositories: folders with a YAML file for each entry (a processor, a model, a scheduler ...)."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from configs.bounded import read_yaml
from configs.explain import unresolved
from configs.folders import Inside
from configs.resolvers import only_our_resolvers
from sim_core.errors import SpecError

# The keys whose values are folders of entries, by group of the configuration.
REPOSITORIES = {
    "hardware_repo": ("processors", "skus", "interconnects"),
    "model_repo": ("architectures", "sizes"),
    "orchestrator_repo": ("schedulers", "allocators"),
}


class RepoReader:
    """Reads each folder once. Paths are relative to `root`, or absolute; with `inside`, only files that it accepts.
    With `may_be_read`, entries may stand in place of their folder: `configs.plugins` puts schedulers there."""

    def __init__(self, root: Path, inside: Inside | None = None, *, may_be_read: bool = False) -> None:
        self._root = root
        self._inside = inside
        self._may_be_read = may_be_read
        self._read: dict[str, dict[str, Any]] = {}

    def inline(self, resolved: dict[str, Any]) -> None:
        """Replace the folders in a resolved configuration by their contents, in place. Raises SpecError."""
        for group, keys in REPOSITORIES.items():
            folders = resolved.get(group)
            if not isinstance(folders, dict):
                raise SpecError("must name the folders " + ", ".join(keys), key=group, value=folders)
            for key in keys:
                folders[key] = self.entries(folders.get(key), key=f"{group}.{key}")

    def entries(self, folder: object, *, key: str) -> dict[str, Any]:
        """The contents of a folder's files, sorted by their names without the ending. Raises SpecError."""
        if self._may_be_read and isinstance(folder, dict):
            return folder
        if not isinstance(folder, str):
            raise SpecError("must be the path of a folder", key=key, value=folder)
        if folder not in self._read:
            self._read[folder] = {file.stem: _entry(file, f"{folder}/{file.name}") for file in self._files(folder, key)}
        return copy.deepcopy(self._read[folder])

    def _files(self, folder: str, key: str) -> list[Path]:
        self._check(self._root / folder, key, folder, folder)
        try:
            files = sorted(p for p in (self._root / folder).iterdir() if p.suffix in (".yaml", ".yml"))
        except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: no folder has such a name
            raise SpecError("no such folder", key=key, value=folder) from error
        except OSError as error:
            raise SpecError(f"cannot be read: {error.strerror}", key=key, value=folder) from error
        if not files:
            raise SpecError("the folder holds no YAML file", key=key, value=folder)
        for file in files:
            self._check(file, key, f"{folder}/{file.name}", folder)
        return files

    def _check(self, path: Path, key: str, value: str, folder: str) -> None:
        if self._inside is not None:
            self._inside.check(path, key=key, value=value, option=f"{key}={folder}")


def _entry(file: Path, source: str) -> dict[str, Any]:
    content = read_yaml(file, source)
    if not isinstance(content, dict) or not content or not all(isinstance(name, str) for name in content):
        raise SpecError("must be a mapping of names to values", source=source)
    if _says_all(content):
        return content
    try:
        with only_our_resolvers():
            entry: Any = OmegaConf.to_container(OmegaConf.create(content), resolve=True)
    except (OmegaConfBaseException, RecursionError) as error:
        problem = unresolved(error)
        raise SpecError(problem.reason, key=problem.key, source=source) from error
    return {str(name): value for name, value in entry.items()}


def _says_all(value: Any) -> bool:
    """Whether OmegaConf would give the value back as it is, as no text refers to another. It takes longer over it than
    reading the file takes."""
    if isinstance(value, dict):
        return all(isinstance(name, str) and _says_all(part) for name, part in value.items())
    if isinstance(value, list):
        return all(map(_says_all, value))
    return not isinstance(value, str) or "${" not in value
