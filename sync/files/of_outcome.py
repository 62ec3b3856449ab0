"""The files of a single run, as SplitwiseSim has them, made from the tables that a sweep keeps of a run."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sim_core.errors import SpecError
from sync.files.splitwisesim import write_outputs
from sync.results.measure import Columns, MeasuredRun
from sync.results.outcome import Outcome
from sync.results.parquet import CLOCK, INSTANCES, UNSERVED, read_beside


def write_splitwisesim(outcome: Outcome, parquet: bytes, folder: Path) -> None:
    """summary.csv, detailed/..., request_nodes.csv and unserved.csv below `folder`, as `write_outputs` does.

    Raises SpecError for a table of an older version that does not say which instances there were.
    """
    columns = _columns(parquet)
    instances = read_beside(parquet, INSTANCES)
    if not instances:
        reason = "its table of requests does not say which instances there were; run it again (--fresh)"
        raise SpecError(reason, key="run", value=outcome.name)
    if "processor" not in instances:
        instances = {**instances, "processor": _processors(instances)}
    unserved = read_beside(parquet, UNSERVED)
    # tables of older versions have the end in the summary, on the same clock
    (end_s,) = read_beside(parquet, CLOCK).get("end_s", [outcome.summary.get("run/end_s", 0.0)])
    write_outputs(MeasuredRun(columns, unserved, instances, end_s=float(str(end_s))), folder)


def _processors(instances: Mapping[str, list[object]]) -> list[object]:
    """The processor of each instance, for tables that were written before it had a column of its own: an instance's
    name was `{processor}_{index}` then, with the index beside it."""
    return [
        str(name).removesuffix(f"_{index}") for name, index in zip(instances["name"], instances["index"], strict=True)
    ]


def _columns(parquet: bytes) -> Columns:
    table: pa.Table = pq.read_table(io.BytesIO(parquet))
    return {name: table[name].to_numpy() for name in table.column_names}
