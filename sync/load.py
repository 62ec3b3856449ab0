"""Reading a sweep back: `load_sweep("quickstart").runs` is a table, `.requests(key)` the requests of one run.

It holds every finished point of that name, whichever command ran it. A point that was run again by newer code, or after
its experiment was changed, is there once: as it was last started; `.superseded` counts what is left out for that.
"""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sim_core.errors import SpecError, choices
from sync.base import Outcome
from sync.frame import runs_frame
from sync.local_sink import read_outcomes

if TYPE_CHECKING:
    import pandas as pd

RESULTS = Path("results")
# Where a sweep's outcomes and requests lie below its folder: the journal's, which has everything, comes first.
_PLACES = (("points", "points"), ("local/outcomes", "local/requests"))


class Sweep:
    """The results of one sweep, read from its folder when they are asked for."""

    def __init__(self, name: str, folder: Path, outcomes: str, requests: str) -> None:
        self.name, self._folder = name, folder
        self._outcomes, self._requests = folder / outcomes, folder / requests

    @cached_property
    def outcomes(self) -> dict[str, Outcome]:
        """By key, without the tables of requests: all that is finished, of several of one name the newest.

        What is torn is left out: the next start does it again.
        """
        last = self._last_started()
        newest: dict[tuple[object, ...], Outcome] = {}
        for outcome in self._finished.values():
            same = (outcome.name, outcome.trace, outcome.seed)
            other = newest.get(same)
            if other is None or _age(outcome, last) > _age(other, last):
                newest[same] = outcome
        return {outcome.key: outcome for outcome in newest.values()}

    @property
    def superseded(self) -> int:
        """How many finished points are left out, since there is a newer one of the same name, trace and seed."""
        return len(self._finished) - len(self.outcomes)

    @cached_property
    def _finished(self) -> dict[str, Outcome]:
        return read_outcomes(self._outcomes)

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row a point: parameters, machines, cost, and every figure of its summary (see `runs_frame`)."""
        return runs_frame(self.outcomes.values())

    def requests(self, key: str) -> pd.DataFrame:
        """A row a request of the run whose key starts with `key`.

        Raises SpecError when no run or several do, or when the run left no table.
        """
        import pandas as pd

        matching = [known for known in self.outcomes if known.startswith(key)]
        if len(matching) != 1:
            reason = "several runs have it" if matching else f"no run has it{choices(key, self.outcomes)}"
            raise SpecError(reason, key="key", value=key)
        path = self._requests / f"{matching[0]}.parquet"
        if not path.exists():
            raise SpecError(
                f"the run left no table of requests: {self.outcomes[matching[0]].error}", key="key", value=key
            )
        return pd.read_parquet(path)

    def _last_started(self) -> frozenset[str]:
        """The keys of the points that the last start asked for, by the sweep's own word."""
        try:
            told = json.loads((self._folder / "sweep.json").read_text(encoding="utf-8"))["keys"]
            return frozenset(str(key) for key in told)
        except (OSError, ValueError, KeyError, TypeError):
            return frozenset()


def _age(outcome: Outcome, last: frozenset[str]) -> tuple[bool, str, str]:
    """Greater for the newer: what the last start asked for is up to date, whenever it was run."""
    return outcome.key in last, outcome.started_at, outcome.key


def load_sweep(name: str, results: Path | str = RESULTS) -> Sweep:
    """The sweep called `name` below `results`. Raises SpecError when there is none."""
    below = Path(results)
    for outcomes, requests in _PLACES:
        folder = below / name / outcomes
        if name in list_sweeps(below) and next(folder.glob("*.json"), None):
            return Sweep(name, below / name, outcomes, requests)
    known = list_sweeps(below)
    hint = choices(name, known) if known else "; there is none yet"
    raise SpecError(f"no results of that sweep in {results}{hint}", key="sweep", value=name)


def list_sweeps(results: Path = RESULTS) -> list[str]:
    """The names of the sweeps that have results below `results`, sorted."""
    found = {p.relative_to(results).parts[0] for place, _ in _PLACES for p in results.glob(f"*/{place}/*.json")}
    return sorted(found)
