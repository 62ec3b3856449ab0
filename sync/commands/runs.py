"""Finding the run that a text names, in one sweep or in any; the rule is in `sync.results.run_names`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from sim_core.errors import SpecError, shown
from sync.load import list_sweeps, load_sweep
from sync.results.outcome import Outcome
from sync.results.run_names import lists_of, matching, named, the_one
from sync.results.sweep import Sweep

Found = tuple[Sweep, Outcome]


def find_run(results: Path, text: str, source: str | None = None, near: Sweep | None = None) -> Found:
    """The run that `text` names, in the sweep that it names, else in `near` where that has it, else in any sweep.
    Raises SpecError when it names no run or several."""
    name, colon, rest = text.partition(":")
    names = list_sweeps(results)
    searched: list[Sweep] = [] if near is None else [near]
    found: list[Found] = []
    if not colon or (name not in names and source is None):  # a run's name may hold a colon, too
        found = _search(searched, text)
        if not found:
            others: list[Sweep] = [load_sweep(other, results, source, everything=True) for other in names]
            found, searched = _search(others, text), searched + others
    if colon and not found:
        sweep = load_sweep(name, results, source, everything=True)
        return sweep, run_of(sweep, rest)
    if not found and text in names:
        raise SpecError(
            f"is a sweep; name one of its runs: {shown(text)}:RUN ({lists_of(text)})", key="RUN", value=text
        )
    if not searched:
        reason = f"no results in {shown(results)}; of another store, write SWEEP:RUN"
        raise SpecError(reason, key="RUN", value=text)
    known = [outcome for sweep in searched for outcome in sweep.outcomes.values()]
    outcome = the_one(text, [outcome for _, outcome in found], known, "RUN", "python -m sync show SWEEP")
    return next((sweep, run) for sweep, run in found if run.key == outcome.key)


def _search(sweeps: Sequence[Sweep], text: str) -> list[Found]:
    """Runs that the experiments have now come before those that they had."""
    now = [(sweep, outcome) for sweep in sweeps for outcome in matching(text, sweep.current.values())]
    return now or [(sweep, outcome) for sweep in sweeps for outcome in matching(text, sweep.outcomes.values())]


def run_of(sweep: Sweep, text: str, key: str = "RUN") -> Outcome:
    """The run of one sweep that `text` names. Raises SpecError when it names none or several."""
    found = _search([sweep], text)
    known = list(sweep.outcomes.values())
    return the_one(text, [outcome for _, outcome in found], known, key, lists_of(sweep.name))


def chosen_runs(sweep: Sweep, arguments: argparse.Namespace) -> list[Outcome]:
    """The runs of a sweep that the arguments `runs` and `--where` choose. Raises SpecError for a run or a column that
    it does not have, and where no run is left."""
    chosen = sweep.where(**dict(arguments.where)) if arguments.where or not arguments.runs else sweep.outcomes.values()
    runs = (named(text, chosen, "RUN", lists_of(sweep.name)) for text in arguments.runs)
    return list({run.key: run for run in runs}.values()) if arguments.runs else list(chosen)
