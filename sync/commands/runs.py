"""Finding the run that a text names: by its name or the beginning of its key, in one sweep or in any."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sim_core.errors import SpecError, nearest
from sync.load import list_sweeps, load_sweep
from sync.results.outcome import Outcome
from sync.results.point_id import point_text
from sync.results.sweep import Sweep

Found = tuple[Sweep, Outcome]
_SHORTEST_KEY = 4


def find_run(results: Path, text: str, source: str | None = None, near: Sweep | None = None) -> Found:
    """The run that `text` names, in the sweep that it names, else in `near` where that has it, else in any sweep.
    Raises SpecError when it names no run or several."""
    name, colon, rest = text.partition(":")
    names = list_sweeps(results)
    searched = [] if near is None else [near]
    found: list[Found] = []
    if not colon or (name not in names and source is None):  # a run's name may hold a colon, too
        found = _search(searched, text)
        if not found:
            others = [load_sweep(other, results, source, everything=True) for other in names]
            found, searched = _search(others, text), searched + others
    if colon and not found:
        sweep = load_sweep(name, results, source, everything=True)
        return sweep, run_of(sweep, rest)
    if not searched:
        raise SpecError(f"no results in {results}; of another store, write SWEEP:RUN", key="RUN", value=text)
    outcome = _one([outcome for _, outcome in found], text, searched)
    return next((sweep, run) for sweep, run in found if run.key == outcome.key)


def _search(sweeps: Iterable[Sweep], text: str) -> list[Found]:
    return [(sweep, outcome) for sweep in sweeps for outcome in _matching(sweep, text)]


def _matching(sweep: Sweep, text: str) -> list[Outcome]:
    """The runs with this name; else the repetition with the lowest seed of those that have it in common; else those
    whose key begins so."""
    outcomes = sweep.outcomes.values()
    named = [outcome for outcome in outcomes if outcome.name == text]
    if repeated := [outcome for outcome in outcomes if point_text(outcome.point_id) == text]:
        named = named or [min(repeated, key=lambda outcome: outcome.seed)]
    by_key = [outcome for outcome in outcomes if len(text) >= _SHORTEST_KEY and outcome.key.startswith(text)]
    return named or by_key


def run_of(sweep: Sweep, text: str, key: str = "RUN") -> Outcome:
    """The run of one sweep that `text` names: by its name, or by the beginning of its key. Raises SpecError."""
    return _one(_matching(sweep, text), text, [sweep], key)


def _one(matching: list[Outcome], text: str, searched: list[Sweep], key: str = "RUN") -> Outcome:
    keys = dict.fromkeys(outcome.key for outcome in matching)
    if len(keys) == 1:
        return matching[0]
    if keys:
        keys_text = ", ".join(f"{outcome.key[:10]} {outcome.name}" for outcome in matching[:3])
        raise SpecError(f"{len(keys)} runs have it ({keys_text}, ...): write more of the key", key=key, value=text)
    close = nearest(text, [outcome.name for sweep in searched for outcome in sweep.outcomes.values()])
    hint = f"; did you mean {close!r}?" if close else ""
    raise SpecError(f"no run has this name or key{hint} (`python -m sync show SWEEP` lists them)", key=key, value=text)
