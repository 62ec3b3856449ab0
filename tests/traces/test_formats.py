"""What holds for every format of trace files."""

from __future__ import annotations

import gzip
import json
import tempfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim_core.errors import TraceError
from sim_core.limits import VARIABLE
from tests.traces.examples import BURSTGPT_SIX_COLUMNS, SAMPLES, Sample
from tests.traces.reads import read, refusal
from traces.edit import kept_columns, mixed
from traces.formats import FORMATS, by_name, json_lines, recognise
from traces.formats.base import Kind
from traces.formats.parquet import REQUIRED
from traces.read_counts import ZERO_OUTPUT
from traces.reading import ReadOptions, open_trace
from traces.trace_file import TraceFile
from traces.writing import write_batches

NAMES = [known.about.name for known in FORMATS]
TEXT = [name for name in NAMES if name != "parquet"]


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("name", NAMES)
def test_an_example_has_the_requests_that_these_tests_change(name: str) -> None:
    assert len(SAMPLES[name].arrival_s) > 1
    assert len(set(SAMPLES[name].arrival_s[:2])) == 2


@pytest.mark.parametrize("name", NAMES)
def test_exactly_one_format_recognises_a_sample(name: str) -> None:
    head = SAMPLES[name].content
    assert [known.about.name for known in FORMATS if known.sniff(head)] == [name]


@pytest.mark.parametrize("name", TEXT)
def test_the_beginning_is_enough_to_recognise_a_format(name: str) -> None:
    lines = SAMPLES[name].content.splitlines(keepends=True)
    assert recognise(b"".join(lines[:2]), "x") is by_name(name)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("forced", [False, True])
def test_a_sample_is_read_exactly(name: str, forced: bool, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    path = write(tmp_path, "t", sample.content)
    trace, counts = read(path, format=name if forced else None)
    assert trace.arrival_s.tolist() == sample.arrival_s
    assert trace.prompt_tokens.tolist() == sample.prompt_tokens
    assert trace.output_tokens.tolist() == sample.output_tokens
    assert counts.zero_output_rows == sample.zero_output
    assert counts.rows == len(trace) + sample.zero_output
    assert counts.late_rows == counts.rows_left_out == 0


@pytest.mark.parametrize("name", NAMES)
def test_what_else_a_sample_has_is_kept(name: str, tmp_path: Path) -> None:
    opened = open_trace(TraceFile(write(tmp_path, "t", SAMPLES[name].content)))
    table = pa.Table.from_batches(list(opened.batches()))
    assert kept_columns(opened) == list(SAMPLES[name].kept)
    for column, values in SAMPLES[name].kept.items():
        assert table[column].to_pylist() == values


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "pack", [gzip.compress, zstd, lambda content: gzip.compress(content[:20]) + gzip.compress(content[20:])]
)
def test_compressed_is_as_plain(name: str, pack: Any, tmp_path: Path) -> None:
    plain = read(write(tmp_path, "plain", SAMPLES[name].content))[0]
    assert read(write(tmp_path, "packed", pack(SAMPLES[name].content)))[0] == plain


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pack", [gzip.compress, zstd])
def test_a_compressed_file_that_was_cut_is_said_to_be(name: str, pack: Any, tmp_path: Path) -> None:
    packed = pack(SAMPLES[name].content)
    for length in (len(packed) - 1, len(packed) // 2, 12):
        assert refusal(write(tmp_path, "t", packed[:length]), format=name).endswith("file is damaged or cut short")


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_file_is_refused(name: str, tmp_path: Path) -> None:
    for content in (b"", gzip.compress(b""), zstd(b"")):
        path = write(tmp_path, "t", content)
        assert refusal(path) == "t: the file is empty"
        assert "t: " in refusal(path, format=name)


@pytest.mark.parametrize("name", [name for name in TEXT if SAMPLES[name].suffix == ".csv"])
def test_a_header_alone_is_refused(name: str, tmp_path: Path) -> None:
    header = SAMPLES[name].content.splitlines(keepends=True)[0]
    assert refusal(write(tmp_path, "t", header), format=name) == "t: there are no requests, only a header"
    assert "there are no requests" in refusal(write(tmp_path, "t", header))


def cell_replaced(sample: Sample, column: str, value: str) -> bytes:
    """The second request with another value."""
    lines = sample.content.splitlines()
    if sample.suffix == ".jsonl":
        request = json.loads(lines[1])
        request[column] = "HERE"
        lines[1] = json.dumps(request).encode().replace(b'"HERE"', value.encode())
    else:
        names = lines[0].decode().split(",")
        cells = lines[2].decode().split(",")
        cells[names.index(column)] = value
        lines[2] = ",".join(cells).encode()
    return b"\n".join(lines)


COLUMNS = [(name, column) for name in TEXT for column in SAMPLES[name].number_columns]


@pytest.mark.parametrize(("name", "column"), COLUMNS)
@pytest.mark.parametrize("value", ["x", "-1", "1e999", "", "null", "2023-02-30 00:00:00", "99999999999999999999999"])
def test_a_bad_cell_is_named_by_file_row_and_column(name: str, column: str, value: str, tmp_path: Path) -> None:
    if SAMPLES[name].suffix == ".jsonl" and value in ("x", "", "2023-02-30 00:00:00"):
        value = f'"{value}"'
    if column == SAMPLES[name].arrival and value.startswith("999"):
        value = "9" * 400  # more than any float
    path = write(tmp_path, "t", cell_replaced(SAMPLES[name], column, value))
    assert refusal(path).startswith(f"t, row 2, column {column}: ")


@pytest.mark.parametrize(("name", "column"), COLUMNS)
def test_bad_rows_are_left_out_and_counted_when_asked(name: str, column: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    value = '"x"' if sample.suffix == ".jsonl" else "x"
    whole = read(write(tmp_path, "whole", sample.content), zero_output="keep")[0]
    path = write(tmp_path, "t", cell_replaced(sample, column, value))
    trace, counts = read(path, skip_bad_rows=True, zero_output="keep")
    assert len(trace) == len(whole) - 1
    assert trace.prompt_tokens.tolist() == [n for i, n in enumerate(whole.prompt_tokens) if i != 1]
    assert (counts.rows, counts.rows_left_out) == (len(whole), 1)
    assert counts.lines()[0].startswith(f"t: 1 bad rows left out, the first row 2, column {column}: 'x'")


@pytest.mark.parametrize("name", TEXT)
def test_a_text_file_that_was_cut_names_the_row_that_is_not_whole(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    rows = len(sample.content.splitlines()) - (sample.suffix == ".csv")
    last = sample.content.rstrip(b"\r\n").splitlines()[-1]
    cut = sample.content.rstrip(b"\r\n").removesuffix(last) + last[:4]
    assert refusal(write(tmp_path, "t", cut)).startswith(f"t, row {rows}: ")
    trace, counts = read(write(tmp_path, "t", cut), skip_bad_rows=True)
    assert (len(trace), counts.rows_left_out) == (len(sample.arrival_s) - 1, 1)


@pytest.mark.parametrize("name", TEXT)
def test_bytes_that_are_no_text_are_refused(name: str, tmp_path: Path) -> None:
    content = SAMPLES[name].content.rstrip() + b"\n\xff\xfe\x00"
    assert "is not UTF-8 text (byte 0xff)" in refusal(write(tmp_path, "t", content))


@pytest.mark.parametrize("name", TEXT)
def test_rows_out_of_order_are_sorted_and_counted(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    lines = sample.content.rstrip(b"\r\n").splitlines()
    first = 1 if sample.suffix == ".csv" else 0
    turned = b"\n".join([*lines[:first], *lines[first:][::-1]])
    trace, counts = read(write(tmp_path, "t", turned))
    assert trace.arrival_s.tolist() == sample.arrival_s
    assert counts.late_rows >= 1
    assert counts.lines()[-1].startswith("t, row ")
    assert "the rows were sorted by arrival" in counts.lines()[-1]


@pytest.mark.parametrize("name", TEXT)
def test_requests_without_output_are_dropped_kept_or_refused_as_asked(name: str, tmp_path: Path) -> None:
    sample = SAMPLES[name]
    column = sample.number_columns[-1]
    path = write(tmp_path, "t", cell_replaced(sample, column, "0"))
    kept, counts = read(path, zero_output="keep")
    assert kept.output_tokens.tolist()[1] == 1
    assert "1 requests without output (failures) were kept, with one token" in counts.lines()[0]
    dropped, counts = read(path, zero_output="drop")
    assert len(dropped) == len(kept) - 1
    assert counts.zero_output_rows == 1
    assert column in refusal(path, zero_output="error")


FOREIGN = [name for name in TEXT if name not in ("splitwise", "burstgpt")]


@pytest.mark.parametrize("name", FOREIGN)
def test_a_request_without_a_prompt_is_bad_unless_it_failed(name: str, tmp_path: Path) -> None:
    prompt, output = SAMPLES[name].number_columns[-2:]
    content = cell_replaced(SAMPLES[name], prompt, "0")
    path = write(tmp_path, "t", content)
    assert refusal(path).startswith(f"t, row 2, column {prompt}: ")
    assert read(path, skip_bad_rows=True)[1].rows_left_out == 1
    failed = cell_replaced(replace(SAMPLES[name], content=content), output, "0")
    trace, counts = read(write(tmp_path, "t", failed), zero_output="drop")
    assert (counts.zero_output_rows, len(trace)) == (1, len(SAMPLES[name].arrival_s) - 1)


def test_unknown_content_shows_its_columns_in_one_short_line(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, "t", b"time,tokens\n1,2\n"))
    assert text == (
        "t: is in no known format: its first line has the columns time, tokens; `python -m traces formats` lists the "
        "formats"
    )
    assert "has the keys a, b; `python" in refusal(write(tmp_path, "t", b'{"a": 1, "b": [2]}\n'))
    long = ",".join(f"column{number}" for number in range(5000))
    assert len(refusal(write(tmp_path, "t", f"{long}\n".encode()))) < 250
    assert len(refusal(write(tmp_path, "t", b"x" * 50_000))) < 250


@pytest.mark.parametrize("content", [bytes(range(256)), b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"\x7fELF\x02\x01\x01\0"])
def test_a_binary_file_is_named_by_its_first_bytes(content: bytes, tmp_path: Path) -> None:
    text = refusal(write(tmp_path, "t", content))
    assert text == f"t: is a binary file, not text; its first bytes are {content[:8].hex(' ')}"


def test_content_that_is_nearly_of_a_format_says_what_is_missing(tmp_path: Path) -> None:
    text = refusal(write(tmp_path, "t", b"request_id,arrival_timestamp,prompt_sise,token_size\n0,1,2,3\n"))
    assert "; for the nearest format, splitwise, it lacks prompt_size; " in text
    assert "column 'prompt_size' is missing; did you mean 'prompt_sise'?" in refusal(tmp_path / "t", format="splitwise")


def test_sizes_without_arrivals_are_no_trace(tmp_path: Path) -> None:
    content = b"num_prefill_tokens,num_decode_tokens,num_total_tokens,pd_ratio\n3772,54,3826,69.8\n"
    assert "has sizes but no arrivals" in refusal(write(tmp_path, "t", content))


def test_an_unknown_format_names_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path, "t", SAMPLES["azure2023"].content)
    assert "unknown format 'azure23'; did you mean 'azure2023'?" in refusal(path, format="azure23")


def test_burstgpt_has_six_columns_too(tmp_path: Path) -> None:
    trace, counts = read(write(tmp_path, "t", BURSTGPT_SIX_COLUMNS))
    assert (trace.arrival_s.tolist(), trace.output_tokens.tolist()) == ([0.0, 40.0], [18, 230])
    assert counts.lines() == []


def test_an_agents_session_is_refused_with_the_reason(tmp_path: Path) -> None:
    content = b'{"session_id": "a", "arrival_time_ns": 5, "sub_requests": [{"input_toks": 1, "output_toks": 1}]}\n'
    text = refusal(write(tmp_path, "t", content + SAMPLES["llmservingsim"].content))
    assert text.startswith("t, row 1, column sub_requests: an agent's session")
    trace, counts = read(tmp_path / "t", skip_bad_rows=True)
    assert (len(trace), counts.rows_left_out) == (2, 1)


def test_hash_ids_that_are_none_are_an_error_of_their_row(tmp_path: Path) -> None:
    content = SAMPLES["mooncake"].content.replace(b"[]", b'["a"]')
    assert refusal(write(tmp_path, "t", content)).startswith("t, row 2, column hash_ids: ['a'] is not list<")


LARGEST = 2**64 - 1


@pytest.mark.parametrize(
    ("ids", "stored"),
    [
        ([0, 2**63 - 1], [0, 2**63 - 1]),
        ([-1, -(2**63)], [-1, -(2**63)]),
        ([2**63, LARGEST], [2**63, LARGEST]),
        ([-1, LARGEST], ["-1", str(LARGEST)]),  # no type of 64 bits holds both
        ([2**64], [str(2**64)]),
        (["5", "12345678901234567890"], ["5", "12345678901234567890"]),
        (["deadbeefdeadbeef", "0x1f", 7], ["deadbeefdeadbeef", "0x1f", "7"]),
        ([3.0], [3]),
        ([], []),
        ([None], [None]),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_hash_ids_of_64_bits_and_hashes_in_text_are_kept_exactly(
    ids: list[object], stored: list[object], place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "BLOCK_BYTES", 1)  # the file's type shows in its last chunk
    rows = [{"timestamp": 2000 * n, "input_length": 1537, "output_length": 1, "hash_ids": [4]} for n in range(2)]
    rows[place]["hash_ids"] = ids
    path = write(tmp_path, "t", "\n".join(map(json.dumps, rows)).encode())
    opened = open_trace(TraceFile(path))
    write_batches(opened.batches(), tmp_path / "t.parquet")
    kept = pq.read_table(tmp_path / "t.parquet")["hash_ids"].to_pylist()
    other = ["4"] if any(isinstance(one, str) for one in stored) else [4]
    assert kept[place] == stored
    assert kept[1 - place] == other
    assert len(read(tmp_path / "t.parquet")[0]) == 2


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(st.none() | st.lists(st.integers(-(2**63), LARGEST), max_size=3), min_size=1, max_size=8))
def test_any_hash_ids_of_64_bits_survive(rows: list[list[int] | None]) -> None:
    lines = [
        {"timestamp": 2000 * n, "input_length": 1537, "output_length": 1} | ({} if ids is None else {"hash_ids": ids})
        for n, ids in enumerate(rows)
    ]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "BLOCK_BYTES", 200)
        path = write(Path(folder), "t", "\n".join(map(json.dumps, lines)).encode())
        opened = open_trace(TraceFile(path))
        kept = pa.Table.from_batches(list(opened.batches()))["hash_ids"].to_pylist()
    assert [None if ids is None else [int(one) for one in ids] for ids in kept] == rows


@pytest.mark.parametrize("ids", ["[1.5]", "[[1]]", "[true]", '["ghost"]', '"abc"', "7", '{"a": 1}', "[1e999999999]"])
def test_what_are_no_hash_ids_is_an_error_of_its_row_or_left_out(ids: str, tmp_path: Path) -> None:
    content = SAMPLES["mooncake"].content.replace(b"[]", ids.encode())
    assert refusal(write(tmp_path, "t", content)).startswith("t, row 2, column hash_ids: ")
    opened = open_trace(TraceFile(tmp_path / "t"), ReadOptions(skip_bad_rows=True))
    assert pa.Table.from_batches(list(opened.batches()))["hash_ids"].to_pylist() == [[46, 47, 2353], None]


def test_traces_with_hash_ids_of_several_types_can_be_mixed(tmp_path: Path) -> None:
    paths = []
    for name, ids in (("signed", b"[-1]"), ("unsigned", b"[18446744073709551615]"), ("text", b'["0xff"]')):
        paths.append(write(tmp_path, name, SAMPLES["mooncake"].content.replace(b"[]", ids)))
    result, _ = mixed([open_trace(TraceFile(path)) for path in paths])
    kept = pa.Table.from_batches(list(result.batches()))["hash_ids"].to_pylist()
    assert kept == [["46", "47", "2353"]] * 3 + [["-1"], ["18446744073709551615"], ["0xff"]]


WHOLE_COLUMNS = [(name, column) for name, column in COLUMNS if column != SAMPLES[name].arrival]


@pytest.mark.parametrize(("name", "column"), WHOLE_COLUMNS)
def test_whole_numbers_may_be_written_as_floats_and_others_are_refused_in_every_text_format(
    name: str, column: str, tmp_path: Path
) -> None:
    number = "2" if column == "request_type" else "6"  # 2 is the only type that there is
    plain = read(write(tmp_path, "plain", cell_replaced(SAMPLES[name], column, number)))[0]
    assert read(write(tmp_path, "t", cell_replaced(SAMPLES[name], column, number + ".0")))[0] == plain
    text = refusal(write(tmp_path, "t", cell_replaced(SAMPLES[name], column, "3.5")))
    assert text.startswith(f"t, row 2, column {column}: ")
    assert text.endswith("'3.5' is not a whole number") or text.endswith(": 3.5 is not a whole number")
    text = refusal(write(tmp_path, "t", cell_replaced(SAMPLES[name], column, "9007199254740994.0")))
    assert text.endswith("is too large to be exact as a fraction; write it as a whole number")


def parquet(path: Path, **columns: Any) -> Path:
    columns = {"arrival_s": [0.0, 1.0], "prompt_tokens": [1, 2], "output_tokens": [3, 4]} | columns
    pq.write_table(pa.table({name: values for name, values in columns.items() if values is not None}), path)
    return path


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("arrival_s", [0.0, -1.0]),
        ("arrival_s", [0.0, float("nan")]),
        ("arrival_s", [0.0, float("inf")]),
        ("arrival_s", [0.0, None]),
        ("prompt_tokens", [1, 0]),
        ("output_tokens", [1, 0]),
        ("batch_size", [1, 0]),
        ("request_id", [0, -1]),
        ("application_id", [0, None]),
    ],
)
def test_a_bad_cell_of_parquet_is_named(column: str, values: list[Any], tmp_path: Path) -> None:
    path = parquet(tmp_path / "t", **{column: values})
    assert refusal(path).startswith(f"t, row 2, column {column}: ")
    trace, counts = read(path, skip_bad_rows=True)
    assert (len(trace), counts.rows_left_out) == (1, 1)


PARQUET_WHOLE = ["request_id", "application_id", "batch_size", "prompt_tokens", "output_tokens"]
KINDS = [pa.float16(), pa.float32(), pa.float64(), pa.decimal128(12, 2), pa.uint8(), pa.uint64(), pa.int16()]


@pytest.mark.parametrize("column", PARQUET_WHOLE)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_whole_numbers_of_parquet_may_have_any_type_of_numbers(column: str, kind: pa.DataType, tmp_path: Path) -> None:
    plain = read(parquet(tmp_path / "plain", **{column: [3, 4]}))[0]
    numbers = pa.array([3.0, 4.0], pa.float64()).cast(kind)
    assert read(parquet(tmp_path / "t", **{column: numbers}))[0] == plain


@pytest.mark.parametrize("column", PARQUET_WHOLE)
@pytest.mark.parametrize(
    ("value", "kind", "reason"),
    [
        (3.5, pa.float64(), "'3.5' is not a whole number"),
        (3.5, pa.float32(), "'3.5' is not a whole number"),
        (Decimal("3.50"), pa.decimal128(12, 2), "'3.50' is not a whole number"),
        (-1.0, pa.float64(), "'-1.0' must be "),
        (2.0**54, pa.float64(), "'1.8014398509481984e+16' is too large to be exact as a fraction; write it as a whole"),
        (2**63, pa.uint64(), "'9223372036854775808' is too large (at most 9223372036854775807)"),
        (float("nan"), pa.float64(), "'nan' is not finite"),
        (float("inf"), pa.float64(), "'inf' is not finite"),
        (None, pa.float64(), "the cell is empty"),
        (None, pa.decimal128(3, 3), "the cell is empty"),
    ],
)
def test_other_numbers_of_parquet_are_refused_by_row_and_column(
    column: str, value: object, kind: pa.DataType, reason: str, tmp_path: Path
) -> None:
    first = None if kind == pa.decimal128(3, 3) else 1
    path = parquet(tmp_path / "t", **{column: pa.array([first, value], kind)})
    row = 1 if first is None else 2
    assert refusal(path).startswith(f"t, row {row}, column {column}: {reason}")
    if first is not None:
        trace, counts = read(path, skip_bad_rows=True)
        assert (len(trace), counts.rows_left_out) == (1, 1)


@pytest.mark.parametrize("column", REQUIRED)
def test_parquet_without_a_column_or_with_text_in_it_is_refused(column: str, tmp_path: Path) -> None:
    assert f"column {column!r} is missing" in refusal(parquet(tmp_path / "t", **{column: None}))
    assert f"t, column {column}: holds " in refusal(parquet(tmp_path / "t", **{column: ["a", "b"]}))


def test_a_damaged_parquet_file_is_one_line(tmp_path: Path) -> None:
    content = parquet(tmp_path / "t").read_bytes()
    for damaged in (content[:-1], content[:40], b"PAR1", content[:20] + b"\0" * 40 + content[60:]):
        assert refusal(write(tmp_path, "t", damaged)).startswith("t: is no sound Parquet file: ")


def test_request_ids_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    text = refusal(parquet(tmp_path / "t", request_id=[7, 7]))
    assert text == "t, row 2, column request_id: 7 is there twice, first in row 1"


SPELLINGS = '1|7|12345| 1|2 |01|+3|1.0|2.5|1e2|-0|0|-1|0x10|1_0||nan|inf|x|"5"|"5|NULL|true|2023-02-30 00:00:00'
CELLS = st.sampled_from([*SPELLINGS.split("|"), "9" * 30, "\u0663", "2023-11-16 18:17:03.9799600"])
TIMES = st.sampled_from(["2023-11-16 18:17:03.9799600", "2023-11-16 18:17:04", "2024-02-29 00:00:00Z"])
WHOLES = st.integers(1, 9).map(str)
HEADERS = {
    "splitwise": ("request_id,arrival_timestamp,prompt_size,token_size", [WHOLES, WHOLES, WHOLES, WHOLES]),
    "azure2023": ("TIMESTAMP,ContextTokens,GeneratedTokens", [TIMES, WHOLES, WHOLES]),
    "burstgpt": ("Timestamp,Model,Request tokens,Response tokens", [WHOLES, WHOLES, WHOLES, WHOLES]),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(data=st.data(), name=st.sampled_from(sorted(HEADERS)), newline=st.sampled_from(["\n", "\r\n"]))
def test_whole_columns_give_the_same_trace_or_error_as_single_cells(
    data: st.DataObject, name: str, newline: str, tmp_path: Path
) -> None:
    header, columns = HEADERS[name]
    rows = data.draw(st.lists(st.tuples(*columns).map(list), min_size=1, max_size=6))
    for _ in range(data.draw(st.integers(0, 2))):
        data.draw(st.sampled_from(rows))[data.draw(st.integers(0, len(columns) - 1))] = data.draw(CELLS)
    lines = [header, *map(",".join, rows)]
    for _ in range(data.draw(st.integers(0, 2))):
        lines.insert(data.draw(st.integers(1, len(lines))), data.draw(st.sampled_from(["", "1", "1,2,3,4,5", " "])))
    path = write(tmp_path, "t", (newline.join(lines) + data.draw(st.sampled_from(["", newline]))).encode())
    options = {"format": name, "skip_bad_rows": data.draw(st.booleans()), "zero_output": data.draw(ZERO)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, f"line_bytes={data.draw(st.sampled_from([80, 1 << 20]))}")
        quick = result(path, **options)
        patch.setattr(Kind, "converted", cell_by_cell)
        assert quick == result(path, **options)


ZERO = st.sampled_from([None, *ZERO_OUTPUT])


def cell_by_cell(kind: Kind, cells: pa.Array, least: int) -> tuple[Any, dict[int, str]]:
    return kind._one_by_one(cells.to_pylist(), least)


def result(path: Path, **options: Any) -> object:
    try:
        trace, counts = read(path, **options)
    except TraceError as error:
        return str(error)
    return trace, counts.lines(), counts.rows
