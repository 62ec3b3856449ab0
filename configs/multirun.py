"""Hydra's runs: those that a multirun has, what their jobs returned, and what Hydra need not look for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra.types import RunMode

from configs.compose import config_loader
from configs.texts import HYDRAS_TEXTS
from sim_core.errors import SpecError
from sim_core.spec import PluginSpec


def runs_of(overrides: Sequence[str], plugins: Sequence[PluginSpec] = ()) -> list[tuple[str, ...]]:
    """The overrides of every run of a multirun, in Hydra's order. They include the parameters that an experiment's file
    gives Hydra's sweeper, unless `overrides` replace them. They may choose policies of `plugins`.

    Raises SpecError for an interval, and HydraException for an override that cannot be read.
    """
    loader = config_loader(plugins)
    texts = list(overrides)
    try:
        hydra = loader.load_configuration("config", texts, RunMode.MULTIRUN, from_shell=False).hydra
        texts = [f"{name}={value}" for name, value in (hydra.sweeper.params or {}).items()] + list(hydra.overrides.task)
    except Exception:  # Hydra answers odd input with exceptions of any kind
        pass  # composing each run by itself will say what is wrong
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(texts)
    for override in parsed:
        if override.is_interval_sweep():
            reason = "an interval has no end of values; give a range(start, stop, step), or a list"
            raise SpecError(reason, key=override.key_or_group, value=override.get_value_string())
    return [tuple(run) for run in BasicSweeper.split_arguments(parsed, None)[0]]


@contextmanager
def mode_looked_for_where_it_may_be(arguments: Sequence[str]) -> Iterator[None]:
    """Within this block Hydra skips its second composition, which only looks for `hydra.mode`, unless one of the
    command line's `arguments` could set the mode."""
    get_mode = Hydra.get_mode
    if not any(_may_bring_a_mode(argument) for argument in arguments):
        Hydra.get_mode = lambda *_, **__: None  # type: ignore[method-assign]  # its result if no mode is set
    try:
        yield
    finally:
        Hydra.get_mode = get_mode  # type: ignore[method-assign]


def _may_bring_a_mode(argument: str) -> bool:
    """Whether an argument sets the mode, is an option, or adds a file of a group, such as an experiment."""
    key = argument.partition("=")[0]
    if key.startswith("-"):
        return key not in ("-m", "--multirun")
    return key.lstrip("+") in ("hydra", "hydra.mode") or (key.startswith("+") and "." not in key)


@contextmanager
def plugins_looked_for_where_they_may_be(arguments: Sequence[str]) -> Iterator[None]:
    """Within this block Hydra knows no plugins but its own, unless one of the command line's `arguments` could name
    another: to look for them it imports the launchers that are installed, which takes a tenth of a short run."""
    if any(map(_may_bring_a_plugin, arguments)):
        yield
        return
    scan, known = Plugins._scan_all_plugins, set(Singleton._instances)

    def scan_hydras_own(modules: list[Any]) -> Any:
        return scan([module for module in modules if module.__name__.startswith("hydra.")])

    Plugins._scan_all_plugins = staticmethod(scan_hydras_own)  # type: ignore[method-assign]
    try:
        yield
    finally:
        Plugins._scan_all_plugins = staticmethod(scan)  # type: ignore[method-assign]
        if Plugins not in known:  # who asks next gets all
            Singleton._instances.pop(Plugins, None)


def _may_bring_a_plugin(argument: str) -> bool:
    """Whether an argument may bring a mode, or sets more of Hydra's own than the names of folders."""
    key = argument.partition("=")[0].lstrip("+~")
    return _may_bring_a_mode(argument) or (key.startswith("hydra") and key not in HYDRAS_TEXTS)


@contextmanager
def kept_returns() -> Iterator[list[JobReturn]]:
    """What the jobs return that Hydra runs within this block, in order. `hydra.main` drops it, and has no hook for it
    that runs in this process."""
    kept: list[JobReturn] = []
    run, multirun = Hydra.run, Hydra.multirun

    def keeping_run(self: Hydra, *args: Any, **kwargs: Any) -> JobReturn:
        job = run(self, *args, **kwargs)
        kept.append(job)
        return job

    def keeping_multirun(self: Hydra, *args: Any, **kwargs: Any) -> Any:
        batches = multirun(self, *args, **kwargs)
        kept.extend(job for batch in batches for job in batch)
        if not kept:
            raise SpecError("a multirun over no value is no run: one of its ranges is empty")
        return batches

    Hydra.run, Hydra.multirun = keeping_run, keeping_multirun  # type: ignore[method-assign]
    try:
        yield kept
    finally:
        Hydra.run, Hydra.multirun = run, multirun  # type: ignore[method-assign]
