"""Which files a file may name. An experiment from somebody else could name a private folder, whose content would end in
the configuration, and so in the results and in MLflow.

The command line may name any folder. A file may name what is below the project, below the file's own folder, and below
what the command line names; neither a link nor the name of a hidden file leads out of these.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim_core.errors import SpecError


@dataclass(frozen=True)
class Inside:
    """Accepts files that are below one of `folders`, also by links, unless hidden there; and whatever is below one of
    `named`, by links or not. `what` are the folders in words, for errors."""

    folders: tuple[Path, ...]
    named: tuple[Path, ...] = ()
    what: str = "the project and of the experiment file's folder"

    @classmethod
    def of(cls, folders: Iterable[Path], values: Iterable[object] = (), root: Path = Path()) -> Inside:
        """Files below `folders`, or below what `values` of a command line name; those are relative to `root`."""
        named = (_named(text, root) for value in values for text in _texts(value))
        return cls(tuple(folder.resolve() for folder in folders), tuple(path for path in named if path is not None))

    def check(self, path: Path, *, key: str, value: str, option: str = "") -> None:
        """Raise SpecError unless `path` is accepted. `value` of the setting `key` names it; the error says that the
        command line may name it by `option`, or else by the same setting."""
        try:
            plain, real = _plain(path), path.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise SpecError("no file can have such a name", key=key, value=value) from error
        if any(plain.is_relative_to(folder) for folder in self.named):
            return
        places = [real.relative_to(folder).parts for folder in self.folders if real.is_relative_to(folder)]
        if any(not any(part.startswith(".") for part in parts) for parts in places):
            return
        where = "leads to a hidden file" if places else f"leads out of {self.what}"
        reason = f"{where}; if you trust the experiment, say {option or f'{key}={value}'} on the command line"
        raise SpecError(reason, key=key, value=value)


def _plain(path: Path) -> Path:
    """The absolute path without `..`; its links stay."""
    return Path(os.path.normpath(path.absolute()))


def _texts(value: object) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(item)


def _named(text: str, root: Path) -> Path | None:
    """The file or folder that a value of the command line names; with `${rate}` in it, the folder before that."""
    fixed, reference, _ = text.partition("${")
    folder = fixed.rpartition("/")[0] if reference else fixed
    try:
        return _plain(root / Path(folder).expanduser()) if folder else None
    except (OSError, RuntimeError, ValueError):  # a text that names no file
        return None
