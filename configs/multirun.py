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


def runs_of(overrides: Sequence[str]) -> list[tuple[str, ...]]:
    """The overrides of every run of a multirun with these, in Hydra's order: the parameters that an experiment's file
    gives Hydra's sweeper included, those on the command line taking their place. Raises what Hydra does."""
    loader = config_loader()
    hydra = loader.load_configuration("config", list(overrides), RunMode.MULTIRUN, from_shell=False).hydra
    swept = [f"{name}={value}" for name, value in (hydra.sweeper.params or {}).items()]
    parsed = OverridesParser.create(config_loader=loader).parse_overrides([*swept, *hydra.overrides.task])
    return [tuple(run) for run in BasicSweeper.split_arguments(parsed, None)[0]]


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
        return batches

    Hydra.run, Hydra.multirun = keeping_run, keeping_multirun  # type: ignore[method-assign]
    try:
        yield kept
    finally:
        Hydra.run, Hydra.multirun = run, multirun  # type: ignore[method-assign]
