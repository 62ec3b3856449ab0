"""The sweep.json of a sweep whose points are decided while it runs.

Its keys are those of the points that are finished, and of those that were wanted when it was last written. It is not
written for each point: so it also holds the keys of entries that are none of this sweep's, and until the sweep is done
all other entries of the journal are. That counts a sweep whole that was killed before its last keys were written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sync.results import checks
from sync.results.entry import FORMAT
from sync.results.fields import FIELDS
from sync.results.outcome import SweepInfo

GROWTH, POINT_FACTS = "growth", "point_facts"  # in sweep.json
Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Growth:
    """`is_done`: no more points will be wanted. `others` are the keys of entries that are not of this sweep."""

    is_done: bool
    others: frozenset[str]


def growth_of(contents: Mapping[str, Any]) -> Growth | None:
    """How a sweep grows, by its sweep.json; None for a sweep whose points are all known when it starts."""
    growth = contents.get(GROWTH)
    return None if growth is None else Growth(growth["is_done"], frozenset(growth["others"]))


def check_growth(key: str, value: object) -> None:
    """See `sync.results.checks`."""
    given = dict(checks.pairs(key, value))
    if type(given.get("is_done")) is not bool:
        raise checks.BadField("must be true or false", key=f"{key}.is_done", value=given.get("is_done"))
    checks.each(FIELDS["key"])(f"{key}.others", given.get("others"))


class GrowingSweep:
    """Writes the sweep.json of one start, again and again.

    `earlier` are the points of earlier starts of the same experiment that have entries, each with its facts; `others`
    the keys of all other entries. `clean` takes secrets out of a value, `write` keeps the contents of the file.
    """

    def __init__(
        self,
        info: SweepInfo,
        earlier: Mapping[str, Facts],
        others: frozenset[str],
        clean: Callable[[Any], Any],
        write: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._earlier, self._others, self._clean, self._write = earlier, others, clean, write
        self._info: SweepInfo = info
        self._facts: dict[str, Facts] = {}  # without secrets

    def write(self, points: Mapping[str, Facts], *, is_done: bool) -> None:
        """Keep which points are finished or wanted now, by key what the experiment says of each, and whether no more
        will be wanted. Raises JournalError."""
        new = {key: facts for key, facts in points.items() if key not in self._facts}
        self._facts |= self._clean(new)
        earlier = {key: facts for key, facts in self._earlier.items() if key not in points}
        own = self._clean(replace(self._info, points=len(points)).to_json_dict())
        others = sorted(self._others - points.keys()) if not is_done else []
        facts = {key: facts for key, facts in earlier.items() if facts} | {key: self._facts[key] for key in points}
        self._write(
            {
                "format": FORMAT,
                **own,
                "keys": list(points),
                "earlier_keys": sorted(earlier),
                GROWTH: {"is_done": is_done, "others": others},
                POINT_FACTS: facts,
            }
        )
