"""The results of a sweep: `load_sweep("quickstart").runs` is a table, `.requests(key)` has the requests of one run.

The finished points of the experiment as it is now count, whichever start ran them: of each the newest run. Points that
the experiment no longer has count with `load_sweep(..., everything=True)`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, reduce
from operator import and_
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sim_core.errors import SpecError, choices, nearest
from sync.results.found import Plan as FoundPlan
from sync.results.frame import runs_frame
from sync.results.goodput import PREFIX, by_slo, lacks_counts, must_be_counted, with_counts
from sync.results.grouping import grouped
from sync.results.inside import read_inside
from sync.results.outcome import Outcome, SweepInfo
from sync.results.plan import Plan
from sync.results.privacy import one_line
from sync.results.run_names import lists_of, named
from sync.results.slo import PAPER, Slo

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.dataset as ds

RESULTS = Path("results")
# What tables with other columns and values than a run has end in; Arrow's own errors are ValueErrors.
UNSOUND = (ValueError, OSError, LookupError, TypeError, ArithmeticError, AttributeError)
# Columns of a run that `requests_where` adds to its requests.
_OF_A_RUN = {
    **dict.fromkeys(("key", "name", "system", "design", "workload"), "string"),
    **{"rate": "double", "seed": "int64"},
}


_LISTS = (list, tuple, set, frozenset, range)  # a condition with one of these allows several values
_MOST_VALUES = 10  # of a column, named in an error


class AnyOf(list[object]):
    """A condition as it was typed, and all values that the text may mean: 8 is a text, a whole number and a number."""

    def __init__(self, text: str, values: Iterable[object]) -> None:
        super().__init__(values)
        self.text = text


class Source(Protocol):
    """Reads one sweep's results: from its journal (`sync.results.journal`) or from MLflow (`sync.tracking.read`)."""

    def outcomes(self) -> dict[str, Outcome]:
        """All that is finished, by key, without the tables of requests; what cannot be used is left out."""

    def unusable(self) -> Mapping[str, str]:
        """What `outcomes` has left out, by its name, with the reason."""

    def requests_file(self, key: str) -> Path | None:
        """The Parquet file of a run's requests, fetched if it is elsewhere; None where there is none."""

    def last_started(self) -> frozenset[str]:
        """The keys of the points that the last start of the sweep asked for, as far as that is known."""

    def asked_for(self) -> frozenset[str]:
        """The keys of the points that starts of the experiment, as it is now, asked for; empty: that is not known."""

    def info(self) -> SweepInfo | None:
        """What the last start of the sweep was; None where the source does not tell."""

    def plan(self) -> Plan | None:
        """What the experiment plans; None where the source does not tell."""

    def slo(self) -> Slo | None:
        """The limits that the experiment sets; None where the source does not tell."""

    def found(self) -> FoundPlan | None:
        """What a planner found for the experiment, by its own limits; None where there is nothing that can be used."""


def same_point(outcome: Outcome) -> tuple[object, ...]:
    """Equal for runs of the same point, of which only the newest counts: they may differ in the code and in settings
    that are no part of the point's facts, such as when a run is stopped early."""
    return outcome.system, outcome.point_id, outcome.trace


class Sweep:
    """The results of one sweep, read when they are asked for."""

    def __init__(self, name: str, source: Source, *, everything: bool = False, slo: Slo | None = None) -> None:
        """`everything`: count also the points that the experiment had before it was changed. `slo`: the limits that
        runs are judged by (default: the experiment's, else the paper's)."""
        self.name, self.source, self._everything = name, source, everything
        self.slo = slo or source.slo() or PAPER

    @cached_property
    def outcomes(self) -> dict[str, Outcome]:
        """The outcomes that count, by key, without their tables of requests: of each finished point that the experiment
        has now (all where the source does not tell, or with `everything`) the newest."""
        return self._newest if self._everything else self.current

    @cached_property
    def current(self) -> dict[str, Outcome]:
        """Of each finished point that the experiment has now the newest outcome, by key."""
        asked_for = self.source.asked_for()
        return {key: outcome for key, outcome in self._newest.items() if not asked_for or key in asked_for}

    @cached_property
    def _newest(self) -> dict[str, Outcome]:
        """Of each point the newest run: one that the last start asked for, else the last to start."""
        last = self.source.last_started()
        points = grouped(self.finished.values(), same_point)
        newest = (max(runs, key=lambda run: (run.key in last, run.started_at, run.key)) for runs in points)
        return {outcome.key: outcome for outcome in newest}

    def only(self, keys: Collection[str]) -> Sweep:
        """The same sweep, of whose runs these alone count."""
        part = Sweep(self.name, self.source, everything=self._everything, slo=self.slo)
        part.outcomes = {key: outcome for key, outcome in self.outcomes.items() if key in keys}
        return part

    @property
    def superseded(self) -> int:
        """The number of finished runs that do not count, since there is a newer run of the same point."""
        return len(self.finished) - len(self._newest)

    @property
    def left_out(self) -> int:
        """The number of finished points that do not count, since the experiment no longer has them."""
        return len(self._newest) - len(self.outcomes)

    @cached_property
    def plan(self) -> Plan | None:
        """What the experiment plans, as far as its source tells; None with `everything`, which is more than it."""
        return None if self._everything else self.source.plan()

    @cached_property
    def found(self) -> FoundPlan | None:
        """What a planner found, where the experiment has a question; None with other limits than the experiment's."""
        return None if self.judges_otherwise else self.source.found()

    @property
    def judges_otherwise(self) -> bool:
        """Whether runs are judged by other limits than the experiment's."""
        return self.slo != (self.source.slo() or PAPER)

    @cached_property
    def machines(self) -> Mapping[str, Mapping[str, Any]]:
        """By machine type the figures that cost and power were worked out from, with their sources; empty where the
        source does not tell."""
        info = self.source.info()
        return {} if info is None else info.machines

    @cached_property
    def finished(self) -> dict[str, Outcome]:
        """All finished runs by key, also those that do not count."""
        return self.source.outcomes()

    @cached_property
    def runs(self) -> pd.DataFrame:
        """A row for each point: parameters, machines, cost, all figures of its summary, the verdict (`runs_frame`)."""
        return runs_frame(map(self.with_goodput, self.outcomes.values()), self.slo)

    def with_goodput(self, outcome: Outcome) -> Outcome:
        """An outcome of the sweep with goodput by the sweep's `slo`, counted anew where it was by other limits."""
        return self._by_its_table(outcome, by_slo) if must_be_counted(outcome, self.slo) else outcome

    def with_counts(self, outcome: Outcome) -> Outcome:
        """An outcome of the sweep with its requests beyond each limit of the sweep's `slo` (`sync.results.counts`),
        counted in its table where its run did not count them."""
        return self._by_its_table(outcome, with_counts) if lacks_counts(outcome, self.slo) else outcome

    def _by_its_table(self, outcome: Outcome, counted: Callable[[Outcome, Slo, bytes], Outcome]) -> Outcome:
        """What `counted` makes of an outcome, the sweep's `slo`, and the table of requests (empty: there is none)."""
        path = None if outcome.status == "stopped" else self.source.requests_file(outcome.key)
        if path is None:
            return counted(outcome, self.slo, b"")
        with sound_table(outcome, path):
            return counted(outcome, self.slo, read_inside(path, "requests_bytes"))

    def requests(self, key: str) -> pd.DataFrame:
        """A row for each request of the run that `key` names (see `one`). Raises SpecError when no run or several have
        the name, or when the run left no table."""
        from sync.results.parquet import read_requests

        outcome = self.one(key)
        path = self.source.requests_file(outcome.key)
        if path is None:
            raise SpecError(f"the run left no table of requests: {outcome.error}", key="key", value=key)
        with sound_table(outcome, path):
            frame: pd.DataFrame = read_requests(path, completed=outcome.summary.get("run/completed")).to_pandas()
            return frame

    def _no_column(self, name: str, columns: Iterable[str]) -> str:
        """Why there is no such column, with the nearest one."""
        known = [known for column in columns for known in (column, column.removeprefix("axis/"))]
        close = nearest(name, known)
        hint = f"; did you mean {close!r}?" if close else ""
        return f"no such column of the runs{hint} (`{lists_of(self.name)} --columns` lists them)"

    def _beside(self) -> str:
        return f" ({self.left_out:,} that the experiment no longer has are left out)" if self.left_out else ""

    def one(self, key: str) -> Outcome:
        """The run that the text names: by its name, its point's number, or the start of its key
        (`sync.results.run_names`). Raises SpecError when it names none or several."""
        return named(key, self.outcomes.values(), "key", lists_of(self.name))

    def requests_where(self, **conditions: object) -> ds.Dataset:
        """The requests of all runs that meet the conditions, as one Arrow dataset that reads only what is asked of it.

        A condition is a column of `runs` (`axis/...` also by its bare name) and its value, or a list of values:
        `requests_where(system="splitwise-ha", rate=[8, 16])`. The dataset has the run's key, name, system, design,
        workload, rate and seed beside the columns of its requests. Raises SpecError for an unknown column, or when no
        run is left.
        """
        import pyarrow as pa
        import pyarrow.dataset as ds
        import pyarrow.fs as fs

        from sync.results.parquet import THRIFT_LIMITS, open_table

        schemas = [pa.schema([(name, pa.type_for_alias(kind)) for name, kind in _OF_A_RUN.items()])]
        paths, facts = [], []  # `facts`: the columns of a run, as a condition that holds for all rows of its table
        for outcome in self.where(**conditions):
            if (path := self.source.requests_file(outcome.key)) is not None:
                columns = [(ds.field(name), getattr(outcome, name)) for name in _OF_A_RUN]
                facts.append(reduce(and_, (c.is_null() if value is None else c == value for c, value in columns)))
                paths.append(str(path))
                completed = outcome.summary.get("run/completed")
                with sound_table(outcome, path), open_table(path, completed) as table:
                    # a column that some tables lack is null in their rows, whatever the others say
                    schemas.append(pa.schema([(column.name, column.type) for column in table.schema_arrow]))
        if not paths:
            raise SpecError("none of these runs left a table of requests", key="where")
        schema = pa.unify_schemas(schemas)
        form = ds.ParquetFileFormat(default_fragment_scan_options=ds.ParquetFragmentScanOptions(**THRIFT_LIMITS))
        return ds.FileSystemDataset.from_paths(paths, schema, form, fs.LocalFileSystem(), facts)

    def where(self, **conditions: object) -> list[Outcome]:
        """The runs that meet the conditions (see `requests_where`), in order of index."""
        # Counting goodput by other limits reads all tables of requests, so only conditions on goodput have it done.
        on_goodput = any(PREFIX in name or "/good_" in name for name in conditions)
        runs = self.runs if on_goodput else runs_frame(self.outcomes.values(), self.slo)
        if runs.empty and not conditions:
            raise SpecError(f"no run of it is finished{self._beside()}", key="sweep", value=self.name)
        for name, wanted in conditions.items():
            column = next((c for c in (name, f"axis/{name}") if c in runs), None)
            if column is None:
                raise SpecError(self._no_column(name, runs.columns), key="where", value=name)
            met = runs[runs[column].isin(wanted if isinstance(wanted, _LISTS) else [wanted])]
            if met.empty:
                typed = ", ".join(f"{key}={_condition_text(value)}" for key, value in conditions.items())
                values = dict.fromkeys(map(_condition_text, runs[column].dropna()))
                hint = ""
                if 0 < len(values) <= _MOST_VALUES:
                    hint = f": {name} is none of these{choices(_condition_text(wanted), values)}"
                elif close := nearest(_condition_text(wanted), values):
                    hint = f"; did you mean {name}={close}?"
                raise SpecError(f"no run meets these conditions{hint}{self._beside()}", key="where", value=typed)
            runs = met
        return [self.outcomes[key] for key in runs["key"]]


def _condition_text(value: object) -> str:
    """A condition's value as one would type it."""
    if isinstance(value, AnyOf):
        return value.text
    if isinstance(value, _LISTS):
        return ",".join(map(_condition_text, value))
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


@contextmanager
def sound_table(outcome: Outcome, path: Path) -> Iterator[None]:
    """Raise SpecError, which names run and file, where a run's table cannot be read as Parquet."""
    try:
        yield
    except UNSOUND as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the system, such as a full disk
            raise
        reason = f"its table of requests, {path}, is torn ({one_line(error, 80)}); run the point again"
        raise SpecError(reason, key="run", value=outcome.name) from error
