"""What a folder of results has of other versions of an experiment, said before a sweep changes what counts.

A file with the same name and other content leaves out the points that it does not have; a setting on the command line
that is no part of the points' facts, or other code, makes new runs that replace the finished ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from sim_core.errors import SpecError, one_line
from sweep.experiment.file import same_experiment
from sweep.experiment.point import Outcome, Point, failed_outcome
from sweep.experiment.written import read_text
from sync.results.journal import Journal
from sync.results.sweep import same_point

_MOST_CHANGES = 4  # that are listed
_MOST_OF_A_VALUE = 40  # characters
_NO_PART = ("name", "description", "slo")  # of the points that an experiment asks for
_ABSENT = "not set"


def warning_of(journal: Journal, points: Sequence[Point], experiment_text: str) -> str:
    """Sentences that say which finished runs no longer count after this start, and what to do; empty if all do."""
    before, finished = journal.info(), journal.keys()
    keys = {point.key for point in points}
    others = (journal.asked_for() & finished) - keys
    if before is None or not others:
        return ""
    place, kept = journal.folder, len(keys & finished)
    aside = f"--fresh moves the old runs to {place}/earlier."
    if not same_experiment(before.experiment_text, experiment_text):
        changes = _listed(_text_changes(before.experiment_text, experiment_text))
        return (
            f"{place} has results of another experiment of this name (changed: {changes}). Of its finished runs"
            f" {kept:,} count in this one, and {len(others):,} are left out of answers that do not say --all."
            f" To keep both, give this one another name; {aside}"
        )
    if keys <= journal.last_started() or not (replaced := list(_replaced(journal, others, points))):
        return ""
    changes = _listed(_setting_changes(replaced)) or "the code that decides results"
    return (
        f"{place} has {_runs(len(replaced))} of these points with other settings (changed: {changes})."
        f" Each stops counting when the point's new run has finished; {_runs(kept)} of other points stay."
        f" To keep both, choose another folder by --results; {aside}"
    )


def _replaced(journal: Journal, keys: frozenset[str], points: Sequence[Point]) -> Iterator[tuple[Outcome, Point]]:
    """The finished runs under `keys` that runs of `points` replace, each with the point that does."""
    by_identity = {same_point(failed_outcome(point, "", version="")): point for point in points}
    alike = {(point.system, point.design, point.workload, point.rate) for point in points}
    facts = journal.point_facts()
    for key in sorted(keys):
        of_point = facts.get(key)  # entries are many, and take long to read
        if of_point and tuple(of_point.get(name) for name in ("system", "design", "workload", "rate")) not in alike:
            continue
        outcome = journal.figures(key)
        if outcome is not None:
            point = by_identity.get(same_point(outcome.with_facts(of_point or {})))
            if point is not None:
                yield outcome, point


def _setting_changes(replaced: Sequence[tuple[Outcome, Point]]) -> list[str]:
    changes: dict[str, None] = {}
    for outcome, point in replaced:
        old, new = (dict(_setting(text) for text in run.overrides) for run in (outcome, point))
        changes |= dict.fromkeys(_differences(old, new))
    return list(changes)


def _setting(override: str) -> tuple[str, str]:
    name, _, value = override.partition("=")
    return name.lstrip("+~"), value


def _text_changes(old: str, new: str) -> list[str]:
    try:
        return _differences(*(dict(_flat(read_text(text, "").written, "")) for text in (old, new)))
    except (SpecError, AttributeError):
        return ["the file"]


def _flat(tree: Any, path: str) -> Iterator[tuple[str, str]]:
    """The values of a tree by their dotted paths."""
    if isinstance(tree, Mapping) and tree:
        parts = ((name, part) for name, part in tree.items() if path or name not in _NO_PART)
        yield from chain.from_iterable(_flat(part, f"{path}.{name}" if path else str(name)) for name, part in parts)
    else:
        yield path, str(tree)


def _differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    names = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    return [f"{name} {_short(old.get(name, _ABSENT))} -> {_short(new.get(name, _ABSENT))}" for name in names]


def _runs(count: int) -> str:
    return f"{count:,} finished run" + ("" if count == 1 else "s")


def _short(value: str) -> str:
    return one_line(value, _MOST_OF_A_VALUE)


def _listed(changes: Sequence[str]) -> str:
    more = f", and {len(changes) - _MOST_CHANGES} more" if len(changes) > _MOST_CHANGES else ""
    return ", ".join(changes[:_MOST_CHANGES]) + more
