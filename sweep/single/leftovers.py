"""Puts away what Hydra leaves of a run that was refused."""

from __future__ import annotations

import shutil
from pathlib import Path


def remove_unused(folder: Path) -> None:
    """Remove the output folder of a run that was refused, and the folders above it that this leaves empty.

    Only below the working folder, and only where there is nothing but what Hydra wrote before the run.
    """
    here = Path.cwd()
    if here not in folder.parents or not all(_is_hydras(path) for path in folder.iterdir()):
        return
    shutil.rmtree(folder)
    for parent in folder.parents:
        if parent == here or any(parent.iterdir()):
            return
        parent.rmdir()


def _is_hydras(path: Path) -> bool:
    return path.name == ".hydra" or (path.suffix == ".log" and path.stat().st_size == 0)
