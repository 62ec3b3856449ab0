"""Writes a run's results as SplitwiseSim does: the same files, its columns first and in its order, ours behind them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from sim_core.errors import OutputError
from sim_core.results import SimResult
from sim_core.statistics import finite_sorted, geometric_mean, mean, percentile, standard_deviation
from sim_core.whole_file import replacing

GENERATIVE_LLM = 2  # SplitwiseSim's request_type
LINK = "DummyLink"  # its runner of transfers
METRICS = (
    "request_ids",
    "response_times",
    "queue_times",
    "ttft_times",
    "tbt_times",
    "nth_token_overheads",
    "prompt_sizes",
    "token_sizes",
)
OURS = {  # our columns in detailed/*.csv -> ours in SimResult.requests
    "tpot_times": "tbt_s",
    "arrival_timestamps": "arrival_s",
    "preempted_times": "preempted_s",
    "preemptions": "preemptions",
    "ttft_slowdowns": "ttft_slowdown",
    "tbt_slowdowns": "tbt_slowdown",
    "e2e_slowdowns": "e2e_slowdown",
}
_PERCENTILES = {"median": 50.0, "p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
STATISTICS: dict[str, Callable[[list[float]], float]] = {  # of ascending values
    "mean": mean,
    "std": standard_deviation,
    "min": min,
    "max": max,
    **{name: partial(percentile, percent=percent) for name, percent in _PERCENTILES.items()},
    "geomean": geometric_mean,
}


def write_outputs(result: SimResult, folder: Path) -> None:
    """summary.csv, detailed/{application_id}.csv, ..._alloc.csv, request_nodes.csv and unserved.csv below `folder`."""
    try:
        (folder / "detailed").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot be made: {error.strerror}", source=str(folder)) from error
    numbers = [*result.instances["application_id"], *result.unserved["application_id"]]
    applications = sorted({int(str(number)) for number in numbers})
    summaries = []
    for application_id in applications:
        columns = detailed_columns(result, application_id)
        _write_columns(folder / "detailed" / f"{application_id}.csv", columns)
        _write_columns(folder / "detailed" / f"{application_id}_alloc.csv", alloc_columns(result, application_id))
        summaries.append({"application_id": application_id, **statistics(columns)})
    _write(folder / "summary.csv", summaries[0].keys(), (row.values() for row in summaries))
    _write(
        folder / "request_nodes.csv",
        ("request_id", "request_type", "node_id", "node_type", "runner", "start_timestamp", "completion_timestamp"),
        _nodes(result),
    )
    _write_columns(folder / "unserved.csv", result.unserved)


def detailed_columns(result: SimResult, application_id: int) -> dict[str, Sequence[float]]:
    """The per-request columns of one application, in order of completion.

    `tbt_times` divides by all output tokens, as SplitwiseSim does; `tpot_times` by those after the first.
    """
    requests = result.requests
    rows = [row for row, number in enumerate(requests["application_id"]) if number == application_id]

    def column(name: str) -> list[float]:
        values = requests[name]
        return [values[row] for row in rows]

    ttft, e2e, outputs = column("ttft_s"), column("e2e_s"), column("output_tokens")
    prompt_end, token_start = column("prompt_end_s"), column("token_start_s")
    return {
        "request_ids": column("request_id"),
        "response_times": e2e,
        "queue_times": column("queue_s"),
        "ttft_times": ttft,
        "tbt_times": [(whole - first) / n for whole, first, n in zip(e2e, ttft, outputs, strict=True)],
        "nth_token_overheads": [start - end for start, end in zip(token_start, prompt_end, strict=True)],
        "prompt_sizes": column("prompt_tokens"),
        "token_sizes": outputs,
        **{name: column(ours) for name, ours in OURS.items()},
    }


def alloc_columns(result: SimResult, application_id: int) -> dict[str, Sequence[object]]:
    """One application's instances: the processor they run on, and the share of time in which they had a batch.

    `utilizations` is a share of the time since the clock read 0, without a busy time that the end of the run cuts
    short, as in SplitwiseSim; `busy_fraction` is one of the time since the first arrival, with it.
    """
    instances = result.instances
    rows = [row for row, number in enumerate(instances["application_id"]) if number == application_id]

    def column(name: str) -> list[Any]:
        return [instances[name][row] for row in rows]

    columns: dict[str, Sequence[object]] = {
        "instance_names": column("processor"),
        "utilizations": [ended_s / result.end_s if result.end_s else 0.0 for ended_s in column("busy_ended_s")],
        "busy_fraction": column("utilisation"),
    }
    for name in ("index", "sku", "role", "busy_s", "iterations", "batches", "kv_peak_fraction"):
        columns[name] = column(name)
    for name in ("processors", "tensor_parallelism"):  # not in tables that older versions kept
        if name in instances:
            columns[name] = column(name)
    return columns


def statistics(columns: Mapping[str, Sequence[float]]) -> dict[str, float | str]:
    """`{metric}_{statistic}` for SplitwiseSim's metrics and then ours; "" where there is no value."""
    summary: dict[str, float | str] = {}
    for metric in (*METRICS, *(name for name in OURS if name != "arrival_timestamps")):
        values = finite_sorted(map(float, columns[metric]))
        for name, function in STATISTICS.items():
            summary[f"{metric}_{name}"] = function(values) if values else ""
    return summary


def _nodes(result: SimResult) -> Iterable[Sequence[object]]:
    """A row each for a request's prompt, its decoding and its transfer, as far as it had them."""
    names = {
        (application, index): name
        for application, index, name in zip(
            *(result.instances[column] for column in ("application_id", "index", "name")), strict=True
        )
    }
    wanted = ("request_id", "application_id", "prompt_instance", "token_instance", "prompt_start_s", "prompt_end_s",
              "token_start_s", "token_end_s", "transfer_start_s", "transfer_end_s")  # fmt: skip
    for request, application, prompt, token, *times in zip(*(result.requests[name] for name in wanted), strict=True):
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
            writer.writerows(["" if value != value else value for value in row] for row in rows)
    except OSError as error:
        raise OutputError(f"cannot be written: {error.strerror}", source=str(path)) from error
