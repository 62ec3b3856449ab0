"""Loads the plugins of an experiment: those that it names under `plugins`, and those of the command line.

    name: my-policy
    plugins: [my_policy.py]  # in the folder of this file, or below it
    overrides: {applications.0.scheduler: best_of_some}
    systems: {a100: {}}

Their code runs in the driver and in every worker, so an experiment's own plugins are below its folder, and a line says
which files they are before they are loaded. `sim_core.plugins` has what a plugin is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from configs.command_line import PLUGIN
from configs.folders import Inside
from sim_core.errors import SpecError
from sweep.experiment.file import Experiment, errors_named


def with_plugins(experiment: Experiment, typed: Sequence[Path], say: Callable[[str], None]) -> Experiment:
    """The experiment with its plugins loaded, and those that the command line names. `say` gets a line for each before
    its code runs. Raises SpecError, or PluginError for a plugin that cannot be used."""
    with errors_named(experiment.source):
        paths = [*_own(experiment, typed), *typed]
    if not paths:
        return experiment
    from sim_core.plugins import read_plugins  # here: most experiments have none

    return replace(experiment, plugins=read_plugins(paths, say))


def arguments_of(plugins: Iterable[str]) -> list[str]:
    """The arguments by which a command loads these plugins."""
    return [argument for path in plugins for argument in (PLUGIN, path)]


def _own(experiment: Experiment, typed: Sequence[Path]) -> list[Path]:
    """The files that the experiment names, which are below its folder. Raises SpecError."""
    if not experiment.plugin_files:
        return []
    if not experiment.folders:
        reason = f"an experiment without a file has no folder for plugins: name them by {PLUGIN}"
        raise SpecError(reason, key="plugins", value=", ".join(experiment.plugin_files))
    folder = experiment.folders[0]
    inside = Inside.of([folder], map(str, typed), Path.cwd())
    inside = replace(inside, what="the experiment file's folder")
    paths = []
    for name in experiment.plugin_files:
        path = folder / name
        inside.check(path, key="plugins", value=name, option=f"{PLUGIN} {path}")
        paths.append(path)
    return paths
