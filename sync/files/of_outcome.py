"""SplitwiseSim's files of a run that a sweep has kept.

A module of its own, since single runs write these files without pyarrow.
"""

from __future__ import annotations

from pathlib import Path

from sim_core.errors import SpecError
from sync.files.splitwisesim import write_outputs
from sync.results.measure import MeasuredRun
from sync.results.outcome import Outcome
from sync.results.parquet import CLOCK, INSTANCES, UNSERVED, read_beside, read_requests


def write_splitwisesim(outcome: Outcome, parquet: bytes, folder: Path) -> None:
    """The files of `write_outputs`, from the table of requests that a sweep keeps of a run.

    Raises SpecError for a table of an older version that does not say which instances there were.
    """
    table = read_requests(parquet, completed=outcome.summary.get("run/completed"))
    requests = {name: table[name].to_numpy() for name in table.column_names}
    instances = read_beside(parquet, INSTANCES)
    if not instances:
        reason = "its table of requests does not say which instances there were; run it again (--fresh)"
        raise SpecError(reason, key="run", value=outcome.name)
    if "processor" not in instances:  # older tables: an instance's name was `{processor}_{index}` then
        named = zip(instances["name"], instances["index"], strict=True)
        instances["processor"] = [str(name).removesuffix(f"_{index}") for name, index in named]
    # tables of older versions have the end in the summary, on the same clock
    (end_s,) = read_beside(parquet, CLOCK).get("end_s", [outcome.summary.get("run/end_s", 0.0)])
    write_outputs(MeasuredRun(requests, read_beside(parquet, UNSERVED), instances, end_s=float(str(end_s))), folder)
