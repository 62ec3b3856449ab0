"""How faithful the named workloads are to the published traces, and how long it takes to make them.

    python benchmarks/fidelity.py --azure-code CODE.csv --azure-conv CONV.csv

For prompts and outputs of code and conv: the Kolmogorov-Smirnov distance between sizes drawn and sizes published (the
largest difference of their cumulative shares), and the difference of their means. Status 1 when a distance is above
0.01 or a mean more than 1% off. The published files are AzureLLMInferenceTrace_code.csv and _conv.csv of
https://github.com/Azure/AzurePublicDataset (CC-BY).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from traces import read_csv, write_csv
from traces.named import parse
from traces.reader import read_file

MAX_DISTANCE, MAX_MEAN_ERROR = 0.01, 0.01
REPEATS = 5


def distance(one: Sequence[int], other: Sequence[int]) -> float:
    """Kolmogorov and Smirnov's, of two samples of whole numbers."""
    values = np.union1d(one, other)
    shares = [np.searchsorted(np.sort(sample), values, side="right") / len(sample) for sample in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())


def fidelity(name: str, published: Path, requests: int, seed: int) -> bool:
    """Prints two rows of a table in Markdown; whether they are within the limits."""
    original = read_file(published)
    drawn = parse(f"rr_{name}_1000_{requests / 1000:g}s", seed).generate(seed, name)
    good = True
    for size in ("prompt", "output"):
        true, made = (np.frombuffer(getattr(trace, f"{size}_tokens"), np.int64) for trace in (original, drawn))
        gap, error = distance(true.tolist(), made.tolist()), made.mean() / true.mean() - 1.0
        good = good and gap <= MAX_DISTANCE and abs(error) <= MAX_MEAN_ERROR
        cells = (f"{name} {size}", f"{len(true):,}", f"{len(made):,}", f"{gap:.4f}")
        print("|", " | ".join((*cells, f"{true.mean():,.2f}", f"{made.mean():,.2f} ({error:+.2%})")), "|")
    return good


def timed(action: Callable[[], object]) -> float:
    """CPU milliseconds, the least of some."""
    best = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        action()
        best = min(best, time.process_time() - start)
    return best * 1000.0


def speed() -> None:
    """Prints how long it takes to make a trace of 100,000 requests, and to read it from a file."""
    name = "rr_conv_167"
    recipe = parse(name, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        trace = recipe.generate(0, name)
        write_csv(trace, path)
        made, read = timed(lambda: recipe.generate(0, name)), timed(lambda: read_csv(path))
        print(f"\n{len(trace):,} requests: made in {made:.0f} ms of CPU, read from CSV in {read:.0f} ms")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Fidelity and speed of the named workloads.")
    parser.add_argument("--azure-code", type=Path, metavar="FILE", required=True)
    parser.add_argument("--azure-conv", type=Path, metavar="FILE", required=True)
    parser.add_argument("--requests", type=int, default=1_000_000, help="drawn; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print("| size | published | drawn | K-S distance | mean: published | mean: drawn |")
    print("|---|---|---|---|---|---|")
    files = {"code": options.azure_code, "conv": options.azure_conv}
    good = [fidelity(name, file, options.requests, options.seed) for name, file in files.items()]
    speed()
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
