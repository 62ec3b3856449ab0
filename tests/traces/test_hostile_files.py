"""Trace files made to fill the memory, to take long, or to hold what no trace has: each is refused in one line."""

from __future__ import annotations

import gzip
import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sim_core.errors import TraceError
from sim_core.limits import VARIABLE
from tests.traces.reads import read, refusal
from traces.identity import file_identity
from traces.reader import read_file

ROOT = Path(__file__).parents[2]
MB = 1 << 20
VIDUR = b"arrived_at,num_prefill_tokens,num_decode_tokens\n"
AZURE = b"TIMESTAMP,ContextTokens,GeneratedTokens\n"
AZURE_ROW = b"2023-11-16 18:17:03,1,1\n"
SPLITWISE = b"request_id,arrival_timestamp,prompt_size,token_size\n"
MOONCAKE = b'{"timestamp": 0, "input_length": 10, "output_length": 5, "hash_ids": [1]}\n'
NANOSECONDS = b'{"arrival_time_ns": %d, "input_toks": %d, "output_toks": 1}\n'
PEAK_MB = 450  # of a process that reads them all; Arrow and numpy alone take 110
READ_ALL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
from pathlib import Path
from sim_core.errors import TraceError
from traces.reader import read_file
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        print(len(read_file(path, source=path.name)), "requests")
    except TraceError as error:
        print(error)
status = Path("/proc/self/status").read_text()  # ru_maxrss would count the process that started this one
print(int(status.partition("VmHWM:")[2].split()[0]) // 1024)
"""


@pytest.fixture
def allow(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets other limits than the defaults."""
    return lambda **bounds: monkeypatch.setenv(VARIABLE, ",".join(f"{name}={most}" for name, most in bounds.items()))


def packed(content: bytes) -> bytes:
    """The content as a gzip file without a time, so that it is the same in each process."""
    return gzip.compress(content, mtime=0)


def gzipped(path: Path, start: bytes, block: bytes = b"", times: int = 0) -> None:
    """A file that unpacks to `start` and so many blocks: the members of a gzip file are one text."""
    path.write_bytes(gzip.compress(start, 1) + gzip.compress(block, 1) * times)


def zstd(path: Path, start: bytes, block: bytes = b"", times: int = 0) -> None:
    with pa.CompressedOutputStream(str(path), "zstd") as file:
        file.write(start)
        for _ in range(times):
            file.write(block)


def parquet(path: Path, rows: int = 2, columns: dict[str, Any] | None = None, **more: Any) -> None:
    plain = {"arrival_s": np.zeros(rows), "prompt_tokens": np.ones(rows, int), "output_tokens": np.ones(rows, int)}
    pq.write_table(pa.table({**plain, **(columns or {})}), path, compression="zstd", **more)


def many_rows(path: Path, groups: int, rows: int) -> None:
    table = pa.table({name: np.ones(rows, int) for name in ("arrival_s", "prompt_tokens", "output_tokens")})
    with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(groups):
            writer.write_table(table)


def test_files_that_expand_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    rows, spaces = b"0,1,1\n" * (MB // 6), b" " * MB
    gzipped(tmp_path / "a.csv.gz", VIDUR, rows, 50)
    zstd(tmp_path / "b.csv.zst", VIDUR, rows, 50)
    zstd(tmp_path / "d.jsonl.zst", MOONCAKE, spaces, 300)
    gzipped(tmp_path / "e.csv.gz", AZURE, spaces, 300)
    gzipped(tmp_path / "f.csv.gz", AZURE + b'"', b"x,\n" * (MB // 3), 300)
    gzipped(tmp_path / "g.parquet.gz", b"PAR1", bytes(MB), 300)
    many_rows(tmp_path / "h.parquet", 16, MB)
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(MB, np.int32)), pa.array(["y" * MB]))
    parquet(tmp_path / "i.parquet", MB, {"note": text})
    nested = pa.ListArray.from_arrays(pa.array([0, 40 * MB, 40 * MB], pa.int32()), pa.array(np.zeros(40 * MB, np.int8)))
    parquet(tmp_path / "k.parquet", 2, {"hash_ids": nested})
    (tmp_path / "l.csv").write_bytes(AZURE + b"\n" * (2 * MB))
    zstd(tmp_path / "m.jsonl.zst", MOONCAKE, b"\n" * MB, 20)
    done = subprocess.run([sys.executable, "-c", READ_ALL, tmp_path], cwd=ROOT, capture_output=True, text=True)
    *lines, peak_mb = done.stdout.splitlines()
    unpacked = "MB when they are unpacked; at most 50 times as much (--allow expansion=NUMBER raises this limit)"
    long, small = "has more than 2,097,152 bytes (--allow line_bytes=NUMBER", "at most 268 MB for a file this small"
    blank = "more than 1,000,000 blank lines (--allow blank_lines=NUMBER raises this limit)"
    expected = [unpacked] * 2 + [long] * 3 + [unpacked] + [small] * 3 + [blank] * 2
    assert [part in line for part, line in zip(expected, lines, strict=True)] == [True] * 11, done.stdout + done.stderr
    assert int(peak_mb) < PEAK_MB


@pytest.mark.parametrize("name", ["t.csv.gz", "t.jsonl.gz", "t.parquet"])
def test_a_person_may_raise_the_limit_that_the_line_names(
    tmp_path: Path, allow: Callable[..., None], name: str
) -> None:
    content = {"t.csv.gz": VIDUR + b"0,1,1\n" * 20_000, "t.jsonl.gz": NANOSECONDS % (5, 1) * 20_000}
    if name in content:
        gzipped(tmp_path / name, content[name])
    else:
        parquet(tmp_path / name, 20_000)
    allow(small_bytes=100_000, expansion=2)
    assert "for a file this small (--allow small_bytes=NUMBER raises this limit)" in refusal(tmp_path / name)
    allow(small_bytes=1, expansion=2)
    assert "which is 2 times its size (--allow expansion=NUMBER raises this limit)" in refusal(tmp_path / name)
    allow(small_bytes=1, expansion=2_000)
    assert len(read(tmp_path / name)[0]) >= 5000
    allow(expanded_bytes=60_000)
    assert "at most 0 MB (--allow expanded_bytes=NUMBER raises this limit)" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.csv", AZURE + AZURE_ROW * 3, "t.csv: more than 2 rows (--allow rows=NUMBER raises this limit)"),
        ("t.jsonl", NANOSECONDS % (5, 1) * 3, "t.jsonl: more than 2 rows"),
        ("t.csv", AZURE.strip() + b",a,b,c\n" + AZURE_ROW, "6 columns in its first line; at most 5 (--allow columns="),
        ("t.csv", SPLITWISE.strip() + b",a,b,c\n0,0,1,1,2,2,2\n", "7 columns in its first line; at most 5"),
        (
            "t.jsonl",
            NANOSECONDS % (5, 1) + b" " * 200,
            "t.jsonl, row 2: the line has more than 100 bytes (--allow line",
        ),
        ("t.csv", AZURE + AZURE_ROW + b"\n" * 9, "t.csv: more than 3 blank lines (--allow blank_lines="),
        ("t.jsonl", NANOSECONDS % (5, 1) + b"\n" * 9, "t.jsonl: more than 3 blank lines"),
        ("t.csv", AZURE + AZURE_ROW * 90, "bytes; at most 2,000 (--allow trace_bytes=NUMBER raises this limit)"),
    ],
)
def test_rows_columns_lines_and_bytes_have_limits(
    tmp_path: Path, allow: Callable[..., None], name: str, content: bytes, reason: str
) -> None:
    (tmp_path / name).write_bytes(content)
    allow(rows=2, columns=5, line_bytes=100, blank_lines=3, trace_bytes=2000)
    assert reason in refusal(tmp_path / name)


def test_parquet_has_limits_of_rows_and_columns(tmp_path: Path, allow: Callable[..., None]) -> None:
    parquet(tmp_path / "rows", 3)
    parquet(tmp_path / "columns", 2, {f"c{n}": [0, 0] for n in range(3)})
    allow(rows=2, columns=5)
    assert refusal(tmp_path / "rows") == "rows: 3 rows; at most 2 (--allow rows=NUMBER raises this limit)"
    assert refusal(tmp_path / "columns") == "columns: 6 columns; at most 5 (--allow columns=NUMBER raises this limit)"


def test_texts_of_parquet_are_counted_wherever_they_stand(tmp_path: Path, allow: Callable[..., None]) -> None:
    text = "y" * 20_000
    columns = {
        "plain": [text] * 100,
        "large": pa.array([text] * 100, pa.large_string()),
        "bytes": [text.encode()] * 100,
        "lists": [[text]] * 100,
        "structures": [{"a": text}] * 100,
        "maps": pa.array([[("a", text)]] * 100, pa.map_(pa.string(), pa.string())),
    }
    allow(small_bytes=1_000_000)
    for name, values in columns.items():
        parquet(tmp_path / name, 100, {"note": values})
        assert "becomes 2 MB of text in memory; at most 1 MB for a file this small" in refusal(tmp_path / name)
    parquet(tmp_path / "page", 2, {"note": ["z" * 2_000_000, ""]}, use_dictionary=False)
    assert "becomes 2 MB when it is unpacked; at most 1 MB for a file this small" in refusal(tmp_path / "page")
    parquet(tmp_path / "short", 100, {"note": ["y" * 2000] * 100})
    assert len(read(tmp_path / "short")[0]) == 100


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (
            "t.csv",
            VIDUR + b"0,1,1\n1,9007199254740993,1\n",
            "row 2, column num_prefill_tokens: 9,007,199,254,740,993 tok",
        ),
        ("t.csv", VIDUR + b"0,1,10000001\n", "row 1, column num_decode_tokens: 10,000,001 tokens; at most 10,000,000"),
        ("t.csv", SPLITWISE + b"4,0,10000001,1\n", "row 1, column prompt_size: 10,000,001 tokens"),
        ("t.jsonl", NANOSECONDS % (0, 10**7 + 1), "row 1, column input_toks: 10,000,001 tokens"),
        ("t.csv", VIDUR + b"0,1,1\n5000000001,1,1\n", "row 2, column arrived_at: 5,000,000,001 s after the first"),
        ("t.csv", VIDUR + b"5000000001,1,1\n0,1,1\n", "row 1, column arrived_at: 5,000,000,001 s after the first"),
        ("t.csv", VIDUR + b"1000000000001,1,1\n", "row 1, column arrived_at: times start at 1e+12 s, beyond the year"),
        (
            "t.csv",
            VIDUR + b"0,1,1\n1e300,1,1\n",
            "row 2, column arrived_at: 1e+300 s is too late, beyond the year 5000",
        ),
        ("t.csv", SPLITWISE + b"4,0,1,1\n5,5000000001,1,1\n", "row 2, column arrival_timestamp: 5,000,000,001 s after"),
        (
            "t.jsonl",
            NANOSECONDS % (0, 1) + NANOSECONDS % (6 * 10**18, 1),
            "row 2, column arrival_time_ns: 6,000,000,000 s",
        ),
        (
            "t.csv",
            AZURE + b"1700-01-01 00:00:00,1,1\n" + AZURE_ROW,
            "row 2, column TIMESTAMP: 10,220,494,623 s after the",
        ),
        ("t.csv", VIDUR + b"-1,1,1\n", "row 1, column arrived_at: '-1' is negative"),
        ("t.csv", VIDUR + b"nan,1,1\n", "row 1, column arrived_at: 'nan' is not finite"),
        ("t.csv", VIDUR + b"0,-1,1\n", "row 1, column num_prefill_tokens: '-1' must be 0 or more"),
        ("t.csv", VIDUR + b"0,inf,1\n", "row 1, column num_prefill_tokens: 'inf' is not finite"),
    ],
)
def test_times_and_tokens_have_a_range(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    assert reason in refusal(tmp_path / name)
    with pytest.raises(TraceError) as caught:  # also where the quick reader has the first look
        read_file(tmp_path / name, source=name)
    assert reason in str(caught.value)


def test_parquets_times_and_tokens_have_the_same_range(tmp_path: Path) -> None:
    parquet(tmp_path / "late", 2, {"arrival_s": [0.0, 6e9]})
    parquet(tmp_path / "large", 2, {"output_tokens": [1, 2**53 + 1]})
    assert "row 2, column arrival_s: 6,000,000,000 s after the first arrival" in refusal(tmp_path / "late")
    assert "row 2, column output_tokens: 9,007,199,254,740,993 tokens" in refusal(tmp_path / "large")


def test_the_largest_that_is_allowed_is_read_and_a_bad_row_left_out_if_so_wished(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(SPLITWISE + b"0,0,10000000,10000000\n1,5000000000,1,1\n")
    for trace in (read(path)[0], read_file(path)):
        assert trace.prompt_tokens.tolist() == [10_000_000, 1] and trace.arrival_s[-1] == 5e9
    path.write_bytes(VIDUR + b"0,1,1\n1,10000001,1\n2,1,10000001\n3,1,1\n")
    trace, counts = read(path, skip_bad_rows=True)
    assert trace.arrival_s.tolist() == [0.0, 3.0] and counts.rows_left_out == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            b'{"arrival_time_ns": 1%s, "input_toks": 1, "output_toks": 1}' % (b"0" * 5000),
            "a number has thousands of digi",
        ),
        (
            NANOSECONDS.strip()[:-1] % (0, 1) + b', "x": ' + b"[" * 9999 + b"]" * 9999 + b"}",
            "it has hundreds of levels",
        ),
        (
            b'{"arrival_time_ns": 0, "output_toks": 1%s}' % b"".join(b', "k%d": 1' % n for n in range(50_000)),
            "is missing",
        ),
    ],
)
def test_a_line_of_json_with_too_much_in_it_is_one_short_line(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "t.jsonl").write_bytes(NANOSECONDS % (0, 1) + content + b"\n")
    text = refusal(tmp_path / "t.jsonl", format="llmservingsim")
    assert reason in text and "row 2" in text and len(text) < 1000


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b",".join(b"c%d" % n for n in range(100_000)) + b"\n", "is in no known format"),
        (AZURE.strip() + b"," * 70_000, "columns in its first line; at most 1,000"),
        (AZURE.strip() + b',"' + b"x" * 70_000, "its first line has more than 65,536 bytes"),
        (AZURE + b"x\n" * 5000, "row 1: 1 cells under a header of 3"),
        (AZURE + b",".join([b"1"] * 100_000) + b"\n", "row 1: 100000 cells under a header of 3"),
        (
            AZURE.replace(b"\n", b"\r") + AZURE_ROW.replace(b"\n", b"\r"),
            "has lines that end in a carriage return alone",
        ),
        (packed(packed(AZURE + AZURE_ROW)), "is packed twice, by gzip inside; unpack it once"),
        (packed(AZURE + AZURE_ROW)[:-9], "the gzipped file is damaged or cut short"),
        (packed(AZURE + AZURE_ROW) + b"more", "the gzipped file is damaged or cut short"),
        (packed(b"PK\x03\x04" + AZURE), "is a zip archive"),
        (bytes(1000), "is a binary file, not text"),
        (AZURE + b"2023-11-16 18:17:03,\0,1\n", "row 1, column ContextTokens"),
        ((AZURE + AZURE_ROW).decode().encode("utf-16"), "but UTF-16"),
    ],
    ids=itertools.count(),  # bytes of 100 kB are no names
)
def test_a_file_that_is_no_trace_is_refused_in_one_line(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    assert reason in refusal(tmp_path / "t.csv")


def test_members_of_a_gzip_file_are_one_text(tmp_path: Path) -> None:
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(AZURE + AZURE_ROW) + gzip.compress(AZURE_ROW * 2))
    assert len(read(tmp_path / "t.csv.gz")[0]) == 3


def test_blank_lines_are_left_out_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(VIDUR + b"0,1,1\n\n\n5,2,2\n,2,2\n")
    assert (
        refusal(tmp_path / "t.csv")
        == "t.csv, row 5, column arrived_at: the cell is empty; it must be a time in seconds"
    )
    trace, counts = read(tmp_path / "t.csv", skip_bad_rows=True)
    assert trace.arrival_s.tolist() == [0.0, 5.0] and (counts.rows, counts.blank_lines) == (5, 2)


def test_what_is_no_regular_file_is_refused_by_every_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    for name, kind in (("pipe.csv", "a named pipe"), ("zero.csv", "a device"), (".", "a folder")):
        reason = f"{name}: cannot be read: it is {kind}; only regular files are read"
        assert refusal(tmp_path / name).endswith(reason.removeprefix("."))
        with pytest.raises(OSError, match=kind):
            file_identity(tmp_path / name)
        with pytest.raises(TraceError, match=kind):
            read_file(tmp_path / name)
