"""Measured serving points: read from the package's file, repaired, and each row that is left out with its reason.

The file is `systems/silicon_sample.csv` of aiconfigurator-core: exports of InferenceX (SemiAnalysis), and NVIDIA's own
runs. A row is one benchmark run: a closed loop of some concurrency, and its mean TTFT and mean TPOT.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

AGGREGATED, DISAGGREGATED = "aggregated", "disaggregated"
MODES = {"agg": AGGREGATED, "disagg": DISAGGREGATED}

# The first part of a model's path that stands in it. Variants of a family have the same architecture.
FAMILIES = ("DeepSeek", "MiniMax-M2.5", "gpt-oss", "Llama-3.1-70B", "Llama-3.1-8B", "Qwen3-32B", "Qwen3.5-397B",
            "Kimi-K2.5", "Qwen3-235B", "GLM-5")  # fmt: skip
DENSE = ("Llama-3.1-70B", "Llama-3.1-8B", "Qwen3-32B")
WITH_MTP = ("DeepSeek", "GLM-5", "Qwen3.5-397B")  # families whose checkpoints can draft tokens by themselves
NEWEST_EXPORT = "db-dump"
OLD_EXPORTS = ("2026-03-25.csv", "2026-04-06.csv")  # of InferenceX, without a column for speculative decoding
MOST_GPUS_OF_A_NODE = 8

# Why a row is left out, in the order in which the reasons are looked for.
DUPLICATE = "the same measurement stands in another export"
NO_CONCURRENCY = "no concurrency is given"
MAYBE_MTP = "it may have been run with speculative decoding, which this export does not say"
NO_WORKERS = "disaggregated, without the number of workers"
MULTI_NODE = "called aggregated, and on more GPUs than a node has: a disaggregated run"
REASONS = (DUPLICATE, NO_CONCURRENCY, MAYBE_MTP, NO_WORKERS, MULTI_NODE)

# What was repaired in rows.
ZEROS = "a parallelism of 0 or none stands for 1"
PRODUCT = "TP or DP is written as TP x EP (64 for 8 x 8)"
SQUARE = "TP n, EP n with data-parallel attention is written as TP n, DP n, EP n x n"
MOE_WIDTH = "the experts' parallelism does not have as many GPUs as the attention's"
REPLICAS = "the concurrency is that of several replicas: batch size x DP is that of one"
REPAIRS = (ZEROS, PRODUCT, SQUARE, MOE_WIDTH, REPLICAS)


class Parallelism(NamedTuple):
    """GPUs of an engine: `tensor` x `data` of them for attention, `moe_tensor` x `moe_expert` for experts."""

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    moe_tensor: int = 1
    moe_expert: int = 1

    @property
    def gpus(self) -> int:
        return self.tensor * self.pipeline * self.data

    @property
    def text(self) -> str:
        """As benchmarks write it: TP4, TP4 EP4, DP8 EP8."""
        parts = [f"TP{self.tensor}"] if self.tensor > 1 or self.data == 1 else []
        parts += [f"DP{self.data}"] if self.data > 1 else []
        parts += [f"EP{self.moe_expert}"] if self.moe_expert > 1 else []
        return " ".join(parts)


@dataclass(frozen=True, slots=True)
class Workers:
    """Engines of one role."""

    count: int
    parallelism: Parallelism


@dataclass(frozen=True, slots=True)
class Point:
    """One benchmark run. Times are in ms, lengths in tokens."""

    name: str
    source: str
    is_inferencex: bool
    measured: str  # the day, where the row says it
    backend: str
    backend_version: str
    family: str
    system: str
    precision: str
    isl: int
    osl: int
    concurrency: int  # of one engine, or of all workers where prompts and decodes are apart
    ttft_ms: float
    tpot_ms: float
    engine: Parallelism | None  # None: disaggregated
    prompts: Workers | None = None  # None: aggregated
    decodes: Workers | None = None

    @property
    def mode(self) -> str:
        return DISAGGREGATED if self.engine is None else AGGREGATED

    @property
    def engines(self) -> list[Parallelism]:
        """The parallelism of its engine, or of the workers for prompts and of those for decodes."""
        roles = [role.parallelism for role in (self.prompts, self.decodes) if role is not None]
        return roles if self.engine is None else [self.engine]

    @property
    def gpus(self) -> int:
        if self.engine is not None:
            return self.engine.gpus
        roles = [role for role in (self.prompts, self.decodes) if role is not None]
        return sum(role.count * role.parallelism.gpus for role in roles)

    @property
    def parallelism(self) -> str:
        if self.engine is not None:
            return self.engine.text
        assert self.prompts is not None and self.decodes is not None
        roles = (("P", self.prompts), ("D", self.decodes))
        return " + ".join(f"{role.count}{letter} {role.parallelism.text}" for letter, role in roles)

    @property
    def is_blackwell(self) -> bool:
        return self.system.startswith(("b2", "b3", "gb"))


@dataclass(slots=True)
class Reading:
    """The usable points of a file, with how many rows were left out or repaired, by reason."""

    rows: int = 0
    points: list[Point] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    repaired: Counter[str] = field(default_factory=Counter)
    repeats: list[tuple[Point, Point]] = field(default_factory=list)  # of one configuration, measured again


def version_of(text: str) -> tuple[int, ...]:
    """The numbers that a version begins with; none of a text that names no version."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found else ()


def sample_file() -> Path:
    """The measured points in the installed package, which is not loaded for it."""
    found = find_spec("aiconfigurator_core")
    if found is None or found.origin is None:
        raise SystemExit("make validate needs aiconfigurator-core: pip install 'aiconfigurator-core>=0.12,<0.13'")
    return Path(found.origin).parent / "systems" / "silicon_sample.csv"


def read_points(path: Path) -> Reading:
    """The usable points, in the order of the file."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [_Row(row) for row in csv.DictReader(file)]
    reading = Reading(rows=len(rows))
    duplicates = _duplicates(rows)
    for row in rows:
        reason = DUPLICATE if row in duplicates else row.reason()
        if reason is None:
            point, repairs = row.point()
            reading.points.append(point)
            reading.repaired.update(repairs)
        else:
            reading.left_out[reason] += 1
    reading.repeats = _repeats(reading.points)
    return reading


class _Row:
    """One row of the file."""

    def __init__(self, row: Mapping[str, str]) -> None:
        self.row = row
        text = row["silicon_data_source"]
        found = re.search(r"silicon_concurrency=([0-9.]+)", text)
        self.concurrency = float(found[1]) if found else None
        day = re.search(r"measured=([0-9-]+)", text)
        self.measured = day[1] if day else ""
        self.source = text.split(";")[0].removeprefix("source_file=").split("/")[-1].strip()
        if text.startswith(NEWEST_EXPORT):
            self.source = NEWEST_EXPORT
        self.is_inferencex = self.source in (NEWEST_EXPORT, *OLD_EXPORTS) or "gap-analysis" in self.source
        path = row["model_path"]
        self.family = next((family for family in FAMILIES if family in path), path)
        self.mode = MODES[row["mode"]]

    def number(self, name: str) -> float | None:
        text = self.row[name]
        return float(text) if text else None

    def count(self, name: str) -> int:
        return int(self.number(name) or 0)

    def reason(self) -> str | None:
        """Why the row is left out, but for duplicates."""
        if self.concurrency is None:
            return NO_CONCURRENCY
        if self.source in OLD_EXPORTS and self.family in WITH_MTP:
            return MAYBE_MTP
        if self.mode == DISAGGREGATED and self.number("prefill_num_workers") is None:
            return NO_WORKERS
        if self.mode == AGGREGATED and repaired(self.parallelism("")).parallelism.tensor > MOST_GPUS_OF_A_NODE:
            return MULTI_NODE
        return None

    def parallelism(self, role: str) -> tuple[int, ...]:
        names = ("tp_size", "pp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size")
        return tuple(self.count(role + name) for name in names)

    def point(self) -> tuple[Point, set[str]]:
        """The point, and what was repaired."""
        row = self.row
        assert self.concurrency is not None
        concurrency = int(self.concurrency)
        engine, prompts, decodes = None, None, None
        repairs: set[str] = set()
        if self.mode == AGGREGATED:
            engine, repairs = repaired(self.parallelism(""))
            batch = self.count("batch_size") * engine.data
            if not self.is_inferencex and batch < concurrency:
                concurrency = batch
                repairs = repairs | {REPLICAS}
        else:
            fixed = [repaired(self.parallelism(role)) for role in ("prefill_", "decode_")]
            counts = [self.count(f"{role}_num_workers") for role in ("prefill", "decode")]
            repairs = fixed[0].repairs | fixed[1].repairs
            prompts, decodes = (Workers(count, each.parallelism) for count, each in zip(counts, fixed, strict=True))
        point = Point(
            name=row["id"], source=self.source, is_inferencex=self.is_inferencex, measured=self.measured,
            backend=row["backend"], backend_version=row["backend_version"], family=self.family,
            system=row["system"], precision=row["precision"] or "bf16", isl=self.count("isl"), osl=self.count("osl"),
            concurrency=concurrency, ttft_ms=float(row["silicon_ttft_ms"]), tpot_ms=float(row["silicon_tpot_ms"]),
            engine=engine, prompts=prompts, decodes=decodes,
        )  # fmt: skip
        return point, repairs


class Repaired(NamedTuple):
    parallelism: Parallelism
    repairs: set[str]


def repaired(written: Iterable[int]) -> Repaired:
    """The parallelism that a row means. InferenceX's launch scripts say what the numbers stand for."""
    written = tuple(written)
    tp, pp, dp, moe_tp, moe_ep = (max(number, 1) for number in written)
    repairs = {ZEROS} if 0 in written else set()
    if moe_tp == moe_ep > 1 and moe_tp * moe_ep in (tp, dp):
        tp, dp = (moe_ep, 1) if tp == moe_tp * moe_ep else (1, moe_ep)
        moe_tp = 1
        repairs.add(PRODUCT)
    if tp == dp > 1 and moe_tp * moe_ep == tp * dp:
        tp, moe_tp, moe_ep = 1, 1, dp
        repairs.add(SQUARE)
    width = tp * dp
    if width != moe_tp * moe_ep and (width % moe_ep == 0 or width % moe_tp == 0):
        if width % moe_ep == 0:
            moe_tp = width // moe_ep
        else:
            moe_ep = width // moe_tp
        repairs.add(MOE_WIDTH)
    return Repaired(Parallelism(tp, pp, dp, moe_tp, moe_ep), repairs)


def _duplicates(rows: list[_Row]) -> set[_Row]:
    """All but one row of each measurement, which is the best described one: the newest export comes first."""
    ranks = {source: rank for rank, source in enumerate((NEWEST_EXPORT, *OLD_EXPORTS))}
    seen: set[tuple[object, ...]] = set()
    duplicates: set[_Row] = set()
    for row in sorted(rows, key=lambda row: ranks.get(row.source, 0)):
        ttft_ms, tpot_ms = float(row.row["silicon_ttft_ms"]), float(row.row["silicon_tpot_ms"])
        place = tuple(row.row[name] for name in ("system", "backend", "isl", "osl"))
        key = (*place, row.family, row.concurrency, round(ttft_ms, 1), round(tpot_ms, 3))
        if key in seen:
            duplicates.add(row)
        seen.add(key)
    return duplicates


def _repeats(points: list[Point]) -> list[tuple[Point, Point]]:
    """Pairs of points of one configuration that follow one another: they tell how far a measurement repeats itself."""
    last: dict[tuple[object, ...], Point] = {}
    pairs = []
    for point in points:
        key = (point.backend, point.family, point.system, point.precision, point.isl, point.osl, point.concurrency,
               point.engine, point.prompts, point.decodes, point.is_inferencex)  # fmt: skip
        if key in last:
            pairs.append((last[key], point))
        last[key] = point
    return pairs
