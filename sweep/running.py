"""What grids and searches have in common when they run: the launcher, and what is said of troubles at the end."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from configs.terminal import console, say, tell
from sim_core.spec import PluginSpec
from sweep.closing import cut_text, failures_text, standing_still_text, stopped_text
from sweep.experiment.expand import Grid
from sweep.experiment.file import Experiment
from sweep.launch.base import Launcher
from sweep.launch.serial import SerialLauncher
from sweep.service import EndedSweep, sweep_id
from sync.results.outcome import SweepInfo
from sync.results.privacy import scrub
from sync.tracking.address import tracking_uri, ui_lines
from sync.tracking.writer import Delivery


def info_of(
    experiment: Experiment,
    grid: Grid,
    argv: Sequence[str],
    *,
    points: int,
    systems: Mapping[str, Sequence[float]],
    skus: Iterable[str],
) -> SweepInfo:
    """What a sweep is, for its results. `argv` are the arguments that it was started with, `points` and `systems` what
    it plans, and `skus` the types of its machines."""
    return SweepInfo(
        name=experiment.name,
        description=experiment.description,
        sweep_id=sweep_id(grid.experiment),
        experiment_text=experiment.text,
        points=points,
        command=scrub(shlex.join(["python", "-m", "sweep", *argv])),
        slo=experiment.slo,
        systems=systems,
        plugins={plugin.sha256: {"file": plugin.file, "text": plugin.text} for plugin in experiment.plugins.values()},
        machines={sku: asdict(grid.figures[sku]) for sku in sorted(set(skus)) if sku in grid.figures},
    )


def launcher_of(arguments: argparse.Namespace, root: Path) -> Launcher:
    """The launcher that the options ask for."""
    if arguments.local or arguments.point is not None:
        return SerialLauncher(root, arguments.timeout_per_run)
    from sweep.launch.ray_launcher import RayLauncher

    return RayLauncher(arguments.address, arguments.jobs, arguments.timeout_per_run)


def show_counts(ended: EndedSweep, info: SweepInfo, screen: Console, *, is_search: bool = False) -> None:
    """How many points ran, and how they ended."""
    completed, stopped = (sum(o.status == status for o in ended.outcomes) for status in ("completed", "stopped"))
    reused = f" ({ended.reused} of them finished before)" if ended.reused else ""
    unstable = f", {stopped} stopped as unstable" if stopped else ""
    failed = f", {len(ended.failed)} failed{reused}" if ended.failed else f"{reused}, 0 failed"
    if is_search:
        say(screen, f"{completed} completed{unstable}{failed}")
        return
    count = len(ended.outcomes) + ended.missing
    of_total = f" ({count} of {info.points} points)" if count != info.points else ""
    say(screen, f"{completed} completed{unstable}{failed}, {ended.missing} not run{of_total}")


def show_odd_points(
    ended: EndedSweep, screen: Console, typed: Sequence[str] | None, plugins: Mapping[str, PluginSpec]
) -> None:
    """The points that stand still, were cut, were stopped as unstable, or failed; `typed` are the sweep's own arguments
    (None: a search, of which it is no news that points were stopped), `plugins` those of its experiment."""
    for part in (
        standing_still_text(ended.outcomes),
        cut_text(ended.outcomes),
        None if typed is None else stopped_text(ended.outcomes),
        failures_text(ended.outcomes, typed, plugins),
    ):
        if part:
            screen.print(part, soft_wrap=True)


def show_troubles(ended: EndedSweep, delivery: Delivery, arguments: argparse.Namespace, screen: Console) -> None:
    """Why the sweep is not complete or its results are not delivered; else where MLflow has them."""
    if ended.given_up:
        tell(screen, f"given up after {arguments.max_failures} failures (--max-failures); the same command goes on")
    elif ended.missing:
        tell(screen, "interrupted; finished points are kept, and the same command goes on from there")
    if delivery.undelivered:
        tell(
            screen,
            f"warning: {len(delivery.undelivered)} results did not reach {arguments.sink} ({delivery.error}); they are"
            " kept, and the same command delivers them",
        )
    if arguments.sink == "mlflow" and ended.outcomes:
        command = "\n  ".join(ui_lines(tracking_uri(arguments.results), delivery.page))
        console().print(f"to compare the runs in MLflow:\n  {command}", soft_wrap=True)
