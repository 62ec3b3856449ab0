"""Measure CPU and wall time that the MLflow writer takes for a run. Prints raw numbers and medians as JSON.

    python benchmarks/mlflow_writer.py --runs 60 --requests 10000

Every run is complete: parameters, metrics, curves, tags, the trace as a data set, the table of requests and the other
files. The store is a new SQLite database.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from sync import Outcome, SweepInfo
from sync.results.curves import MOST_STEPS, PERCENTS, Derived, Series
from sync.tracking.sink import MlflowSink

_COLUMNS = 22


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--requests", type=int, default=10_000, help="rows of each table of requests")
    parser.add_argument("--metrics", type=int, default=45)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(Path(folder), arguments.runs, arguments.requests, arguments.metrics), indent=1))
    return 0


def measure(folder: Path, runs: int, requests: int, metrics: int) -> dict[str, object]:
    """Seconds for opening the sink, for writing each run, and for writing all again (which must change nothing)."""
    sweep = SweepInfo("bench", "", "bench", "", runs, "python benchmarks/mlflow_writer.py")
    outcomes = [_outcome(i, requests, metrics) for i in range(runs)]
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    sink = MlflowSink(folder)
    opening = _timed(lambda: sink.open(sweep))
    writing = [_timed(lambda outcome=outcome: sink.write(outcome)) for outcome in outcomes]
    sink.close()
    again = MlflowSink(folder)
    again.open(sweep)
    second = [_timed(lambda outcome=outcome: again.write(outcome)) for outcome in outcomes]
    again.close()
    return {
        "runs": runs,
        "requests_a_run": requests,
        "metrics_a_run": metrics,
        "parquet_bytes_a_run": len(outcomes[0].requests_parquet),
        "database_bytes": (folder / "mlflow.db").stat().st_size,
        "open_cpu_s": opening[0],
        "open_wall_s": opening[1],
        "curve_points_a_run": 3 * len(PERCENTS) + 5 * MOST_STEPS,
        "median_cpu_s": statistics.median(cpu for cpu, _ in writing[1:]),
        "median_wall_s": statistics.median(wall for _, wall in writing[1:]),
        "index_and_rewrite_cpu_s": sum(cpu for cpu, _ in second),
        "cpu_s": [cpu for cpu, _ in writing],
        "wall_s": [wall for _, wall in writing],
    }


def _timed(call: object) -> tuple[float, float]:
    assert callable(call)
    cpu, wall = time.process_time(), time.perf_counter()
    call()
    return round(time.process_time() - cpu, 6), round(time.perf_counter() - wall, 6)


def _derived(generator: np.random.Generator) -> Derived:
    lengths = {f"by_percentile/{i}_s": PERCENTS for i in range(3)}
    lengths |= {f"over_time_s/{i}": tuple(range(0, 10 * MOST_STEPS, 10)) for i in range(5)}
    series = {name: Series(steps, tuple(generator.random(len(steps)))) for name, steps in lengths.items()}
    return Derived(series, {"digest": "0" * 64, "requests": 1})


def _outcome(index: int, requests: int, metrics: int) -> Outcome:
    generator = np.random.default_rng(index)
    table = pa.table({f"column_{i}_s": generator.random(requests) for i in range(_COLUMNS)})
    table = table.replace_schema_metadata({"derived": _derived(generator).to_json()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    numbers = random.Random(index)
    return Outcome(
        name=f"bench {index}",
        system="bench",
        design="bench",
        workload="bench",
        key=f"{index:064x}",
        index=index,
        overrides=tuple(f"group.option_{i}={i}" for i in range(25)),
        axes={"rate": index},
        machines={"dgx-a100": index, "dgx-h100": 1},
        cost=1.0,
        power=1.0,
        rate=float(index),
        trace="bench",
        trace_identity="bench",
        seed=index,
        status="completed",
        summary={f"section_{i % 5}/figure_{i}_s": numbers.random() for i in range(metrics)},
        requests_parquet=buffer.getvalue(),
        config_yaml="key: value\n" * 300,
        cpu_s=1.0,
        wall_s=1.0,
        started_at="2026-01-01T00:00:00+00:00",
        version="0",
    )


if __name__ == "__main__":
    sys.exit(main())
