"""Finds the experiment that a command line names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sim_core.errors import SpecError, choices

FOLDER = "experiments"  # of the project's own experiments
_SUFFIXES = (".yaml", ".yml")


def find_experiment(typed: Path, root: Path, commands: Iterable[str] = ()) -> Path:
    """The file of the experiment: the one that was typed, else NAME.yaml in this folder or in `root`/experiments.

    `commands` are other words that may stand in its place, for the error. Raises SpecError for a name without a file;
    a path with a folder is returned as it is, and who reads it finds what is in that folder.
    """
    if len(typed.parts) > 1 or (typed.exists() and not typed.is_dir()):
        return typed
    names = [typed.name] if typed.suffix in _SUFFIXES else [f"{typed.name}{suffix}" for suffix in _SUFFIXES]
    own = Path(FOLDER) if root == Path.cwd() else root / FOLDER
    for folder in (Path(), own):
        for name in names:
            if (path := folder / name).is_file():
                return path
    files = [path for folder in (Path(), own) for path in _in(folder)]
    known = dict.fromkeys([*(path.stem for path in files), *commands])
    name = typed.stem if typed.suffix in _SUFFIXES else typed.name
    raise SpecError(f"no such experiment: no file here, and none in {own}{choices(name, known)}", source=str(typed))


def _in(folder: Path) -> list[Path]:
    """The experiments in a folder, by name."""
    return sorted((path for path in folder.glob("*") if path.suffix in _SUFFIXES), key=lambda path: path.stem)
