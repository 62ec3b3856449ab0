"""The runs that the store has in one experiment: searched for once, then kept up to date with what is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sync.analysis.repetitions import Judgement
from sync.analysis.standing import Standing, standing_of
from sync.analysis.terms import Terms, engines_in
from sync.report.data import RunRow
from sync.report.style import STYLES
from sync.results.grouping import grouped
from sync.results.metrics import CONCURRENCY
from sync.results.outcome import Outcome, SweepInfo
from sync.results.provenance import shares_of_all
from sync.results.slo import PAPER, Slo
from sync.results.sweep import Sweep
from sync.tracking import fields
from sync.tracking.page import RATE_METRIC, SUPERSEDED_TAG

# MLflow's words for how a run ended, and ours; a run that has none of them is a remnant.
FINAL = {"FINISHED": "completed", "KILLED": "stopped", "FAILED": "failed"}
_COLORS = tuple(style.color for style in STYLES)  # those of the report


@dataclass(frozen=True)
class StoredRun:
    """A run as the store has it; `metrics` holds the last value of each, artifacts are below `artifact_uri`. See
    `with_outcomes` for `outcome` and `judged_by`."""

    run_id: str
    name: str
    status: str
    start_ms: int
    tags: dict[str, str]
    metrics: Mapping[str, float]
    artifact_uri: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    outcome: Outcome | None = None
    judged_by: Slo | None = None
    judgement: Judgement | None = None  # with its repetitions, where there are several

    @property
    def key(self) -> str:
        """The key of its point; empty for the sweep's report."""
        return self.tags.get(fields.KEY_TAG, "")

    @property
    def same(self) -> str:
        """Equal for all runs of one point, by whichever code; one of them is current."""
        return self.tags.get(fields.SAME_TAG, "")

    @property
    def superseded(self) -> bool:
        """Whether a newer run of the same point has taken its place."""
        return self.tags.get(SUPERSEDED_TAG) == "true"

    @property
    def slo(self) -> str:
        """The limits that its verdict is by, as JSON; older versions judged by the paper's, and did not say so."""
        return self.tags.get(fields.SLO_TAG, fields.slo_text(PAPER))

    @property
    def standing(self) -> Standing:
        """How the run rates its design."""
        return Standing(
            design=" ".join(filter(None, (self.tags.get("design"), self.tags.get("workload")))),
            rate=self.metrics.get(RATE_METRIC),
            within=self.metrics.get(fields.WITHIN_METRIC) == 1.0,
            verdict=self.tags.get("verdict", ""),
            cost=self.metrics.get(fields.COST_METRIC, 0.0),
            color=self.tags.get(fields.COLOR_TAG, ""),
            system=self.tags.get("system", ""),
            seed=int(seed) if (seed := self.tags.get("seed", "")).isdecimal() else 0,
            outcome=self.outcome,
            slo=self.judged_by,
        )

    @property
    def figures(self) -> dict[str, float]:
        """Its metrics without the curves."""
        return {name: value for name, value in self.metrics.items() if not name.startswith(fields.CURVES)}

    @property
    def row(self) -> RunRow:
        """The run in a report."""
        return RunRow(
            self.tags.get("point.name", ""), self.standing, self.figures, key=self.key, judgement=self.judgement
        )

    def serves(self, outcome: Outcome) -> bool:
        """Whether `outcome` need not be written: the run did not fail, or the outcome failed as well."""
        return self.status in FINAL and (self.status != "FAILED" or outcome.status == "failed")


def with_outcomes(runs: Sequence[StoredRun], sweep: Sweep) -> list[StoredRun]:
    """The runs, of which those that differ by seed alone have the outcome that the sweep's source has of them, with its
    counts: the store does not have them, and several seeds are judged by them."""
    groups = grouped(runs, lambda run: (run.standing.design, run.standing.rate))
    repeated = {run.key for members in groups if len(members) > 1 for run in members}
    outcomes = sweep.finished if repeated else {}
    found = {key: sweep.with_counts(outcomes[key]) for key in repeated if key in outcomes}
    judged = [replace(run, outcome=found.get(run.key), judged_by=sweep.slo) for run in runs]
    judgements: dict[str, Judgement | None] = {}
    for members in grouped(judged, lambda run: (run.standing.design, run.standing.rate)):
        seeds = [run.outcome for run in members if run.outcome is not None]
        if len(seeds) == len(members) > 1:
            judgements |= dict.fromkeys((run.key for run in members), standing_of(seeds, sweep.slo).judgement)
    return [replace(run, judgement=judgements.get(run.key)) for run in judged]


def terms_of_runs(runs: Sequence[StoredRun], sweep: SweepInfo, planned: int | None) -> Terms:
    """What an answer from these runs stands on; `planned` counts the points of the experiment."""

    def each(tag: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(run.tags[tag] for run in runs if run.tags.get(tag)))

    failed = sum(FINAL[run.status] == "failed" for run in runs)
    types = {name for run in runs for name in run.params if name.startswith(fields.MACHINES_PARAM)}
    return Terms(
        slo=sweep.slo,
        models=each("model"),
        times=each("performance_model"),
        engines=engines_in(each("batching")),
        kernels=each("kernels"),
        machines=tuple(sorted(name.removeprefix(fields.MACHINES_PARAM) for name in types)),
        workloads=each("workload"),
        horizons_s=tuple(sorted(map(float, each("horizon_s")))),
        rates=tuple(sorted({run.standing.rate for run in runs if run.standing.rate is not None})),
        concurrencies=tuple(sorted({int(run.figures[CONCURRENCY]) for run in runs if CONCURRENCY in run.figures})),
        seeds=tuple(sorted({run.standing.seed for run in runs})),
        done=len(runs) - failed,
        failed=failed,
        planned=planned,
        figures=sweep.machines,
        provenance=shares_of_all(run.figures for run in runs),
    )


class Runs:
    """The runs of one experiment. Reading them takes seconds for a thousand, so it is done once."""

    def __init__(self, search: Callable[[str], Iterable[StoredRun]]) -> None:
        """`search` yields the runs that meet a condition in MLflow's search syntax; an empty one is met by all."""
        self._search = search
        self._by_key: dict[str, dict[str, StoredRun]] = {}
        self._by_point: dict[str, dict[str, StoredRun]] = {}
        self._colors: dict[str, str] = {}
        for run in self._search(""):
            self.add(run)

    def of_key(self, key: str, *, again: bool) -> list[StoredRun]:
        """The runs under `key`; with `again` the store is searched anew."""
        if again:
            for known in self.of_key(key, again=False):
                self.remove(known)
            for run in self._search(f"tags.`{fields.KEY_TAG}` = '{key}'"):
                self.add(run)
        return list(self._by_key.get(key, {}).values())

    def add(self, run: StoredRun) -> None:
        """Remember a run that was written."""
        self._by_key.setdefault(run.key, {})[run.run_id] = run
        self._by_point.setdefault(run.same, {})[run.run_id] = run
        if run.standing.color:
            self._colors.setdefault(run.standing.design, run.standing.color)

    def remove(self, run: StoredRun) -> None:
        """Forget a run that was deleted."""
        del self._by_key[run.key][run.run_id]
        del self._by_point[run.same][run.run_id]

    def elder(self, same: Iterable[str], key: str) -> list[StoredRun]:
        """The current runs of the same point under other keys; `same` are the values that `StoredRun.same` may have."""
        found = (run for tag in same for run in self._by_point.get(tag, {}).values())
        return [run for run in found if run.key != key and not run.superseded]

    def current(self) -> list[StoredRun]:
        """The runs that are over and not superseded."""
        return [run for run in self._all() if run.status in FINAL and not run.superseded]

    @property
    def superseded(self) -> int:
        """How many runs are superseded by newer ones."""
        return sum(run.superseded for run in self._all())

    def color(self, design: str, wanted: str = "") -> str:
        """The design's colour: that of its other runs, else the `wanted` one where no design has that yet, else the one
        that the fewest designs have."""
        used = Counter(self._colors.values())
        free = wanted if not used[wanted] else ""
        return self._colors.get(design) or free or min(_COLORS, key=lambda color: used[color])

    def _all(self) -> Iterator[StoredRun]:
        return (run for runs in self._by_key.values() for run in runs.values())
