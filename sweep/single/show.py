"""Shows what became of single runs, and delivers their outcomes to a sink."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sweep.single.job import EndedRun
from sync.analysis.iteration_times import CONSTANTS_WARNING_OF_A_RUN


def show(runs: Sequence[EndedRun], is_multirun: bool) -> int:
    """Show the runs and deliver their outcomes; returns the exit status."""
    try:
        _print(runs, is_multirun)
        sys.stdout.flush()
    except BrokenPipeError:  # `... | head` reads no more, but the outcomes are still to be delivered
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    all_delivered = _deliver(runs)
    if not all_delivered or any(run.bug for run in runs):
        return 1
    return 2 if any(run.error for run in runs) else 0


def _print(runs: Sequence[EndedRun], is_multirun: bool) -> None:
    """Print each run, in a multirun with its number and the overrides that not all runs share."""
    shared = set(runs[0].overrides).intersection(*(run.overrides for run in runs)) if len(runs) > 1 else set()
    if is_multirun and any(run.has_constants for run in runs):
        print(CONSTANTS_WARNING_OF_A_RUN)
    for number, run in enumerate(runs):
        own = " ".join(override for override in run.overrides if override not in shared)
        label = f"#{number} {own}: " if is_multirun else ""
        for warning in run.warnings:
            print(f"warning: {label}{warning}", file=sys.stderr)
        for note in run.notes:
            print(f"note: {label}{note}", file=sys.stderr)
        if run.bug:
            print(f"{label}{run.bug}".rstrip(), file=sys.stderr)
        elif run.error:
            print(f"error: {label}{run.error}", file=sys.stderr)
        else:
            print(f"{label}{run.line}; {_relative(run.folder)}" if is_multirun else run.text)


def _deliver(runs: Sequence[EndedRun]) -> bool:
    """Deliver the outcomes from this process, which knows where the sinks are; returns whether all were taken."""
    all_delivered = True
    for tracking in dict.fromkeys(run.tracking for run in runs if run.tracking):
        from sweep.single.outcome import deliver

        sink, experiment = tracking
        outcomes = [run.outcome for run in runs if run.tracking == tracking and run.outcome]
        problem, where = deliver(sink, experiment, " ".join(["python -m sim_core", *sys.argv[1:]]), outcomes)
        if problem:
            all_delivered = False
            print(f"error: {sink} did not take the results: {problem} (the files are there)", file=sys.stderr)
        else:
            print(f"{sink:10} {len(outcomes)} in the experiment {experiment}", *where, sep="\n           ")
    return all_delivered


def _relative(folder: str) -> str:
    path = Path(folder)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else folder
