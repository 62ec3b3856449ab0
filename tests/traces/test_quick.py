from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_core.errors import TraceError
from traces.quick import SMALL_BYTES, read_small
from traces.reading import ReadOptions, read_trace

HEADER = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size"
CELLS = st.one_of(
    st.integers(-1, 40).map(str),
    st.floats().map(str),
    st.sampled_from(["", " 3", "1_0", "2", "2.0", "1e2", "inf", '"4"', "\u0663", "x", "99999999999999999999"]),
)
SOUND = st.tuples(st.floats(0, 50), st.integers(1, 9000), st.integers(1, 900))


def full(path: Path) -> tuple[object, bool]:
    """What the reader of everything makes of a file, and whether it had anything to put right."""
    try:
        trace, counts = read_trace(path, name="t", options=ReadOptions("splitwise"))
    except TraceError as error:
        return str(error), False
    return trace, not list(counts.lines())


@settings(deadline=None, max_examples=300)
@given(
    st.lists(SOUND, max_size=6),
    st.none() | st.tuples(st.integers(0, 5), st.integers(0, 6), CELLS),
    st.booleans(),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(
        [HEADER, HEADER + ",more", HEADER.replace("batch_size", "other"), HEADER.replace("token", "output")]
    ),
)
def test_what_is_read_quickly_is_what_the_reader_of_everything_reads(
    rows: list[tuple[float, int, int]], change: tuple[int, int, str] | None, ordered: bool, end: str, header: str
) -> None:
    table = [
        [str(n), "2", "0", repr(a), "1", str(p), str(o)]
        for n, (a, p, o) in enumerate(sorted(rows) if ordered else rows)
    ]
    if change and change[0] < len(table):
        table[change[0]][change[1]] = change[2]
    if header.endswith(",more"):
        table = [[*row, "x"] for row in table]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.csv"
        path.write_bytes((end.join([header, *map(",".join, table)]) + end).encode())
        quick = read_small(path, "t")
        whole, sound = full(path)
    if quick is not None:
        assert sound
        assert quick == whole


def test_a_plain_trace_is_read_quickly(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{HEADER}\n0,2,0,0.5,1,10,20\n1,2,0,0.5,1,30,40\n")
    trace = read_small(path, "t")
    assert trace is not None
    assert list(trace.prompt_tokens) == [10, 30]


@pytest.mark.parametrize("text", ["", HEADER, f"{HEADER}\n0,2,0,1.0,1,10,20\n0,2,0,2.0,1,30,40\n", "a,b\n1\n"])
def test_what_is_not_sound_is_left_to_the_reader_of_everything(tmp_path: Path, text: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert read_small(path, "t") is None


def test_a_large_one_is_left_to_the_reader_of_everything(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = "\n".join(f"{n},2,0,{n}.0,1,10,20" for n in range(SMALL_BYTES // 18))
    path.write_text(f"{HEADER}\n{rows}\n")
    assert read_small(path, "t") is None


def test_a_single_run_of_a_small_trace_imports_neither_arrow_nor_pandas(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{HEADER}\n0,2,0,0.5,1,10,20\n")
    code = (
        "import sys; from pathlib import Path; from traces.workload import TraceRef, load; "
        f"load(TraceRef('t', {str(tmp_path)!r}, 0), Path('.')); "
        "assert not {'numpy', 'pandas', 'pyarrow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
