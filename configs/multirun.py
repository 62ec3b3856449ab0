"""Multiruns as Hydra makes them: the runs that one will have, and what Hydra keeps back of those it made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.types import RunMode

from configs.compose import config_loader
from sim_core.errors import SpecError


def runs_of(overrides: Sequence[str]) -> list[tuple[str, ...]]:
    """The overrides of every run of a multirun with these, in Hydra's order: the parameters that an experiment's file
    gives Hydra's sweeper included, those on the command line taking their place.

    Raises SpecError for an interval, and HydraException where an override cannot be read.
    """
    loader = config_loader()
    given = list(overrides)
    try:
        hydra = loader.load_configuration("config", given, RunMode.MULTIRUN, from_shell=False).hydra
        given = [f"{name}={value}" for name, value in (hydra.sweeper.params or {}).items()] + list(hydra.overrides.task)
    except Exception:  # Hydra answers odd input with whatever it stumbles over
        pass  # no file of an experiment, then; each run by itself says what is wrong with it
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(given)
    for override in parsed:
        if override.is_interval_sweep():
            reason = "an interval has no end of values; give a range(start, stop, step), or a list"
            raise SpecError(reason, key=override.key_or_group, value=override.get_value_string())
    return [tuple(run) for run in BasicSweeper.split_arguments(parsed, None)[0]]


@contextmanager
def mode_looked_for_where_it_may_be(arguments: Sequence[str]) -> Iterator[None]:
    """Hydra composes all of the configuration once more to see whether it sets a mode: meanwhile only if one of the
    command line's `arguments` may bring one with it."""
    get_mode = Hydra.get_mode
    if not any(_may_bring_a_mode(argument) for argument in arguments):
        Hydra.get_mode = lambda *_, **__: None  # type: ignore[method-assign]  # what it finds where none is set
    try:
        yield
    finally:
        Hydra.get_mode = get_mode  # type: ignore[method-assign]


def _may_bring_a_mode(argument: str) -> bool:
    """The mode itself, an option, or a file of a group beside those of config.yaml, such as an experiment."""
    key = argument.partition("=")[0]
    if key.startswith("-"):
        return key not in ("-m", "--multirun")
    return key.lstrip("+") in ("hydra", "hydra.mode") or (key.startswith("+") and "." not in key)


@contextmanager
def kept_returns() -> Iterator[list[JobReturn]]:
    """What the jobs return that Hydra runs meanwhile, in order, wherever its launcher ran them.

    `hydra.main` throws it away, and has no hook for it on this side of the launcher.
    """
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
            raise SpecError("a multirun over no value is no run: one of the ranges given is empty")
        return batches

    Hydra.run, Hydra.multirun = keeping_run, keeping_multirun  # type: ignore[method-assign]
    try:
        yield kept
    finally:
        Hydra.run, Hydra.multirun = run, multirun  # type: ignore[method-assign]
