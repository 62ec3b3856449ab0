"""python -m traces."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from traces import TraceRef, load, read_csv
from traces.__main__ import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_generate_writes_what_a_run_would_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "rr_conv_5_30s", "--seed", "3", "--out", "mine.csv"]) == 0
    captured = capsys.readouterr()
    expected = load(TraceRef("rr_conv_5_30s", ".", 3), Path())
    assert read_csv(Path("mine.csv")).digest() == expected.digest()
    assert f"{len(expected)} requests in mine.csv" in captured.err
    assert captured.out == ""


def test_generate_names_the_file_after_the_workload() -> None:
    assert main(["generate", "rr_conv_5_30s"]) == 0
    assert [path.name for path in Path().iterdir()] == ["rr_conv_5_30s.csv"]


def test_generate_can_write_to_the_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "rr_conv_5_30s", "--out", "-"]) == 0
    piped = capsys.readouterr().out
    assert main(["generate", "rr_conv_5_30s", "--out", "file.csv"]) == 0
    assert Path("file.csv").read_text() == piped


def test_generate_replaces_a_file_only_when_told_to(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.csv").write_text("precious")
    assert main(["generate", "rr_conv_5_30s", "--out", "mine.csv"]) == 2
    assert capsys.readouterr().err == "error: mine.csv: is there already; --force replaces it\n"
    assert Path("mine.csv").read_text() == "precious"
    assert main(["generate", "rr_conv_5_30s", "--out", "mine.csv", "--force"]) == 0
    assert len(read_csv(Path("mine.csv"))) > 100


@pytest.mark.parametrize("name", ["rr_conv_2_30s", "test_trace", str(ROOT / "traces" / "samples" / "test_trace.csv")])
def test_describe_takes_a_name_a_sample_or_a_file(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", name]) == 0
    shown = capsys.readouterr().out
    for word in ("requests per second", "tokens in per second", "tokens out per second", "p99", "prompt", "output"):
        assert word in shown


def test_describe_counts_right(capsys: pytest.CaptureFixture[str]) -> None:
    main(["describe", "test_trace"])
    cells = {tuple(re.split(r"\s{2,}", line.strip())) for line in capsys.readouterr().out.splitlines()}
    assert {
        ("requests", "3"),
        ("first arrival (s)", "1.000"),
        ("last arrival (s)", "4.000"),
        ("requests per second", "0.667"),  # three arrivals, two gaps, three seconds
        ("tokens in per second", "1,820"),
        ("tokens out per second", "12.4"),
        ("prompt", "8,192", "2,730.7", "2,048", "2,048", "4,096", "4,096", "4,096", "4,096"),
        ("output", "56", "18.7", "8", "16", "32", "32", "32", "32"),
    } <= cells


def test_describe_of_a_single_request_has_no_rate(capsys: pytest.CaptureFixture[str]) -> None:
    Path("one.csv").write_text("request_id,arrival_timestamp,prompt_size,token_size\n0,5,10,2\n")
    assert main(["describe", "one.csv"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("requests per second "))
    assert line.split()[-1] == "-"


def test_describe_says_that_it_sorted(capsys: pytest.CaptureFixture[str]) -> None:
    Path("late.csv").write_text("request_id,arrival_timestamp,prompt_size,token_size\n0,5,1,1\n1,4,1,1\n")
    assert main(["describe", "late.csv"]) == 0
    assert capsys.readouterr().err.startswith("warning: late.csv, row 2, column arrival_timestamp: 4.0 comes after 5.0")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["generate", "rr_cov_5"], "unknown workload 'cov' in 'rr_cov_5'; did you mean 'conv'?"),
        (["generate", "conv"], "'conv' is not a workload's name: rr_WORKLOAD_RATE"),
        (["generate", "rr_conv_5_30s", "--out", "absent/x.csv"], "absent/x.csv: cannot be written: No such file"),
        (["describe", "absent.csv"], "absent.csv: no such file"),
        (["describe", "absent/x.csv"], "absent/x.csv: no such file, nor its folder absent"),
        (["describe", "tst_trace"], "samples/tst_trace.csv: no such file; did you mean 'test_trace'?"),
        (["describe", "rr_conv_x"], "'rr_conv_x' is not a workload's name"),
        (["describe", "."], "no such file"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert reason in error
    assert error.count("\n") == 1
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("command", [["describe"], ["convert", "--force"]])
def test_a_file_that_is_missing_names_the_nearest_one(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("monday.csv").write_text("")
    assert main([*command, "mondya.csv", *(["out.csv"] if command[0] == "convert" else [])]) == 2
    assert capsys.readouterr().err == "error: mondya.csv: no such file; did you mean 'monday.csv'?\n"


def test_help_teaches_names_and_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    for word in ("generate", "describe", "rr_conv_70", "code or conv", "600 s"):
        assert word in shown


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m traces generate rr_conv_300 --out - | head -n 2"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 2


@pytest.mark.parametrize("name", ["rr_conv_5_1.5min", "rr_conv_0.02"])
def test_a_named_workload_may_have_a_point_in_its_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", name]) == 0
    assert "requests" in capsys.readouterr().out


@pytest.mark.parametrize("seed", ["-1", "1.5", "²"])
def test_a_seed_that_is_no_whole_number_from_0_on_is_refused(seed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["generate", "rr_conv_1_10s", "--seed", seed, "--out", "-"])
    assert stop.value.code == 2
    assert f"--seed: {seed!r} is not a whole number from 0 on" in capsys.readouterr().err


def test_a_folder_that_may_not_be_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    assert main(["describe", "private/x.csv"]) == 2
    assert capsys.readouterr().err == "error: private/x.csv: Permission denied\n"
