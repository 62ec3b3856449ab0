"""Writes a run's results as SplitwiseSim does: the same files, its columns first and in its order, then ours."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from io import TextIOWrapper
from pathlib import Path

import numpy as np

from sim_core.errors import OutputError
from sim_core.whole_file import replacing
from sync.results.measure import MeasuredRun, Numbers, ascending
from sync.results.spreadsheet import cell
from sync.results.statistics import geometric_mean, mean, percentile, standard_deviation

GENERATIVE_LLM = 2  # SplitwiseSim's request_type
LINK = "DummyLink"  # its runner of transfers
_PERCENTILES = {"median": 50.0, "p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
STATISTICS: dict[str, Callable[[list[float]], float]] = {  # of ascending values
    "mean": mean,
    "std": standard_deviation,
    "min": min,
    "max": max,
    **{name: partial(percentile, percent=percent) for name, percent in _PERCENTILES.items()},
    "geomean": geometric_mean,
}
_NODES = ("request_id", "request_type", "node_id", "node_type", "runner", "start_timestamp", "completion_timestamp")


def write_outputs(result: MeasuredRun, folder: Path) -> None:
    """summary.csv, detailed/{application_id}.csv, ..._alloc.csv, request_nodes.csv and unserved.csv below `folder`."""
    detailed = folder / "detailed"
    try:
        detailed.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror}", source=str(folder)) from error
    numbers = [*result.instances["application_id"], *result.unserved["application_id"]]
    summaries = []
    for application_id in sorted({int(str(number)) for number in numbers}):
        columns = detailed_columns(result, application_id)
        _write_columns(detailed / f"{application_id}.csv", {name: column.tolist() for name, column in columns.items()})
        _write_columns(detailed / f"{application_id}_alloc.csv", alloc_columns(result, application_id))
        summaries.append({"application_id": application_id, **statistics(columns)})
    _write(folder / "summary.csv", summaries[0].keys(), (row.values() for row in summaries))
    _write(folder / "request_nodes.csv", _NODES, _nodes(result))
    _write_columns(folder / "unserved.csv", result.unserved)


def detailed_columns(result: MeasuredRun, application_id: int) -> dict[str, Numbers]:
    """The columns of one application's requests, in order of completion.

    `tbt_times` divides by all output tokens, as SplitwiseSim does; `tpot_times` by those after the first.
    """
    rows = result.requests["application_id"] == application_id
    own = {name: column[rows] for name, column in result.requests.items()}
    return {
        "request_ids": own["request_id"],
        "response_times": own["e2e_s"],
        "queue_times": own["queue_s"],
        "ttft_times": own["ttft_s"],
        "tbt_times": (own["e2e_s"] - own["ttft_s"]) / own["output_tokens"],
        "nth_token_overheads": own["token_start_s"] - own["prompt_end_s"],
        "prompt_sizes": own["prompt_tokens"],
        "token_sizes": own["output_tokens"],
        # ours
        "tpot_times": own["tbt_s"],
        "arrival_timestamps": own["arrival_s"],
        "preempted_times": own["preempted_s"],
        "preemptions": own["preemptions"],
        "ttft_slowdowns": own["ttft_slowdown"],
        "tbt_slowdowns": own["tbt_slowdown"],
        "e2e_slowdowns": own["e2e_slowdown"],
    }


def alloc_columns(result: MeasuredRun, application_id: int) -> dict[str, Sequence[object]]:
    """One application's instances: the processor they run on, and the share of time in which they had a batch.

    `utilizations` is a share of the time since the clock read 0, without a busy time that the end of the run cuts
    short, as in SplitwiseSim; `busy_fraction` is one of the time since the first arrival, with it.
    """
    rows = [row for row, number in enumerate(result.instances["application_id"]) if number == application_id]
    own = {name: [column[row] for row in rows] for name, column in result.instances.items()}
    ended_s = np.array(own["busy_ended_s"], dtype=np.float64)
    ours = ("index", "sku", "role", "busy_s", "iterations", "batches", "kv_peak_fraction", "processors",
            "tensor_parallelism")  # fmt: skip
    return {
        "instance_names": own["processor"],
        "utilizations": (ended_s / result.end_s if result.end_s else ended_s * 0.0).tolist(),
        "busy_fraction": own["utilisation"],
        **{name: own[name] for name in ours if name in own},  # tables of older versions do not have the last two
    }


def statistics(columns: Mapping[str, Numbers]) -> dict[str, float | str]:
    """`{metric}_{statistic}` of each of `detailed_columns` but the times of arrival; "" where there is no value."""
    summary: dict[str, float | str] = {}
    for metric in (name for name in columns if name != "arrival_timestamps"):
        values: list[float] = ascending(columns[metric]).tolist()
        for name, function in STATISTICS.items():
            summary[f"{metric}_{name}"] = function(values) if values else ""
    return summary


def _nodes(result: MeasuredRun) -> Iterable[Sequence[object]]:
    """A row for each request's prompt, its decoding and its transfer, where it had them."""
    places = zip(*(result.instances[column] for column in ("application_id", "index")), strict=True)
    names = dict(zip(places, result.instances["name"], strict=True))
    wanted = ("request_id", "application_id", "prompt_instance", "token_instance", "prompt_start_s", "prompt_end_s",
              "token_start_s", "token_end_s", "transfer_start_s", "transfer_end_s")  # fmt: skip
    columns = (result.requests[name].tolist() for name in wanted)
    for request, application, prompt, token, *times in zip(*columns, strict=True):
        started, first, decoding, ended, sent, received = times
        head = (request, GENERATIVE_LLM)
        yield (*head, 0, "PROMPT", names[application, prompt], started, first)
        if decoding == decoding:  # not NaN
            yield (*head, 1, "TOKEN", names[application, token], decoding, ended)
        if sent == sent:
            yield (*head, 2, "KVCacheTransfer", LINK, sent, received)


def _write_columns(path: Path, columns: Mapping[str, Sequence[object]]) -> None:
    _write(path, columns.keys(), zip(*columns.values(), strict=True))


def _write(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    try:
        with replacing(path, durable=False) as file, TextIOWrapper(file, encoding="utf-8", newline="") as text:
            writer = csv.writer(text)
            writer.writerow(header)
            # NaN, "did not happen", is an empty field
            writer.writerows(["" if value != value else cell(value) for value in row] for row in rows)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", source=str(path)) from error
