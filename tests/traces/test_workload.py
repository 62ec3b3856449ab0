"""What trace.filename and trace.dir of a configuration find."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_core.errors import TraceError
from tests.traces.examples import SAMPLES
from traces import TraceRef, TraceWarning, identity, load, read_csv, write_csv
from traces.workload import SUFFIXES, check_filename, duration_s, find, rate_per_s, workload_name
from traces.writing import write_trace

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "traces" / "samples" / "test_trace.csv"
HEADER = "request_id,arrival_timestamp,prompt_size,token_size\n"


@pytest.mark.parametrize("folder", ["traces/samples", "traces/samples/", str(SAMPLE.parent)])
def test_the_sample_is_found_with_and_without_a_slash_and_by_an_absolute_folder(folder: str) -> None:
    trace = load(TraceRef("test_trace", folder, 0), ROOT)
    assert trace.name == "test_trace"
    assert trace.arrival_s.tolist() == [1.0, 3.0, 4.0]
    assert trace.prompt_tokens.tolist() == [4096, 2048, 2048]
    assert trace.output_tokens.tolist() == [32, 8, 16]


def test_a_named_workload_needs_no_file_and_no_folder(tmp_path: Path) -> None:
    ref = TraceRef("rr_conv_2_30s", "no/such/folder", 3)
    assert len(load(ref, tmp_path)) > 20
    assert load(ref, tmp_path).digest() == load(ref, ROOT).digest()
    assert identity(ref, tmp_path) == identity(ref, ROOT)


def test_a_written_file_wins_over_a_named_workload(tmp_path: Path) -> None:
    ref = TraceRef("rr_conv_2_30s", ".", 0)
    generated = identity(ref, tmp_path)
    (tmp_path / "rr_conv_2_30s.csv").write_bytes(SAMPLE.read_bytes())
    assert len(load(ref, tmp_path)) == 3
    assert identity(ref, tmp_path) != generated


def test_the_identity_of_a_file_is_of_its_bytes_alone(tmp_path: Path) -> None:
    (tmp_path / "copy.csv").write_bytes(SAMPLE.read_bytes())
    original = identity(TraceRef("test_trace", "traces/samples", 0), ROOT)
    assert identity(TraceRef("copy", ".", 9), tmp_path) == original
    (tmp_path / "copy.csv").write_bytes(SAMPLE.read_bytes() + b"3,2,0,5,1,1,1\n")
    assert identity(TraceRef("copy", ".", 9), tmp_path) != original


def test_the_identity_of_a_named_workload_follows_the_seed() -> None:
    ref = TraceRef("rr_conv_70", "traces/samples", 0)
    assert identity(ref, ROOT) == identity(replace(ref, dir="elsewhere"), ROOT)
    assert identity(ref, ROOT) != identity(replace(ref, seed=1), ROOT)


def test_a_gzipped_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "mine.csv.gz").write_bytes(gzip.compress(SAMPLE.read_bytes()))
    trace = load(TraceRef("mine", ".", 0), tmp_path)
    assert (trace.name, len(trace)) == ("mine", 3)


def test_a_file_in_a_folder_below_is_found(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "mine.csv").write_bytes(SAMPLE.read_bytes())
    assert len(load(TraceRef("below/mine", ".", 0), tmp_path)) == 3


def test_a_written_workload_equals_the_generated_one(tmp_path: Path) -> None:
    ref = TraceRef("rr_code_5_1min", "w", 4)
    generated = load(ref, tmp_path)
    (tmp_path / "w").mkdir()
    write_csv(generated, tmp_path / "w" / "rr_code_5_1min.csv")
    assert load(ref, tmp_path) == generated


def test_a_missing_file_names_near_files_and_named_workloads(tmp_path: Path) -> None:
    for name in ("monday.csv", "tuesday.csv.gz", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    for function in (identity, load):
        with pytest.raises(TraceError) as caught:
            function(TraceRef("mondya", ".", 0), tmp_path)
        text = str(caught.value)
        assert text.startswith("mondya.csv: no such file; did you mean 'monday'?")
        assert "monday, tuesday)" in text
        assert "notes" not in text
        assert "rr_conv_70" in text
        assert "\n" not in text


def test_a_suffix_given_too_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "monday.csv").write_bytes(b"")
    with pytest.raises(TraceError, match="did you mean 'monday'"):
        load(TraceRef("monday.csv", ".", 0), tmp_path)


def test_a_long_folder_is_not_listed_whole(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"t{number:02}.csv").write_bytes(b"")
    with pytest.raises(TraceError, match="t07 and 22 more"):
        load(TraceRef("zzz", ".", 0), tmp_path)


def test_a_missing_folder_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"nowhere/mine\.csv: no such file, nor its folder"):
        load(TraceRef("mine", "nowhere", 0), tmp_path)


def test_messages_do_not_tell_where_the_project_is(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("x\n")
    for name in ("bad", "absent", "rr_bad", "../bad"):
        with pytest.raises(TraceError) as caught:
            load(TraceRef(name, "./", 0), tmp_path)
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("fraction", ["1", "0.25", "40"])
def test_a_file_at_a_rate_keeps_its_requests_and_has_that_mean_rate(fraction: str) -> None:
    own, scaled = (load(TraceRef(name, "traces/samples", 0), ROOT) for name in ("test_trace", f"test_trace@{fraction}"))
    assert scaled.arrival_s[0] == 0.0
    assert scaled.arrival_s[-1] == pytest.approx(2 / float(fraction), abs=1e-9)
    assert scaled.arrival_s[1] / scaled.arrival_s[2] == pytest.approx(2 / 3)  # the sample's times are 1, 3 and 4 s
    assert scaled.prompt_tokens == own.prompt_tokens
    assert scaled.output_tokens == own.output_tokens
    assert scaled.request_id == own.request_id


def test_the_identity_of_a_file_at_a_rate_follows_from_the_file_and_the_rate(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(SAMPLE.read_bytes())
    at_five = identity(TraceRef("mine@5", ".", 0), tmp_path)
    assert identity(TraceRef("mine@5.0", ".", 9), tmp_path) == at_five
    assert identity(TraceRef("test_trace@5", "traces/samples", 0), ROOT) == at_five
    assert (
        len({at_five, identity(TraceRef("mine", ".", 0), tmp_path), identity(TraceRef("mine@6", ".", 0), tmp_path)})
        == 3
    )


def test_a_file_at_a_rate_is_of_the_workload_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.csv").write_bytes(SAMPLE.read_bytes())
    ref = TraceRef("sub/mine@2.5", ".", 0)
    assert (workload_name(ref, tmp_path), rate_per_s(ref, tmp_path), duration_s(ref, tmp_path)) == (
        "sub/mine",
        2.5,
        None,
    )
    assert find(ref, tmp_path) == tmp_path / "sub" / "mine.csv"


def test_a_file_with_the_whole_name_comes_first_and_a_recipe_before_a_file_at_a_rate(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_bytes(SAMPLE.read_bytes())
    (tmp_path / "mine.yaml").write_text("applications: [{workload: conv, arrivals: poisson:rate=2}]\nduration_s: 30\n")
    ref = TraceRef("mine@5", ".", 0)
    assert find(ref, tmp_path) == tmp_path / "mine.yaml"
    assert duration_s(ref, tmp_path) == 30.0
    (tmp_path / "mine@5.csv").write_bytes(SAMPLE.read_bytes())
    assert find(ref, tmp_path) == tmp_path / "mine@5.csv"
    assert rate_per_s(ref, tmp_path) is None
    assert load(ref, tmp_path).arrival_s[0] == 1.0


@pytest.mark.parametrize(
    ("rate", "reason"),
    [
        ("fast", "'fast' is not a rate in requests a second"),
        ("0", "'0' is not a rate"),
        ("-3", "'-3' is not a rate"),
        ("1e3", "'1e3' is not a rate"),
        ("0.0000001", "must be from 0.000001"),
        ("9999999", "to 1,000,000 requests a second"),
    ],
)
def test_what_is_no_rate_of_a_file_is_refused_in_one_line(rate: str, reason: str) -> None:
    with pytest.raises(TraceError, match=reason) as caught:
        load(TraceRef(f"test_trace@{rate}", "traces/samples", 0), ROOT)
    assert "\n" not in str(caught.value)


def test_requests_that_arrive_at_once_have_no_rate_that_could_be_changed(tmp_path: Path) -> None:
    (tmp_path / "burst.csv").write_text(HEADER + "0,4,5,6\n1,4,5,6\n")
    with pytest.raises(TraceError, match=r"burst\.csv: has no rate that could be changed"):
        load(TraceRef("burst@3", ".", 0), tmp_path)


def test_a_misspelt_workload_says_that_there_is_no_such_file_either(tmp_path: Path) -> None:
    for function in (identity, load):
        with pytest.raises(TraceError, match=r"unknown workload 'cnv'.*nor is there a file d/rr_cnv_70.csv"):
            function(TraceRef("rr_cnv_70", "d", 0), tmp_path)


def test_a_workload_without_a_request_is_refused_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no request with seed 0"):
        identity(TraceRef("rr_conv_0.001_1s", ".", 0), tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "..",
        "a/../../x",
        "a/..",
        "/etc/passwd",
        "",
        ".",
        " ",
        "./",
        "a\0b",
        "a\nb",
        "..\\x",
        "C:\\x",
        "C:x",
        "\\\\server\\share\\x",
    ],
)
def test_a_filename_cannot_leave_its_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    (tmp_path / "x.csv").write_bytes(SAMPLE.read_bytes())
    for function in (identity, load):
        with pytest.raises(TraceError, match=r"^trace\.filename=.*set trace\.dir$"):
            function(TraceRef(name, "inside", 0), tmp_path)


@given(st.text(alphabet=st.sampled_from("ab./\\: \0~"), max_size=12))
def test_a_filename_that_is_accepted_stays_below_its_folder(name: str) -> None:
    try:
        check_filename(name)
    except TraceError:
        return
    folder = Path("/one/two")
    assert Path(f"{folder}/{name}.csv").resolve().is_relative_to(folder)
    assert (folder / f"{name}.csv").is_relative_to(folder)


@pytest.mark.parametrize(("name", "folder"), [("n" * 300, "."), ("x", "~no-such-user-anywhere")])
def test_what_the_system_refuses_is_an_error_of_ours(tmp_path: Path, name: str, folder: str) -> None:
    with pytest.raises(TraceError, match="cannot be read"):
        identity(TraceRef(name, folder, 0), tmp_path)


def test_rows_out_of_order_are_sorted_with_a_warning_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(HEADER + "0,2.5,1,1\n1,1.5,1,1\n")
    with pytest.warns(TraceWarning, match=r"^mine.csv, row 2, column arrival_timestamp: 1.5 comes after 2.5"):
        trace = load(TraceRef("mine", ".", 0), tmp_path)
    assert trace.request_id.tolist() == [1, 0]


def test_a_reference_travels_between_processes() -> None:
    ref = TraceRef("rr_conv_70", "traces/samples", 3)
    assert pickle.loads(pickle.dumps(ref)) == ref


def test_a_trace_in_any_known_format_is_found_by_its_content(tmp_path: Path) -> None:
    for name, sample in SAMPLES.items():
        (tmp_path / f"{name}{sample.suffix}").write_bytes(sample.content)
        ref = TraceRef(name, ".", 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # failed requests are left out with a warning
            trace = load(ref, tmp_path)
        assert (trace.name, trace.arrival_s.tolist()) == (name, sample.arrival_s)
        assert identity(ref, tmp_path) == hashlib.sha256(sample.content).hexdigest()


def test_requests_without_output_are_left_out_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "burst.csv").write_bytes(SAMPLES["burstgpt"].content)
    with pytest.warns(TraceWarning, match=r"^burst.csv: 1 requests without output \(failures\) were left out$"):
        load(TraceRef("burst", ".", 0), tmp_path)


def test_of_several_files_of_one_name_the_first_ending_of_the_list_is_read(tmp_path: Path) -> None:
    ref = TraceRef("mine", ".", 0)
    for count, suffix in reversed(list(enumerate(SUFFIXES, 1))):
        rows = "".join(f"{i},{i},1,1\n" for i in range(count))
        trace = read_csv(_written(tmp_path / "t.csv", HEADER + rows))
        if suffix.startswith(".csv"):
            write_csv(trace, tmp_path / f"mine{suffix}")
        elif suffix == ".parquet":
            write_trace(trace, tmp_path / f"mine{suffix}")
        else:
            line = '{{"timestamp": {}, "input_length": 1, "output_length": 1}}\n'
            lines = "".join(line.format(1000 * i) for i in range(count))
            (tmp_path / f"mine{suffix}").write_text(lines)
        assert len(load(ref, tmp_path)) == count
    assert SUFFIXES[0] == ".csv"


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_file_of_no_known_format_shows_its_columns(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    with pytest.raises(TraceError, match=r"^mine.csv: is in no known format: its first line has the columns a, b; "):
        load(TraceRef("mine", ".", 0), tmp_path)
