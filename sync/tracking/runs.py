"""The runs that the store has in one experiment: searched for once, then kept up to date with what is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sync.analysis.standing import Standing
from sync.results.outcome import Outcome
from sync.results.slo import PAPER
from sync.tracking import fields
from sync.tracking.judged import FACT_TAGS, SLO_TAG, slo_text
from sync.tracking.page import SUPERSEDED_TAG
from sync.tracking.store import FINAL

# matplotlib's ten, which are easy to tell apart
_COLORS = (
    *("#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd"),
    *("#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf"),
)


@dataclass
class Found:
    """A run of the store. `same` is equal for all runs of one point, by whichever code; one of them is current."""

    run_id: str
    key: str
    status: str
    same: str
    superseded: bool
    standing: Standing
    slo: str = ""  # the limits that its verdict is by, as JSON
    facts: Mapping[str, str] = field(default_factory=dict)  # those of `FACT_TAGS` that it has
    name: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)

    def serves(self, outcome: Outcome) -> bool:
        """Whether `outcome` need not be written: the run did not fail, or the outcome failed as well."""
        return self.status in ("FINISHED", "KILLED") or (self.status == "FAILED" and outcome.status == "failed")


def found(run_id: str, status: str, tags: Mapping[str, str], metrics: Mapping[str, float]) -> Found:
    """A run by its tags and metrics."""
    return Found(
        run_id=run_id,
        key=tags.get(fields.KEY_TAG, ""),
        status=status,
        same=tags.get(fields.SAME_TAG, ""),
        superseded=tags.get(SUPERSEDED_TAG) == "true",
        standing=fields.standing(tags, metrics),
        slo=tags.get(SLO_TAG, slo_text(PAPER)),  # older versions judged by the paper's, and did not say so
        facts={name: tags[name] for name in FACT_TAGS if name in tags},
        name=tags.get("point.name", ""),
        metrics={name: value for name, value in metrics.items() if not name.startswith(fields.CURVES)},
    )


class Runs:
    """The runs of one experiment. Reading them takes seconds for a thousand, so it is done once."""

    def __init__(self, search: Callable[[str], Iterable[Found]]) -> None:
        """`search` yields the runs that meet a condition in MLflow's search syntax; an empty one is met by all."""
        self._search = search
        self._by_key: dict[str, dict[str, Found]] = {}
        self._by_point: dict[str, dict[str, Found]] = {}
        self._colors: dict[str, str] = {}
        for run in self._search(""):
            self.add(run)

    def of_key(self, key: str, *, again: bool) -> list[Found]:
        """The runs under `key`; with `again` the store is searched anew."""
        if again:
            for known in self.of_key(key, again=False):
                self.remove(known)
            for run in self._search(f"tags.`{fields.KEY_TAG}` = '{key}'"):
                self.add(run)
        return list(self._by_key.get(key, {}).values())

    def add(self, run: Found) -> None:
        """Remember a run that was written."""
        self._by_key.setdefault(run.key, {})[run.run_id] = run
        self._by_point.setdefault(run.same, {})[run.run_id] = run
        if run.standing.color:
            self._colors.setdefault(run.standing.design, run.standing.color)

    def remove(self, run: Found) -> None:
        """Forget a run that was deleted."""
        del self._by_key[run.key][run.run_id]
        del self._by_point[run.same][run.run_id]

    def elder(self, same: Iterable[str], key: str) -> list[Found]:
        """The current runs of the same point under other keys; `same` are the values that `Found.same` may have."""
        found = (run for tag in same for run in self._by_point.get(tag, {}).values())
        return [run for run in found if run.key != key and not run.superseded]

    def current(self) -> list[Found]:
        """The runs that are over and not superseded."""
        return [run for run in self._all() if run.status in FINAL and not run.superseded]

    @property
    def superseded(self) -> int:
        """How many runs are superseded by newer ones."""
        return sum(run.superseded for run in self._all())

    def color(self, design: str) -> str:
        """The design's colour: that of its other runs, else the one that the fewest designs have."""
        used = Counter(self._colors.values())
        return self._colors.get(design) or min(_COLORS, key=lambda color: used[color])

    def _all(self) -> Iterator[Found]:
        return (run for runs in self._by_key.values() for run in runs.values())
