"""The unit of a file's times: found out where the file shows it, asked for where it does not, as told otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from decimal import Decimal
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_core.errors import TraceError
from tests.traces.examples import SAMPLES
from tests.traces.reads import read, refusal
from traces import TraceRef, identity, load
from traces.__main__ import main
from traces.formats import FORMATS, by_name
from traces.read_counts import ReadCounts
from traces.reader import TraceNote, TraceWarning, read_csv, read_file
from traces.recipe_file import read_recipe
from traces.time_unit import DECIMALS, MIN_REQUESTS, UNIT_NS

ROOT = Path(__file__).resolve().parents[2]
BAILIAN = {"chat_id": 0, "parent_chat_id": -1}


def jsonl(path: Path, times: list[object], **more: object) -> Path:
    """Mooncake's layout; a text stands for a number that is written so."""
    rows = []
    for place, time in enumerate(times):
        row = json.dumps({**more, "timestamp": "TIME", "input_length": 10 + place, "output_length": 3})
        rows.append(row.replace('"TIME"', time if isinstance(time, str) else json.dumps(time)))
    path.write_text("\n".join(rows) + "\n")
    return path


def unit(counts: ReadCounts) -> str:
    assert counts.time_unit
    return counts.time_unit.unit


# 5 requests a second in milliseconds, and the same in others
IN_MS = [200 * n for n in range(MIN_REQUESTS)]


@pytest.mark.parametrize(
    ("times", "more", "found"),
    [
        (IN_MS, {}, "ms"),
        (IN_MS[:2], {}, "ms"),  # 5 requests/s; in seconds 0.005
        ([0, 0, 0, 3000, 3000, 3001, 6000], {}, "ms"),  # Mooncake's conversations
        ([27482, 30535], {}, "ms"),
        ([27482.25, 30535.5], {}, "ms"),  # fractions of milliseconds
        (["2.7482e4", "3.0535E4"], {}, "ms"),
        (['"27482"', '"30535.5"'], {}, "ms"),  # text
        ([10**9 + time for time in IN_MS], {}, "ms"),  # a slice far from the beginning
        ([time / 1000 for time in IN_MS], {}, "s"),
        ([time // 1000 for time in IN_MS], {}, "s"),  # whole seconds
        ([10_000 + time / 1000 for time in IN_MS], {}, "s"),
        ([0.068, 0.183, 0.429], BAILIAN, "s"),
        ([0, 0, 0, 1, 1, 2], BAILIAN, "s"),
        ([0, 50], BAILIAN, "s"),  # 0.02 requests/s: usual, and so is 20 in milliseconds; the keys decide
        ([0.0, 0.0001], BAILIAN, "s"),  # a burst: 10,000 requests/s, and more in every other unit
        (IN_MS, BAILIAN, "ms"),  # converted: in seconds it would be a request in 200 s
        ([1_753_780_607 + n for n in range(5)], {}, "s"),  # Unix times
        ([1_753_780_607.123 + n / 4 for n in range(5)], {}, "s"),
        ([1_753_780_607_123 + 250 * n for n in range(5)], {}, "ms"),
        ([(1_753_780_607_123 + 250 * n) * 1_000 for n in range(5)], {}, "us"),
        ([(1_753_780_607_123 + 250 * n) * 1_000_000 for n in range(5)], {}, "ns"),
        (['"1753780607550317897"', '"1753780607800317897"'], {}, "ns"),
        ([time * 1_000_000 for time in IN_MS], {}, "ns"),
        ([7], {}, "ms"),  # it makes no difference
        ([0, 0, 0], {}, "ms"),
        ([5.5, 5.5], BAILIAN, "ms"),
    ],
)
def test_the_unit_is_found_out_where_the_file_shows_it(
    times: list[object], more: dict[str, object], found: str, tmp_path: Path
) -> None:
    trace, counts = read(jsonl(tmp_path / "t.jsonl", times, **more))
    assert unit(counts) == found
    exact = [Decimal(str(time).strip('"')) for time in times]
    ticks = Decimal(UNIT_NS[found]) / 10**9
    expected = [float((time - exact[0]) * ticks) for time in exact]
    assert trace.arrival_s.tolist() == pytest.approx(expected, rel=1e-12, abs=1e-9)
    assert counts.lines() == []
    assert len(counts.notes()) == 1


@pytest.mark.parametrize(
    ("times", "more", "units"),
    [
        ([0, 0, 0, 1, 1, 2], {}, ("s", "ms")),  # 2.5 requests/s, or 2,500
        ([0.068, 0.183, 0.429], {}, ("s", "ms")),
        ([1234.5, 1234.6, 1234.7], {}, ("s", "ms")),
        ([0, 1], {}, ("s", "ms")),
        ([20 * n for n in range(500)], {}, ("s", "ms")),  # 50 requests/s, or 0.05: both are usual, however many come
        ([30_000 * n for n in range(500)], {}, ("ms", "us")),  # 0.03 requests/s, or 33
        ([200_000 * n for n in range(50)], {}, ("s", "ms", "us")),  # 5 requests/s in microseconds
        ([68_000, 183_000, 429_000], BAILIAN, ("s", "ms", "us")),  # neither as the keys say nor in milliseconds
    ],
)
def test_the_unit_is_asked_for_with_both_readings_where_the_file_does_not_show_it(
    times: list[object], more: dict[str, object], units: tuple[str, ...], tmp_path: Path
) -> None:
    path = jsonl(tmp_path / "t.jsonl", times, **more)
    text = refusal(path)
    assert text.startswith("t.jsonl, column timestamp: the unit of these times is not clear: in ")
    assert all(f"--time-unit {one}" in text and f"trace.time_unit={one}" in text for one in units)
    for one in units:
        trace, counts = read(path, time_unit=one)
        assert counts.time_unit and counts.time_unit.text().endswith("(as told)")
        assert len(trace) == len(times)


def test_the_question_has_the_numbers_of_both_readings(tmp_path: Path) -> None:
    text = refusal(jsonl(tmp_path / "t.jsonl", [0, 0, 0, 1, 1, 2, 3]))
    assert text == (
        "t.jsonl, column timestamp: the unit of these times is not clear: in seconds they last 3 s, 2 requests/s; "
        "in milliseconds they last 0.003 s, 2,000 requests/s. Say --time-unit s or --time-unit ms "
        "(in a run: trace.time_unit=s or trace.time_unit=ms)"
    )


def test_what_the_unit_was_found_out_by_is_said(tmp_path: Path) -> None:
    reasons = {
        "milliseconds (found out: 5 requests/s, in seconds it would be 0.005)": (IN_MS, {}),
        "seconds (found out: 5 requests/s, in milliseconds it would be 5,000)": ([t / 1000 for t in IN_MS], {}),
        "seconds (found out by the keys chat_id, parent_chat_id; 2 requests/s, in milliseconds it would be 2,000)": (
            [0, 0.5],
            BAILIAN,
        ),
        "seconds (found out: they are Unix times, from 2025-07-29 on)": ([1_753_780_607, 1_753_780_609], {}),
        "milliseconds (every unit gives the same trace: all requests arrive at once)": ([3, 3], {}),
    }
    for reason, (times, more) in reasons.items():
        counts = read(jsonl(tmp_path / "t.jsonl", list(times), **more))[1]  # type: ignore[arg-type]
        assert counts.notes() == [f"t.jsonl: time unit: {reason}"]


@settings(deadline=None, max_examples=60)
@given(
    gaps_ns=st.lists(st.integers(0, 10**12), min_size=1, max_size=30),
    start_ns=st.integers(0, 2 * 10**18),
    one=st.sampled_from(sorted(UNIT_NS)),
    name=st.sampled_from(["mooncake", "apex", "vidur", "burstgpt", "splitwise"]),
)
def test_the_same_requests_in_every_unit_are_the_same_trace(
    gaps_ns: list[int], start_ns: int, one: str, name: str
) -> None:
    # a CSV reader's times are floats from the start on: whole milliseconds from 0 on are exact enough to be equal
    exact = name in ("mooncake", "apex")
    times_ns = list(accumulate(gaps_ns, initial=start_ns if exact else 0))
    if not exact:
        times_ns = [time // 10**6 * 10**6 for time in times_ns]
    sample = SAMPLES[name]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t"
        traces = []
        for u in (one, "ns"):
            texts = [f"{Decimal(time).scaleb(DECIMALS[u] - 9):f}" for time in times_ns]
            if exact:
                arrival, prompt, output = by_name(name).required
                rows = [f'{{"{arrival}": {text}, "{prompt}": 5, "{output}": 2}}' for text in texts]
            else:
                header = sample.content.decode().splitlines()[0].split(",")
                number = dict.fromkeys(header, "1") | {"request_type": "2"}
                rows = [",".join(header)]
                for place, text in enumerate(texts):
                    row = number | {by_name(name).arrival: text, "request_id": str(place)}
                    rows.append(",".join(row[column] for column in header))
            path.write_text("\n".join(rows) + "\n")
            traces.append(read(path, format=name, time_unit=u)[0])
    assert traces[0] == traces[1]
    assert traces[0].arrival_s[-1] == (times_ns[-1] - times_ns[0]) / 10**9


def test_fractions_of_every_unit_are_read_to_the_nanosecond(tmp_path: Path) -> None:
    times = {"s": "0.000000068", "ms": "0.000068", "us": "0.068", "ns": "68.4"}
    for name, text in times.items():
        trace, _ = read(jsonl(tmp_path / "t.jsonl", [0, text]), time_unit=name)
        assert trace.arrival_s.tolist() == [0.0, 68e-9]


def test_times_told_in_another_unit_are_read_exactly_from_text(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n0,1,1\n68.3,1,1\n1e3,1,1\n 2000,1,1\n")
    trace, counts = read(path, time_unit="ms")
    assert trace.arrival_s.tolist() == [0.0, 0.0683, 1.0, 2.0]
    assert counts.notes() == ["t.csv: time unit: milliseconds (as told)"]
    path.write_text("arrived_at,num_prefill_tokens,num_decode_tokens\n0,1,1\n-3,1,1\n")
    assert refusal(path, time_unit="ms") == (
        "t.csv, row 2, column arrived_at: '-3' is negative; times are milliseconds from 0 on"
    )


@pytest.mark.parametrize("name", [known.about.name for known in FORMATS])
def test_a_format_says_its_unit_or_that_it_has_none(name: str, tmp_path: Path) -> None:
    path = tmp_path / "t"
    path.write_bytes(SAMPLES[name].content)
    times = by_name(name).about.times
    plain, counts = read(path)
    assert (counts.time_unit is not None) == times.varies
    for one in UNIT_NS:
        if not times.unit:
            assert "holds times of day, which have no unit" in refusal(path, time_unit=one)
        elif one == times.unit:
            assert read(path, time_unit=one)[0] == plain
        elif times.named:
            assert "as its name says" in refusal(path, time_unit=one)
        else:
            scale = UNIT_NS[one] / UNIT_NS[times.unit]
            expected = [time * scale for time in plain.arrival_s]
            assert read(path, time_unit=one)[0].arrival_s.tolist() == pytest.approx(expected)


def test_a_run_needs_no_unit_for_traces_that_it_makes_itself(tmp_path: Path) -> None:
    ref = TraceRef("rr_conv_2_30s", ".", 3, "s")
    assert load(ref, tmp_path) == load(TraceRef("rr_conv_2_30s", ".", 3), tmp_path)
    for function in (load, identity):
        with pytest.raises(TraceError, match=r"trace\.time_unit=ms: the run makes this trace itself"):
            function(TraceRef("rr_conv_2_30s", ".", 3, "ms"), tmp_path)


@pytest.mark.parametrize("name", ["sec", "m", "None", ""])
def test_an_unknown_unit_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=f"trace.time_unit='{name}': unknown unit of time") as caught:
        load(TraceRef("test_trace", "traces/samples", 0, name), ROOT)
    assert "(one of: auto, s, ms, us, ns)" in str(caught.value)


def test_the_unit_is_part_of_the_identity_where_it_changes_the_trace(tmp_path: Path) -> None:
    def key(name: str, time_unit: str = "auto") -> str:
        return identity(TraceRef(name, ".", 0, time_unit), tmp_path)

    jsonl(tmp_path / "ms.jsonl", IN_MS)
    jsonl(tmp_path / "s.jsonl", [0.068, 0.183], **BAILIAN)
    assert key("ms") == key("ms", "ms") != key("ms", "s")
    assert key("s") == key("s", "s") != key("s", "ms")
    (tmp_path / "v.csv").write_bytes(SAMPLES["vidur"].content)
    assert key("v") == key("v", "s") != key("v", "ms")
    keys = {key("ms", one) for one in UNIT_NS} | {key("s", one) for one in UNIT_NS}
    assert len(keys) == 8
    with pytest.raises(TraceError, match="the unit of these times is not clear"):
        jsonl(tmp_path / "unclear.jsonl", [0, 1])
        key("unclear")


def test_loading_says_the_unit_in_a_note_which_is_no_warning(tmp_path: Path) -> None:
    jsonl(tmp_path / "s.jsonl", [0.068, 0.183], **BAILIAN)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert load(TraceRef("s", ".", 0), tmp_path).arrival_s.tolist() == [0.0, 0.115]
    assert [warning.category for warning in caught] == [TraceNote]
    assert not issubclass(TraceNote, TraceWarning)
    assert "s.jsonl: time unit: seconds (found out by" in str(caught[0].message)


def test_a_unit_is_used_on_our_own_csv_too(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(SAMPLES["splitwise"].content)
    assert read_csv(path, time_unit="ms").arrival_s.tolist() == [0.001, 0.00325]
    assert read_file(path, time_unit="s").arrival_s.tolist() == [1.0, 3.25]


def test_a_recipes_files_are_read_in_the_unit_that_is_told(tmp_path: Path) -> None:
    jsonl(tmp_path / "mine.jsonl", [0, 1, 2, 3])
    (tmp_path / "load.yaml").write_text("applications: [{sizes_from: mine.jsonl, arrivals: 'trace:file=mine.jsonl'}]\n")
    with pytest.raises(TraceError, match="is not clear"):
        load(TraceRef("load", ".", 0), tmp_path)
    refs = [TraceRef("load", ".", 0, one) for one in ("s", "ms")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert [load(ref, tmp_path).arrival_s[-1] for ref in refs] == [3.0, 0.003]
        assert identity(refs[0], tmp_path) != identity(refs[1], tmp_path)
        recipe = read_recipe(tmp_path / "load.yaml", read_file, time_unit="s")
        assert recipe.digest(0) == identity(refs[0], tmp_path)


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_describe_says_the_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = jsonl(tmp_path / "t.jsonl", [0.068, 0.183, 0.429], **BAILIAN)
    status, out, err = said(capsys, "describe", path)
    assert (status, err) == (0, "")
    assert out.startswith("time unit: seconds (found out by the keys chat_id, parent_chat_id; ")
    facts = json.loads(said(capsys, "describe", path, "--json", "--time-unit", "ms")[1])
    assert facts["time_unit"] == {"unit": "ms", "source": "told", "reason": "as told"}
    assert facts["last_arrival_s"] == 0.000361
    assert "time_unit" not in json.loads(said(capsys, "describe", "test_trace", "--json")[1])


def test_every_command_that_reads_takes_the_unit_and_says_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = jsonl(tmp_path / "t.jsonl", [0, 1, 2, 3])
    commands: dict[str, list[object]] = {
        "convert": [path],
        "slice": [path],
        "scale": ["--prompt-factor", 2, path],
        "mix": [path, path],
        "generate": ["--sizes-from", path, "--joint", "--arrivals", f"trace:file={path}", "--out"],
    }
    for command, arguments in commands.items():
        out = tmp_path / f"{command}.csv"
        status, _, err = said(capsys, command, *arguments, out)
        assert (status, out.exists(), "the unit of these times is not clear" in err) == (2, False, True), err
        status, _, err = said(capsys, command, *arguments, out, "--time-unit", "ms")
        assert (status, "time unit: milliseconds (as told)" in err) == (0, True), err
        assert read_csv(out).arrival_s[-1] == 0.003


def test_a_single_run_says_the_unit_and_takes_it(tmp_path: Path) -> None:
    jsonl(tmp_path / "mine.jsonl", [0, 1, 2, 3])
    command = [sys.executable, "-m", "sim_core", f"trace.dir={tmp_path}", "trace.filename=mine"]
    command += ["performance_model=db", "cluster=half_half", "start_state=baseline", f"output_dir={tmp_path}/out"]

    def run(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*command, *more], cwd=ROOT, env=os.environ, capture_output=True, text=True)

    asked = run()
    assert asked.returncode == 2
    assert "trace.time_unit=s or trace.time_unit=ms" in asked.stderr
    answered = run("trace.time_unit=s")
    assert answered.returncode == 0, answered.stderr
    assert f"note: {tmp_path}/mine.jsonl: time unit: seconds (as told)" in answered.stderr
    assert "warning" not in answered.stderr
