"""The results of a sweep: `load_sweep("quickstart").runs` is a table, `.requests(key)` has the requests of one run.

The finished points of the experiment as it is now count, whichever start ran them: of each the newest run. Points that
the experiment no longer has count with `load_sweep(..., everything=True)`.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, reduce
from itertools import islice
from operator import and_
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sim_core.errors import SpecError, choices
from sync.results.frame import runs_frame
from sync.results.goodput import PREFIX, by_slo, must_be_counted
from sync.results.grouping import grouped
from sync.results.outcome import Outcome, SweepInfo
from sync.results.plan import Plan
from sync.results.privacy import one_line
from sync.results.slo import PAPER, Slo

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.dataset as ds

RESULTS = Path("results")
_FEW = 3  # of the runs, named in an error
# Columns of a run that `requests_where` adds to its requests.
_OF_A_RUN = {
    **dict.fromkeys(("key", "name", "system", "design", "workload"), "string"),
    **{"rate": "double", "seed": "int64"},
}


_LISTS = (list, tuple, set, frozenset, range)  # a condition with one of these allows several values


class Source(Protocol):
    """Reads one sweep's results: from its journal (`sync.results.journal`) or from MLflow (`sync.tracking.read`)."""

    def outcomes(self) -> dict[str, Outcome]:
        """All that is finished, by key, without the tables of requests; what is torn is left out."""

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
        asked_for = frozenset() if self._everything else self.source.asked_for()
        return {key: outcome for key, outcome in self._newest.items() if not asked_for or key in asked_for}

    @cached_property
    def _newest(self) -> dict[str, Outcome]:
        """Of each point the newest run: one that the last start asked for, else the last to start."""
        last = self.source.last_started()
        points = grouped(self.finished.values(), lambda outcome: (outcome.system, outcome.point_id, outcome.trace))
        newest = (max(runs, key=lambda run: (run.key in last, run.started_at, run.key)) for runs in points)
        return {outcome.key: outcome for outcome in newest}

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
        if not must_be_counted(outcome, self.slo):
            return outcome
        path = self.source.requests_file(outcome.key)
        return by_slo(outcome, self.slo, path.read_bytes() if path else b"")

    def requests(self, key: str) -> pd.DataFrame:
        """A row for each request of the run whose key starts with `key`. Raises SpecError when no run or several do, or
        when the run left no table."""
        import pandas as pd

        outcome = self.one(key)
        path = self.source.requests_file(outcome.key)
        if path is None:
            raise SpecError(f"the run left no table of requests: {outcome.error}", key="key", value=key)
        with sound_table(outcome, path):
            return pd.read_parquet(path)

    def _beside(self) -> str:
        return f" ({self.left_out:,} that the experiment no longer has are left out)" if self.left_out else ""

    def one(self, key: str) -> Outcome:
        """The run whose key starts with `key`. Raises SpecError when no run or several do."""
        matching = [known for known in self.outcomes if known.startswith(key)]
        if len(matching) != 1:
            reason = f"several runs have it{_some(matching)}" if matching else f"no run has it{_some(self.outcomes)}"
            advice = f"{reason}; `python -m sync show {shlex.quote(self.name)}` lists them all"
            raise SpecError(advice, key="key", value=key)
        return self.outcomes[matching[0]]

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
        import pyarrow.parquet as pq

        schemas = [pa.schema([(name, pa.type_for_alias(kind)) for name, kind in _OF_A_RUN.items()])]
        paths, facts = [], []  # `facts`: the columns of a run, as a condition that holds for all rows of its table
        for outcome in self.where(**conditions):
            if (path := self.source.requests_file(outcome.key)) is not None:
                columns = [(ds.field(name), getattr(outcome, name)) for name in _OF_A_RUN]
                facts.append(reduce(and_, (c.is_null() if value is None else c == value for c, value in columns)))
                paths.append(str(path))
                with sound_table(outcome, path):
                    # absolute: PyArrow takes run:1/x.parquet for an address
                    schemas.append(pq.read_schema(path.absolute()).remove_metadata())
        if not paths:
            raise SpecError("none of these runs left a table of requests", key="where")
        schema = pa.unify_schemas(schemas)
        return ds.FileSystemDataset.from_paths(paths, schema, ds.ParquetFileFormat(), fs.LocalFileSystem(), facts)

    def where(self, **conditions: object) -> list[Outcome]:
        """The runs that meet the conditions (see `requests_where`), in order of index."""
        # Counting goodput by other limits reads all tables of requests, so only conditions on goodput have it done.
        on_goodput = any(PREFIX in name or "/good_" in name for name in conditions)
        runs = self.runs if on_goodput else runs_frame(self.outcomes.values(), self.slo)
        for name, wanted in conditions.items():
            column = next((c for c in (name, f"axis/{name}") if c in runs), None)
            if column is None:
                raise SpecError(f"no such column of the runs{choices(name, runs.columns)}", key="column", value=name)
            runs = runs[runs[column].isin(wanted if isinstance(wanted, _LISTS) else [wanted])]
        if runs.empty:
            if not conditions:
                raise SpecError(f"no run of it is finished{self._beside()}", key="sweep", value=self.name)
            text = ", ".join(f"{name}={value!r}" for name, value in conditions.items())
            raise SpecError(f"no run meets these conditions{self._beside()}", key="where", value=text)
        return [self.outcomes[key] for key in runs["key"]]


def _some(keys: Collection[str]) -> str:
    """A few of the keys, shortened as people type them."""
    if not keys:
        return ""
    more = f" and {len(keys) - _FEW:,} more" if len(keys) > _FEW else ""
    return f" ({', '.join(key[:10] for key in islice(keys, _FEW))}{more})"


@contextmanager
def sound_table(outcome: Outcome, path: Path) -> Iterator[None]:
    """Raise SpecError, which names run and file, where a run's table cannot be read as Parquet."""
    try:
        yield
    except (ValueError, OSError) as error:  # Arrow's own errors are ValueErrors
        if isinstance(error, OSError) and error.errno is not None:  # of the system, such as a full disk
            raise
        reason = f"its table of requests, {path}, is torn ({one_line(error, 80)}); run the point again"
        raise SpecError(reason, key="run", value=outcome.name) from error
