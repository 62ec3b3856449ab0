"""How fast traces are read and converted, and in how much memory: `python benchmarks/traces.py [--rows N | --sort N]`.

Writes files in the layouts of Azure's trace of 2024 (with 27.3 million rows the longest there is) and of SplitwiseSim
into a temporary folder, converts them by the command line in a process of its own, and prints what that took.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.compute as pc  # noqa: E402
import pyarrow.csv  # noqa: E402

from sim_core.trace import Trace  # noqa: E402
from traces.writing import write_trace  # noqa: E402

START = datetime(2024, 5, 12, tzinfo=UTC)
MEAN_GAP_US = 22_000  # 27.3 million requests in a week
AZURE = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
BLOCK_ROWS = 1 << 16
LOADED_ROWS = 1_000_000
# Run a module, or load a trace, then say what it took. (The kernel's getrusage would count the parent's memory too.)
MEASURED = """
import runpy, sys, time
sys.argv = sys.argv[1:]
begin = time.process_time()
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit as stop:
    if stop.code:
        raise
seconds = time.process_time() - begin
peak_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("MEASURED", seconds, peak_kb)
"""
LOAD = """
import sys, time
from pathlib import Path
begin = time.perf_counter()
from traces.workload import TraceRef, load
trace = load(TraceRef(sys.argv[1], sys.argv[2], 0), Path("."))
seconds = time.perf_counter() - begin
assert len(trace) == int(sys.argv[3])
peak_kb = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print("MEASURED", seconds, peak_kb)
"""


def gaps_us(rows: int, random: Random) -> Iterator[int]:
    """Exponential gaps; one in 20,000 ends on a whole second, which the publisher writes without a fraction."""
    return (int(random.expovariate(1 / MEAN_GAP_US)) for _ in range(rows))


def write_azure2024(path: Path, rows: int, late_every: int = 0) -> None:
    """A file of that layout; with `late_every`, each such row is an hour early."""
    random = Random(0)
    with path.open("w", newline="") as file:
        file.write("TIMESTAMP,ContextTokens,GeneratedTokens\n")
        for number, elapsed_us in enumerate(accumulate(gaps_us(rows, random))):
            late = late_every and number % late_every == late_every - 1
            moment = START + timedelta(microseconds=max(0, elapsed_us - (3_600_000_000 if late else 0)))
            file.write(f"{moment},{random.randint(1, 8000)},{random.randint(1, 400)}\n")


def write_shuffled(path: Path, rows: int) -> None:
    """A file of the same layout with its rows in random order."""
    random = np.random.default_rng(0)
    week_us = rows * MEAN_GAP_US
    schema = pa.schema({name: pa.string() if name == "TIMESTAMP" else pa.int64() for name in AZURE})
    options = pa.csv.WriteOptions(quoting_style="none", quoting_header="none")
    with pa.csv.CSVWriter(path, schema, write_options=options) as writer:
        for _ in range(0, rows, BLOCK_ROWS):
            micros = random.integers(0, week_us, BLOCK_ROWS) + int(START.timestamp()) * 1_000_000
            times = pc.binary_join_element_wise(
                pa.array(micros).cast(pa.timestamp("us")).cast(pa.string()), "+00:00", ""
            )
            sizes = [pa.array(random.integers(1, most, BLOCK_ROWS)) for most in (8000, 400)]
            writer.write_batch(pa.record_batch([times, *sizes], schema=schema))


def a_trace(rows: int) -> Trace:
    """Requests in our own columns."""
    random = Random(1)
    return Trace(
        name="t",
        request_id=array("q", range(rows)),
        application_id=array("q", [0]) * rows,
        arrival_s=array("d", accumulate(gap / 1e6 for gap in gaps_us(rows, random))),
        prompt_tokens=array("q", [random.randint(1, 8000) for _ in range(rows)]),
        output_tokens=array("q", [random.randint(1, 400) for _ in range(rows)]),
        batch_size=array("q", [1]) * rows,
    )


def measured(program: str, *arguments: str) -> tuple[float, float, float]:
    """Wall seconds, seconds as the program counts them, peak memory in MB."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    wall_s = time.perf_counter() - begin
    _, seconds, peak_kb = done.stdout.splitlines()[-1].split()
    return wall_s, float(seconds), float(peak_kb) / 1024


def conversions(folder: Path, rows: int) -> None:
    """Prints a line for each conversion."""
    files = {"in order": folder / "ordered.csv", "one row in 1,000 an hour early": folder / "late.csv"}
    write_azure2024(files["in order"], rows)
    write_azure2024(files["one row in 1,000 an hour early"], rows, late_every=1000)
    for what, path in files.items():
        for ending in ("parquet", "csv.zst"):
            out = folder / f"out.{ending}"
            wall_s, cpu_s, peak_mb = measured(MEASURED, "traces", "convert", str(path), str(out), "--force")
            print(
                f"{rows:,} rows of Azure 2024 ({what}, {path.stat().st_size / 1e6:,.0f} MB) to {ending} "
                f"({out.stat().st_size / 1e6:,.0f} MB): {wall_s:.1f} s, {rows / cpu_s:,.0f} rows per CPU-second, "
                f"peak {peak_mb:.0f} MB"
            )


def sorting(folder: Path, rows: int) -> None:
    """Prints in how much memory a file whose rows are in random order is sorted."""
    path, out = folder / "shuffled.csv", folder / "sorted.parquet"
    rows = -(-rows // BLOCK_ROWS) * BLOCK_ROWS
    write_shuffled(path, rows)
    wall_s, _, peak_mb = measured(MEASURED, "traces", "convert", str(path), str(out), "--force")
    print(f"{rows:,} rows in random order ({path.stat().st_size / 1e6:,.0f} MB): {wall_s:.1f} s, peak {peak_mb:.0f} MB")


def loads(folder: Path) -> None:
    """Prints how long a run waits for its trace, importing Arrow included."""
    trace = a_trace(LOADED_ROWS)
    for ending in ("parquet", "csv", "csv.gz", "csv.zst"):
        path = folder / f"{ending.replace('.', '_')}.{ending}"
        write_trace(trace, path)
        name = path.name.removesuffix(f".{ending}")
        times = [measured(LOAD, name, str(folder), str(LOADED_ROWS)) for _ in range(3)]
        best = min(times, key=lambda one: one[1])
        size_mb = path.stat().st_size / 1e6
        print(f"1,000,000 requests from {ending} ({size_mb:.0f} MB): {best[1]:.2f} s, {best[2]:.0f} MB")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000, help="of files to be converted; default: %(default)s")
    parser.add_argument("--sort", type=int, metavar="ROWS", help="only sort so many rows that are in random order")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.sort:
            sorting(Path(folder), options.sort)
            return
        loads(Path(folder))
        conversions(Path(folder), options.rows)


if __name__ == "__main__":
    main()
