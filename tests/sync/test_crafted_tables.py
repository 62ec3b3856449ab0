"""Tables of requests that somebody has written on purpose: small files that stand for gigabytes, and odd columns."""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sim_core.errors import SpecError
from sync.__main__ import main
from sync.load import load_sweep
from sync.results.curves import Derived
from sync.results.goodput import by_slo
from sync.results.parquet import (
    INSTANCES,
    UNSERVED,
    check_table,
    open_table,
    read_beside,
    read_derived,
    read_requests,
)
from sync.results.slo import Slo
from tests.sync.stores import keep

Maker = Callable[..., Any]


def written(columns: dict[str, Any], beside: dict[bytes, bytes] | None = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns).replace_schema_metadata(beside or {}), buffer, **options)
    return buffer.getvalue()


def bomb() -> bytes:
    """Four million rows in some hundred bytes a column."""
    return written({name: np.zeros(4_000_000) for name in ("arrival_s", "e2e_s")}, compression="zstd")


TABLES: dict[str, tuple[Callable[[], bytes], str]] = {
    "rows": (bomb, "it says that it has 4,000,000 rows, in .* bytes"),
    "columns": (lambda: written({f"c{number}": [1.0] for number in range(300)}), "300 columns"),
    "parts": (lambda: written({"a": np.arange(3000.0)}, row_group_size=1), "in 3,000 parts"),
    "texts": (lambda: written({"a": ["x" * 50_000_000]}), "a column of 1 rows unpacks to more than"),
    "strings": (lambda: written({"a": ["x"]}), "its column 'a' is of the type string, not of numbers"),
    "lists": (lambda: written({"a": [[1.0, 2.0]]}), "is of the type list"),
    "time": (lambda: written({"arrival_s": [0.0, 2e12]}), "its column 'arrival_s' has a value beyond 1e"),
    "endless": (lambda: written({"arrival_s": [0.0, np.inf]}), "its column 'arrival_s' has a value beyond 1e"),
    "tokens": (lambda: written({"prompt_tokens": [2**53 + 2]}), "its column 'prompt_tokens' has a value beyond 9"),
    "torn": (lambda: b"PAR1 and then nothing PAR1", "arquet"),
    "footer": (lambda: b"PAR1" + b"\xff" * 64 + (64).to_bytes(4, "little") + b"PAR1", ""),
}


@pytest.mark.parametrize(("table", "message"), TABLES.values(), ids=list(TABLES))
def test_a_table_that_no_run_has_left_is_refused(table: Callable[[], bytes], message: str) -> None:
    with pytest.raises((ValueError, OSError), match=message):
        read_requests(table())


def test_a_table_has_as_many_rows_as_its_run_completed_requests() -> None:
    table = written({"arrival_s": [0.0, 1.0]})
    assert open_table(table, 2.0).metadata.num_rows == 2
    with pytest.raises(ValueError, match="it has 2 rows, and its run completed 3 requests"):
        read_requests(table, completed=3.0)


def test_missing_numbers_and_columns_of_former_tables_are_read() -> None:
    table = read_requests(written({"transfer_start_s": [np.nan, 1.0], "request_id": [1, 2]}))
    assert table.to_pydict()["request_id"] == [1, 2]
    assert read_derived(written({"a": [1.0]})) == Derived()
    with pytest.raises(ValueError, match="it has no column 'b'"):
        read_requests(written({"a": [1.0]}), ["b"])


def packed(value: object) -> bytes:
    return zlib.compress(json.dumps(value).encode())


BESIDE: dict[str, tuple[bytes, str]] = {
    "bomb": (zlib.compress(b" " * (40 << 20)), "unpacks to more than"),
    "brackets": (zlib.compress(b'{"a": [' + b"[]," * 200_000 + b"[]]}"), "or to no table"),
    "deep": (zlib.compress(b"[" * 9_000 + b"]" * 9_000), "nested too deeply"),
    "not packed": (b"plain", "cannot be unpacked"),
    "no JSON": (zlib.compress(b"{"), "Expecting"),
    "a list": (packed([1]), "no columns of equal length"),
    "unequal": (packed({"a": [1], "b": []}), "no columns of equal length"),
    "no lists": (packed({"a": 5}), "no columns of equal length"),
    "a list in a column": (packed({"a": [[1]]}), "must be a single value"),
    "digits": (packed({"a": [10**30]}), "a=1000.*must be a number"),
    "endless": (packed({"a": [float("inf")]}), "its a has the value inf"),
    "half a character": (packed({"a": ["\ud800"]}), "a character that no text has"),
}


@pytest.mark.parametrize(("content", "message"), BESIDE.values(), ids=list(BESIDE))
def test_a_table_beside_that_no_run_has_left_is_refused(content: bytes, message: str) -> None:
    table = written({"a": [1.0]}, {INSTANCES: content, UNSERVED: content})
    with pytest.raises(ValueError, match=message):
        read_beside(table, INSTANCES)


DERIVED: dict[str, tuple[str, str]] = {
    "long": (" " * (2 << 20), "has 2,097,152 characters"),
    "steps": ('{"series": {"a": [["x"], [1.0]]}, "trace": {}, "unserved": {}}', r"series.a.steps\[0\]='x': must be a"),
    "values": ('{"series": {"a": [[1], [NaN]]}, "trace": {}, "unserved": {}}', r"series.a.values\[0\]=nan: must be"),
    "unequal": ('{"series": {"a": [[1], []]}, "trace": {}, "unserved": {}}', "1 steps and 0 values"),
    "no pair": ('{"series": {"a": 5}, "trace": {}, "unserved": {}}', "must be steps and values"),
    "trace": ('{"series": {}, "trace": {"digest": [1]}, "unserved": {}}', "must be a single value"),
    "counts": ('{"series": {}, "trace": {}, "unserved": {"late": -3}}', "unserved.late=-3: must be a whole number"),
    "nothing": ("[]", "pairs"),
}


@pytest.mark.parametrize(("text", "message"), DERIVED.values(), ids=list(DERIVED))
def test_what_no_run_has_left_of_its_curves_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_derived(written({"a": [1.0]}, {b"derived": text.encode()}))


@pytest.fixture
def received(tmp_path: Path, sweep: Any, outcome: Maker) -> Path:
    """Results with a run whose table is small and stands for much, beside a sound one."""
    keep(tmp_path, sweep, outcome(1, requests_parquet=bomb()), outcome(2))
    return tmp_path


def test_the_commands_name_the_run_and_the_table_in_one_line(
    received: Path, outcome: Maker, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    name = outcome(1).name
    with pytest.raises(SpecError, match=f"run='{re.escape(name)}': .*is torn .it says that it has 4,000,000 rows"):
        load_sweep("quick start", received).requests(outcome(1).key)
    for form in ("csv", "parquet", "splitwisesim"):
        to = str(tmp_path / f"out-{form}")
        assert main(["--results", str(received), "export", "quick start", "--to", to, "--format", form]) == 2
        error = capsys.readouterr().err
        assert f"run='{name}': " in error and error.count("\n") == 1
    with pytest.raises(ValueError, match="4,000,000 rows"):
        by_slo(outcome(1, requests_parquet=bomb()), Slo(seconds={"ttft": {"p99": 1.0}}))


def test_a_sound_table_passes_and_a_crafted_one_does_not_reach_mlflow(outcome: Maker) -> None:
    check_table(outcome(1))
    check_table(outcome(1, requests_parquet=b""))
    crafted = written({"request_id": [1, 2, 3, 4]}, {UNSERVED: packed({"a": 5})})
    with pytest.raises(ValueError, match="no columns of equal length"):
        check_table(outcome(1, requests_parquet=crafted))
