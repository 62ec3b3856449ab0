"""The run that a text names: one rule for all commands.

A run is named by its name as any table, page or list shows it (`splitwise-ha 6P+4T conv 24 rps`, in MLflow
`24/s splitwise-ha 6P+4T conv`), by the number of its point, or by the start of its key. Of repetitions that differ by
their seed, the part of the name that they have in common names the one with the lowest seed.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Protocol, TypeVar

from sim_core.errors import SpecError, shown
from sync.results.point_id import SHOWN_OF_A_KEY, PointId, name_by_rate, point_text

NO_RUN, NO_POINT = "no run has this name or key", "no point has this number, name or key"
_MOST_NAMED = 3  # in an error
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?")
_MOST_DIGITS = 9  # of a number of a point


class Named(Protocol):
    """A point, or the run of one."""

    @property
    def name(self) -> str:
        """As it is displayed."""

    @property
    def key(self) -> str:
        """Equal for equal runs."""

    @property
    def index(self) -> int:
        """The number of the point in its experiment."""

    @property
    def axes(self) -> Mapping[str, object]:
        """The values of what varies."""

    @property
    def point_id(self) -> PointId:
        """What the point is, without its name."""


N = TypeVar("N", bound=Named)


def full_names(run: Named) -> list[str]:
    """The names of a run that no other run of its sweep has."""
    return [run.name, name_by_rate(run.point_id, run.name, with_seed="seed" in run.axes)]


def matching(text: str, runs: Iterable[N]) -> list[N]:
    """The runs that the text names, by the first rule that any run meets."""
    known = list(runs)
    wanted = _plain(" ".join(text.split()))  # a name that was copied may have gone on in a further line
    rules: Sequence[Callable[[N], bool]] = (
        lambda run: text in full_names(run),
        lambda run: wanted in map(_plain, full_names(run)),
        lambda run: wanted in map(_plain, (point_text(run.point_id), name_by_rate(run.point_id, run.name))),
        lambda run: _is_number(text) and run.index == int(text),
        lambda run: bool(text) and run.key.startswith((text, text.lower())),
    )
    for place, rule in enumerate(rules):
        if found := [run for run in known if rule(run)]:
            return [min(found, key=lambda run: run.point_id.seed)] if place == 2 and _repeated(found) else found
    return []


def named(text: str, runs: Iterable[N], key: str, lists: str, none: str = NO_RUN) -> N:
    """The run that the text names. Raises SpecError, under `key`, for none (the reason is `none`) or several; `lists`
    is the command that lists the runs."""
    known = list(runs)
    return the_one(text, matching(text, known), known, key, lists, none)


def the_one(text: str, found: Sequence[N], known: Sequence[N], key: str, lists: str, none: str = NO_RUN) -> N:
    """The run in `found`, which are what the text names among the runs in `known`. Raises SpecError as `named`."""
    keys = dict.fromkeys(run.key for run in found)
    if len(keys) == 1:
        return found[0]
    if keys:
        several = f"several runs have it ({len(keys)}): {_some(found)}; write more of it, or the key"
        raise SpecError(several, key=key, value=text)
    hint = _nearest(text, known)
    raise SpecError(f"{none}{hint} (`{lists}` lists them)", key=key, value=text)


def lists_of(sweep: str) -> str:
    """The command that lists the runs of a sweep."""
    return f"python -m sync show {shlex.quote(shown(sweep))}"


def _nearest(text: str, known: Sequence[Named]) -> str:
    """The names that are most like the text, in the form that the text has; else a few of all."""
    begin = _plain(text)
    names: dict[str, Named] = {}
    for run in known:
        for name in full_names(run):
            names.setdefault(_plain(name), run)
    close = [name for name in names if begin and name.startswith(begin)]
    close += _with_near_numbers(begin, names)
    close += get_close_matches(begin, names, n=_MOST_NAMED, cutoff=0.5)
    runs = list({names[name].key: names[name] for name in close}.values())[:_MOST_NAMED]
    if runs:
        return f"; did you mean {' or '.join(repr(shown(run.name)) for run in runs)}?"
    return f"; there are {_some(known)}" if known else ""


def _with_near_numbers(text: str, names: Iterable[str]) -> list[str]:
    """The names that differ from the text in numbers alone, such as the rate, those with the nearest numbers first."""
    wanted = list(map(float, _NUMBER.findall(text)))
    alike = [name for name in names if _NUMBER.sub("#", name) == _NUMBER.sub("#", text)] if wanted else []

    def distance(name: str) -> float:
        return sum(abs(float(own) - asked) for own, asked in zip(_NUMBER.findall(name), wanted, strict=False))

    return sorted(alike, key=distance)


def _some(runs: Sequence[Named]) -> str:
    """A few runs by key and name."""
    listed = [f"{run.key[:SHOWN_OF_A_KEY]} {shown(run.name)}" for run in runs[:_MOST_NAMED]]
    return ", ".join(listed) + (f" and {len(runs) - _MOST_NAMED:,} more" if len(runs) > _MOST_NAMED else "")


def _repeated(runs: Sequence[Named]) -> bool:
    """Whether the runs differ by their seed alone."""
    return len({run.point_id.repeated for run in runs}) == 1


def _plain(name: str) -> str:
    """The name as people copy it: escaped, in one line, in any case."""
    return " ".join(shown(name).split()).casefold()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS and text == str(int(text))
