"""Computes the committed figures from the published raw files; README.md beside this file says where to get them.

    python -m data.build --characterization FILE --azure-code FILE --azure-conv FILE [--out FOLDER]

Each file may be left out; its figures then stay as they are. The same input gives the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from data.knots import exact_cdf, simplify, worst_gap
from sim_core.errors import SimError, TraceError, choices

HERE = Path(__file__).resolve().parent
CONFIGURATION = ("model", "hardware", "tensor_parallel")
SIZES = {"prompt": "ContextTokens", "output": "GeneratedTokens"}  # our name -> Azure's column
MAX_CDF_GAP = 0.001  # of the figures to the raw sizes, before any sampling
MAX_MEAN_ERROR = 0.0005  # relative
RATED_W = {"a100-80gb": 400}  # of a GPU whose power was measured, as a share of it
LONG_PROMPT = 1024  # tokens in a batch, from which on prompts reach the power that they reach at most
MOST_PROMPT_SHARE = 0.05  # of a run's time, for its average power to be that of its decodes
DIGITS = 6  # of a cumulative probability: well below MAX_CDF_GAP, well above one request in 20,000


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """All rows of a CSV file that has at least `columns`. TraceError when it cannot be read or lacks one."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            names = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = names
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TraceError(f"cannot be read: {error}", source=str(path)) from error
    for column in columns:
        if column not in names:
            raise TraceError(f"column {column!r} is missing{choices(column, names)}", source=str(path))
    if not rows:
        raise TraceError("has no rows", source=str(path))
    return rows


def number(path: Path, row: int, column: str, text: str | None) -> float:
    """The cell as a positive finite number; TraceError if it is none."""
    try:
        value = float(text or "")
    except ValueError:
        value = 0.0
    if not 0.0 < value < float("inf"):
        raise TraceError(f"{text!r} is not a positive number", source=str(path), row=row, column=column)
    return value


def whole(path: Path, row: int, column: str, text: str | None) -> int:
    """The cell as a positive whole number; TraceError if it is none."""
    value = number(path, row, column, text)
    if not value.is_integer():
        raise TraceError(f"{text!r} is not a whole number", source=str(path), row=row, column=column)
    return int(value)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes a CSV file. Floats are written as repr, which keeps every bit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([repr(cell) if isinstance(cell, float) else cell for cell in row] for row in rows)


Configuration = tuple[str, str, int]  # model, hardware, tensor parallelism
Groups = dict[tuple[Configuration, tuple[int, ...]], list[tuple[float, float]]]


def read_runs(path: Path) -> list[tuple[Configuration, int, int, int, float, float]]:
    """(configuration, prompt_size, batch_size, token_size, prompt_time_s, token_time_s) of every measured run.

    The raw times are milliseconds. They are divided before any median is taken: in floating point the order
    of the two can move the last bit, and with it the side of an iteration boundary on which an arrival falls.
    """
    sizes, times = ("tensor_parallel", "prompt_size", "batch_size", "token_size"), ("prompt_time", "token_time")
    runs = []
    for index, row in enumerate(read_rows(path, (*CONFIGURATION, *sizes, *times)), 1):
        parallel, prompt, batch, outputs = (whole(path, index, name, row[name]) for name in sizes)
        prompt_ms, token_ms = (number(path, index, name, row[name]) for name in times)
        configuration = (row["model"], row["hardware"], parallel)
        runs.append((configuration, prompt, batch, outputs, prompt_ms / 1000, token_ms / 1000))
    return runs


def medians(groups: Groups, *, count: bool) -> list[list[object]]:
    """One row a group, groups in order: key, number of runs (if asked), median of each of the two times."""
    rows: list[list[object]] = []
    for key in sorted(groups):
        configuration, sizes = key
        prompt_s, token_s = zip(*groups[key], strict=True)
        runs = [len(prompt_s)] if count else []
        rows.append([*configuration, *sizes, *runs, median(prompt_s), median(token_s)])
    return rows


def build_performance(raw: Path, out: Path) -> None:
    """performance_curves.csv (by tokens in the batch), performance_medians.csv (by prompt and batch size),
    performance_runs.csv (by output size, too), and performance_steps.csv (by prompt tokens, and by decodes and their
    context)."""
    runs = read_runs(raw)
    curves: Groups = defaultdict(list)
    cells: Groups = defaultdict(list)
    sizes: Groups = defaultdict(list)
    for configuration, prompt, batch, outputs, prompt_s, token_s in runs:
        curves[configuration, (prompt * batch,)].append((prompt_s, token_s))
        cells[configuration, (prompt, batch)].append((prompt_s, token_s))
        sizes[configuration, (prompt, batch, outputs)].append((prompt_s, token_s))
    times = ("prompt_time_s", "token_time_s")
    write_csv(out / "performance_curves.csv", (*CONFIGURATION, "batch_tokens", *times), medians(curves, count=False))
    columns = (*CONFIGURATION, "prompt_size", "batch_size", "runs", *times)
    write_csv(out / "performance_medians.csv", columns, medians(cells, count=True))
    header = (*CONFIGURATION, "prompt_size", "batch_size", "token_size", *times)
    write_csv(out / "performance_runs.csv", header, medians(sizes, count=False))
    of_steps = ("prompt_tokens", "decodes", "context_tokens")
    write_csv(out / "performance_steps.csv", (*CONFIGURATION, *of_steps, "seconds"), measured_steps(runs))


def measured_steps(runs: Iterable[tuple[Configuration, int, int, int, float, float]]) -> list[list[object]]:
    """One row a step of prompts, of which none has context before it, and one a step of decodes: the mean one of a run,
    in which half of the outputs are there."""
    seconds: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for configuration, prompt, batch, outputs, prompt_s, token_s in runs:
        seconds[*configuration, prompt * batch, 0, 0].append(prompt_s)
        seconds[*configuration, 0, batch, batch * (prompt + outputs // 2)].append(token_s)
    return [[*sizes, median(seconds[sizes])] for sizes in sorted(seconds)]


def build_power(raw: Path, out: Path) -> None:
    """gpu_power_measured.json: watts of a GPU by phase, for each configuration whose power was measured.

    Decodes draw the average of the runs in which they take nearly all of the time, prompts the peak of the runs with
    long ones: the median over runs, and at most the GPU's rated power.
    """
    columns = ("prompt_size", "batch_size", "peak_power", "average_power", "prompt_time", "e2e_time")
    shares: dict[tuple[str, str, int], tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for index, row in enumerate(read_rows(raw, (*CONFIGURATION, *columns)), 1):
        if row["average_power"] in ("", "0", "0.0") or row["hardware"] not in RATED_W:  # not measured, or not in watts
            continue
        prompt, batch = (whole(raw, index, name, row[name]) for name in columns[:2])
        peak, average, prompt_ms, all_ms = (number(raw, index, name, row[name]) for name in columns[2:])
        prompts, decodes = shares[
            row["model"], row["hardware"], whole(raw, index, "tensor_parallel", row["tensor_parallel"])
        ]
        if prompt * batch >= LONG_PROMPT:
            prompts.append(peak)
        if prompt_ms <= MOST_PROMPT_SHARE * all_ms:
            decodes.append(average)
    figures = [
        {
            "model": model,
            "processor": hardware,
            "tensor_parallel": parallel,
            "prompt_w": round(RATED_W[hardware] * min(median(prompts), 1.0), 1),
            "token_w": round(RATED_W[hardware] * median(decodes), 1),
        }
        for (model, hardware, parallel), (prompts, decodes) in sorted(shares.items())
    ]
    text = json.dumps({"figures": figures}, indent=2, sort_keys=True)
    (out / "gpu_power_measured.json").write_text(text + "\n", encoding="utf-8")


def workload(name: str, raw: Path) -> tuple[dict[str, object], list[tuple[str, int, float]]]:
    """The entry of a workload in sources.json, and the rows of workloads/{name}.csv."""
    rows = read_rows(raw, tuple(SIZES.values()))
    figures: list[tuple[str, int, float]] = []
    facts: dict[str, object] = {
        "source": "Azure LLM inference trace 2023",
        "file": f"AzureLLMInferenceTrace_{name}.csv",
        "sha256": hashlib.sha256(raw.read_bytes()).hexdigest(),
        "requests": len(rows),
    }
    for size, column in SIZES.items():
        tokens = [whole(raw, index, column, row[column]) for index, row in enumerate(rows, 1)]
        cdf = exact_cdf(tokens)
        knots = [(t, round(p, DIGITS)) for t, p in simplify(cdf, MAX_CDF_GAP, MAX_MEAN_ERROR)]
        figures += [(size, t, p) for t, p in knots]
        facts[f"{size}_tokens"] = {
            "mean": sum(tokens) / len(tokens),
            "min": min(tokens),
            "max": max(tokens),
            "figures": len(knots),
            "largest_cdf_gap": round(worst_gap(cdf, knots), DIGITS),
        }
    return facts, figures


def build_workloads(azure: Mapping[str, Path], out: Path) -> None:
    """Writes workloads/{name}.csv and workloads/sources.json; writes nothing if one of the files cannot be used."""
    built = {name: workload(name, raw) for name, raw in azure.items()}
    path = out / "workloads" / "sources.json"
    known: dict[str, object] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, (facts, figures) in built.items():
        known[name] = facts
        write_csv(out / "workloads" / f"{name}.csv", ("size", "tokens", "cumulative_probability"), figures)
    path.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def build(characterization: Path | None, azure: Mapping[str, Path], out: Path) -> None:
    """Everything that follows from the given raw files, written below `out`."""
    if characterization is not None:
        build_performance(characterization, out)
        build_power(characterization, out)
    if azure:
        build_workloads(azure, out)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit status 2 when an input cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m data.build", description="Rebuild the figures from raw files.")
    parser.add_argument("--characterization", type=Path, metavar="FILE", help="SplitwiseSim's measurements (CSV)")
    parser.add_argument("--azure-code", type=Path, metavar="FILE", help="Azure 2023 trace, code")
    parser.add_argument("--azure-conv", type=Path, metavar="FILE", help="Azure 2023 trace, conversation")
    parser.add_argument("--out", type=Path, default=HERE, metavar="FOLDER", help="where to write (default: data/)")
    options = parser.parse_args(arguments)
    azure = {name: raw for name, raw in (("code", options.azure_code), ("conv", options.azure_conv)) if raw}
    if options.characterization is None and not azure:
        parser.error("name at least one raw file")
    try:
        build(options.characterization, azure, options.out)
    except (SimError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
