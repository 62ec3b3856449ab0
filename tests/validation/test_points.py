"""Measured points are read, repaired, and left out for reasons that are counted."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.validation import points
from benchmarks.validation.points import Parallelism, read_points, repaired

AGGREGATED = {
    "id": "row", "silicon_data_source": "db-dump/2026-04-27; silicon_concurrency=8; measured=2026-04-17T00:00",
    "backend": "vllm", "backend_version": "0.19.0", "model_path": "meta-llama/Llama-3.1-70B", "system": "h100_sxm",
    "precision": "fp8", "mode": "agg", "isl": "1024", "osl": "128", "batch_size": "8", "tp_size": "4", "pp_size": "1",
    "attention_dp_size": "1", "moe_tp_size": "4", "moe_ep_size": "1", "silicon_ttft_ms": "100", "silicon_tpot_ms": "9",
}  # fmt: skip
WORKERS = {f"{role}_{name}": "1" for role in ("prefill", "decode") for name in (
    "batch_size", "num_workers", "tp_size", "pp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size")}  # fmt: skip
SPLIT = AGGREGATED | WORKERS | {"mode": "disagg"}
EMPTY = dict.fromkeys(WORKERS, "")


def read(tmp_path: Path, *rows: dict[str, str]) -> points.Reading:
    path = tmp_path / "points.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*AGGREGATED, *WORKERS])
        writer.writeheader()
        writer.writerows(EMPTY | row for row in rows)
    return read_points(path)


def test_a_row_is_a_point(tmp_path: Path) -> None:
    reading = read(tmp_path, AGGREGATED)
    (point,) = reading.points
    assert (point.family, point.concurrency, point.engine) == ("Llama-3.1-70B", 8, Parallelism(4, 1, 1, 4, 1))
    assert (point.ttft_ms, point.tpot_ms, point.gpus, point.parallelism) == (100.0, 9.0, 4, "TP4")
    assert (point.is_inferencex, point.measured, point.mode) == (True, "2026-04-17", "aggregated")
    assert (reading.rows, reading.left_out, reading.repaired) == (1, {}, {})


def test_a_row_of_two_roles_has_workers(tmp_path: Path) -> None:
    (point,) = read(tmp_path, SPLIT | {"decode_num_workers": "3", "decode_tp_size": "2"}).points
    assert (point.mode, point.gpus, point.parallelism) == ("disaggregated", 7, "1P TP1 + 3D TP2")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (AGGREGATED | {"silicon_data_source": "db-dump/2026"}, points.NO_CONCURRENCY),
        (SPLIT | {"prefill_num_workers": ""}, points.NO_WORKERS),
        (AGGREGATED | {"tp_size": "72", "moe_tp_size": "72"}, points.MULTI_NODE),
        (
            AGGREGATED
            | {"model_path": "deepseek-ai/DeepSeek-R1", "silicon_data_source": "2026-04-06.csv;silicon_concurrency=8"},
            points.MAYBE_MTP,
        ),
    ],
)
def test_a_row_is_left_out_for_a_reason_that_is_counted(tmp_path: Path, row: dict[str, str], reason: str) -> None:
    reading = read(tmp_path, row, AGGREGATED | {"isl": "2048"})
    assert (len(reading.points), reading.left_out) == (1, {reason: 1})


def test_of_a_measurement_in_several_exports_the_newest_one_counts(tmp_path: Path) -> None:
    old = AGGREGATED | {"id": "old", "silicon_data_source": "source_file=x/2026-03-25.csv;silicon_concurrency=8"}
    reading = read(tmp_path, old | {"silicon_ttft_ms": "100.01"}, AGGREGATED)
    assert [point.name for point in reading.points] == ["row"]
    assert reading.left_out == {points.DUPLICATE: 1}


def test_a_configuration_that_was_measured_again_is_two_points_and_tells_the_noise(tmp_path: Path) -> None:
    reading = read(tmp_path, AGGREGATED, AGGREGATED | {"id": "again", "silicon_tpot_ms": "10"})
    assert [(one.tpot_ms, other.tpot_ms) for one, other in reading.repeats] == [(9.0, 10.0)]


def test_rows_of_several_replicas_have_the_concurrency_of_one(tmp_path: Path) -> None:
    row = AGGREGATED | {"silicon_data_source": "source_file=own.csv;silicon_concurrency=32"}
    reading = read(tmp_path, row)
    assert (reading.points[0].concurrency, reading.repaired) == (8, {points.REPLICAS: 1})


@pytest.mark.parametrize(
    ("written", "meant", "repairs"),
    [
        ((4, 1, 1, 4, 1), (4, 1, 1, 4, 1), set()),
        ((4, 0, 0, 0, 0), (4, 1, 1, 4, 1), {points.ZEROS, points.MOE_WIDTH}),
        ((64, 1, 1, 8, 8), (8, 1, 1, 1, 8), {points.PRODUCT}),
        ((1, 1, 16, 4, 4), (1, 1, 4, 1, 4), {points.PRODUCT}),
        ((8, 1, 8, 1, 64), (1, 1, 8, 1, 8), {points.SQUARE}),
        ((8, 1, 1, 1, 4), (8, 1, 1, 2, 4), {points.MOE_WIDTH}),
    ],
)
def test_parallelism_is_read_as_the_launch_scripts_mean_it(
    written: tuple[int, ...], meant: tuple[int, ...], repairs: set[str]
) -> None:
    assert repaired(written) == (Parallelism(*meant), repairs)


SIZES = st.integers(0, 6).map(lambda power: 2**power) | st.just(0)


@given(st.tuples(SIZES, st.just(1), SIZES, SIZES, SIZES))
def test_attention_and_experts_have_the_same_gpus_after_a_repair(written: tuple[int, ...]) -> None:
    meant = repaired(written).parallelism
    width = meant.tensor * meant.data
    assert width == meant.moe_tensor * meant.moe_expert or width < min(meant.moe_tensor, meant.moe_expert)
