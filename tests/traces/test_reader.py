"""SplitwiseSim's trace CSV: what is accepted, and what is said of what is not."""

from __future__ import annotations

import csv
import gzip
import io
import random
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim_core.errors import TraceError
from sim_core.limits import VARIABLE
from sim_core.trace import Trace
from traces import TraceWarning, reader

COLUMNS = [
    "request_id",
    "request_type",
    "application_id",
    "arrival_timestamp",
    "batch_size",
    "prompt_size",
    "token_size",
]
GOOD = [["0", "2", "0", "0.5", "1", "10", "5"], ["1", "2", "0", "1.5", "1", "20", "6"]]
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def text(rows: list[list[str]], header: list[str] = COLUMNS) -> str:
    return "".join(",".join(row) + "\n" for row in [header, *rows])


def read(folder: Path, content: str | bytes) -> Trace:
    path = folder / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return reader.read_csv(path, source="t.csv")


def refusal(folder: Path, content: str | bytes) -> str:
    with pytest.raises(TraceError) as caught:
        read(folder, content)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def with_cell(column: str, value: str, row: int = 2) -> str:
    rows = [list(cells) for cells in GOOD]
    rows[row - 1][COLUMNS.index(column)] = value
    return text(rows)


def test_every_column_arrives_where_it_belongs(tmp_path: Path) -> None:
    trace = read(tmp_path, text([["7", "2", "3", "0.25", "4", "10", "5"]]))
    assert trace.name == "t"
    assert [trace.request_id[0], trace.application_id[0], trace.batch_size[0]] == [7, 3, 4]
    assert [trace.arrival_s[0], trace.prompt_tokens[0], trace.output_tokens[0]] == [0.25, 10, 5]
    assert [c.typecode for c in (trace.request_id, trace.arrival_s, trace.prompt_tokens)] == ["q", "d", "q"]


def test_request_type_batch_size_and_application_id_may_be_missing(tmp_path: Path) -> None:
    trace = read(tmp_path, "token_size,request_id,prompt_size,arrival_timestamp\n5,0,10,1\n6,1,20,2\n")
    assert trace.application_id.tolist() == [0, 0]
    assert trace.batch_size.tolist() == [1, 1]
    assert trace.output_tokens.tolist() == [5, 6]


def test_other_columns_are_ignored_whatever_is_in_them(tmp_path: Path) -> None:
    rows = [[*row, "nan", 'a "b", c'] for row in GOOD]
    buffer = io.StringIO()
    csv.writer(buffer).writerows([[*COLUMNS, "", "note"], *rows])
    assert read(tmp_path, buffer.getvalue()) == read(tmp_path, text(GOOD))


PLAIN = text(GOOD)


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode("utf-8-sig"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.rstrip("\n").encode(),
        gzip.compress(PLAIN.encode()),
        gzip.compress(PLAIN.replace("\n", "\r\n").encode("utf-8-sig")),
        PLAIN.replace("\n", "\n\n").encode(),
        PLAIN.replace(",", ", ").encode(),
        PLAIN.replace("10", "10.0").replace("20", "2e1").encode(),
        PLAIN.replace(",10,", ',"10",').encode(),
        PLAIN.replace("0.5", "5e-1").replace("1.5", "+1.50").encode(),
    ],
    ids=["BOM", "CRLF", "cut", "gz", "gz-CRLF-BOM", "blank-rows", "spaces", "floats", "quotes", "exponents"],
)
def test_the_same_trace_written_otherwise_reads_the_same(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, content) == read(tmp_path, PLAIN)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("arrival_timestamp", "nan", "'nan' is not finite"),
        ("arrival_timestamp", "inf", "'inf' is not finite"),
        ("arrival_timestamp", "-inf", "'-inf' is not finite"),
        ("arrival_timestamp", "1e999", "'1e999' is not finite"),
        ("arrival_timestamp", "-0.1", "'-0.1' is negative"),
        ("arrival_timestamp", "soon", "'soon' is not a time in seconds"),
        ("arrival_timestamp", "1_0", "'1_0' is not a time in seconds"),
        ("arrival_timestamp", "", "the cell is empty"),
        ("prompt_size", "0", "'0' must be 1 or more"),
        ("token_size", "0", "'0' must be 1 or more"),
        ("token_size", "0.0", "'0.0' must be 1 or more"),
        ("prompt_size", "-3", "'-3' must be 1 or more"),
        ("prompt_size", "2.5", "'2.5' is not a whole number"),
        ("prompt_size", "many", "'many' is not a whole number"),
        ("prompt_size", "nan", "'nan' is not finite"),
        ("prompt_size", "", "the cell is empty"),
        ("prompt_size", "1_000", "'1_000' is not a whole number"),
        ("prompt_size", "٣", "'٣' is not a whole number"),
        ("prompt_size", str(2**63), f"'{2**63}' is too large"),
        ("prompt_size", "1e17", "'1e17' is too large to be exact"),
        ("batch_size", "0", "'0' must be 1 or more"),
        ("application_id", "-1", "'-1' must be 0 or more"),
        ("request_id", "-1", "'-1' must be 0 or more"),
        ("request_id", "a7", "'a7' is not a whole number"),
        ("request_id", "0", "0 is there twice, first in row 1"),
        ("request_type", "1", "'1': only 2 (generative LLM) can be simulated"),
        ("request_type", "llm", "'llm' is not a whole number"),
    ],
)
def test_a_bad_cell_is_refused_naming_file_row_column_and_value(
    tmp_path: Path, column: str, value: str, reason: str
) -> None:
    assert refusal(tmp_path, with_cell(column, value)).startswith(f"t.csv, row 2, column {column}: {reason}")


def test_sizes_up_to_63_bits_are_exact(tmp_path: Path) -> None:
    assert read(tmp_path, with_cell("request_id", str(2**63 - 1))).request_id[1] == 2**63 - 1


def test_times_whose_sum_overflows_are_too_late_for_any_trace(tmp_path: Path) -> None:
    message = refusal(tmp_path, with_cell("arrival_timestamp", "1.7e308", 1).replace(",1.5,", ",1.7e308,"))
    assert message.startswith("t.csv, row 1, column arrival_timestamp: times start at 1.7e+308 s, beyond the year 5000")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "t.csv: the file is empty"),
        (text([]), "t.csv: there are no requests, only a header"),
        (text([]) + "\n\n", "t.csv: there are no requests, only a header"),
        (PLAIN.replace("token_size", "tokn_size"), "t.csv: column 'token_size' is missing; did you mean 'tokn_size'?"),
        (PLAIN.replace("arrival_timestamp", "prompt_size"), "t.csv: column 'arrival_timestamp' is missing"),
        (PLAIN.replace("application_id", "prompt_size"), "t.csv: column 'prompt_size' is there twice"),
        (PLAIN + "2,2,0,9.5,1\n", "t.csv, row 3: 5 cells under a header of 7"),
        (PLAIN + "2,2,0,9,5,1,1,1\n", "t.csv, row 3: 8 cells under a header of 7"),
        (PLAIN.encode("utf-16"), "t.csv: is not UTF-8 text (byte 0xff)"),
        (gzip.compress(PLAIN.encode())[:-12], "t.csv: cannot be read: the gzipped file is damaged or cut short"),
        (b"\x1f\x8b" + b"x" * 50, "t.csv: cannot be read: "),
        (PLAIN + "2,2,0,9.5,1,1," + "9" * 200_000, f"t.csv, row 3, column token_size: '{'9' * 59}... is not finite"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "bytes",
)
def test_a_bad_file_is_refused_naming_it(tmp_path: Path, content: str | bytes, reason: str) -> None:
    assert refusal(tmp_path, content).startswith(reason)


def test_blank_rows_count_in_row_numbers(tmp_path: Path) -> None:
    assert "row 4, column prompt_size" in refusal(tmp_path, with_cell("prompt_size", "x").replace("\n", "\n\n"))
    assert "row 4, column request_id" in refusal(tmp_path, with_cell("request_id", "0").replace("\n", "\n\n"))


def test_a_missing_or_unreadable_file_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="No such file"):
        reader.read_csv(tmp_path / "absent.csv")
    with pytest.raises(TraceError, match="it is a folder; only regular files are read"):
        reader.read_csv(tmp_path)


def test_a_sound_file_is_read_without_a_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(tmp_path, text([["0", "2", "0", "1", "1", "1", "1"], ["1", "2", "0", "1", "1", "1", "1"]]))


numbers = st.integers(1, 2**53)
requests = st.lists(
    st.tuples(st.integers(0, 9), st.floats(0.0, 1e9), st.integers(1, 99), numbers, numbers), min_size=1, max_size=40
)


@same_folder
@given(
    rows=requests, chunk=st.integers(1, 50), order=st.permutations(COLUMNS), spelling=st.randoms(use_true_random=False)
)
def test_any_table_in_any_spelling_gives_back_its_requests_sorted_stably(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: list[tuple[int, float, int, int, int]], chunk: int,
    order: list[str], spelling: random.Random,
) -> None:  # fmt: skip
    monkeypatch.setenv(VARIABLE, f"line_bytes={300 + chunk},tokens={2**53}")
    cells = []
    for number, (application, arrival, batch, prompt, output) in enumerate(rows):
        whole = {"request_id": number, "application_id": application, "request_type": 2, "batch_size": batch}
        whole |= {"prompt_size": prompt, "token_size": output}
        row = {column: spelling.choice([f"{n}", f"{n}.0", f" {n} "]) for column, n in whole.items()}
        row["arrival_timestamp"] = repr(arrival)
        cells.append([row[column] for column in order])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trace = read(tmp_path, text(cells, order))
    expected = sorted(enumerate(rows), key=lambda item: item[1][1])
    assert trace.request_id.tolist() == [number for number, _ in expected]
    columns = (trace.application_id, trace.arrival_s, trace.batch_size, trace.prompt_tokens, trace.output_tokens)
    assert list(zip(*columns, strict=True)) == [row for _, row in expected]
    assert [w.category for w in caught] == [TraceWarning] * (expected != list(enumerate(rows)))


@same_folder
@given(
    length=st.integers(1, 30),
    chunk=st.integers(1, 8),
    bad=st.sampled_from([c for c in COLUMNS if c != "request_type"]),
    value=st.sampled_from(["x", "-1", "nan", "", "1.5e", "0x10"]),
    data=st.data(),
)
def test_one_bad_cell_anywhere_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int, chunk: int, bad: str, value: str, data: st.DataObject
) -> None:
    monkeypatch.setenv(VARIABLE, f"line_bytes={300 + chunk}")
    row = data.draw(st.integers(1, length))
    rows = [[str(n), "2", "0", str(n), "1", "10", "5"] for n in range(length)]
    rows[row - 1][COLUMNS.index(bad)] = value
    message = refusal(tmp_path, text(rows))
    assert message.startswith(f"t.csv, row {row}, column {bad}: ")
    assert (repr(value) if value else "empty") in message
