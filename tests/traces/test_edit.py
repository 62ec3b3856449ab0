"""Slicing, scaling and mixing traces, by the command line."""

from __future__ import annotations

from array import array
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sim_core.trace import Trace
from tests.traces.examples import SAMPLES
from traces.__main__ import main
from traces.reader import read_file
from traces.writing import write_trace


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trace = Trace(
        "t",
        request_id=array("q", range(10)),
        application_id=array("q", [0, 5] * 5),
        arrival_s=array("d", [float(i) for i in range(10)]),
        prompt_tokens=array("q", range(1, 11)),
        output_tokens=array("q", range(10, 0, -1)),
        batch_size=array("q", [1] * 10),
    )
    write_trace(trace, Path("t.parquet"))


def run(*arguments: str) -> Trace:
    assert main([arguments[0], *arguments[1:], "--force"]) == 0
    return read_file(Path(next(name for name in arguments[::-1] if name.startswith("out"))))


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--from", "2", "--to", "5"], [2, 3, 4]),
        (["--application", "5"], [1, 3, 5, 7, 9]),
        (["--application", "5", "--application", "0", "--first", "3"], [0, 1, 2]),
        (["--prompt-tokens", "3:5"], [2, 3, 4]),
        (["--prompt-tokens", ":2"], [0, 1]),
        (["--output-tokens", "9:"], [0, 1]),
        (["--skip", "8"], [8, 9]),
        (["--from", "1", "--application", "5", "--skip", "1", "--first", "2"], [3, 5]),
    ],
)
def test_slice_takes_what_all_options_choose(options: list[str], ids: list[int]) -> None:
    trace = run("slice", "t.parquet", "out.csv", *options)
    assert trace.request_id.tolist() == ids
    assert trace.prompt_tokens.tolist() == [i + 1 for i in ids]


def test_a_slices_window_starts_at_0_unless_times_are_kept() -> None:
    assert run("slice", "t.parquet", "out.csv", "--from", "2.5").arrival_s.tolist()[0] == 0.5
    assert run("slice", "t.parquet", "out.csv", "--from", "2.5", "--keep-times").arrival_s.tolist()[0] == 3.0


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--from", "5", "--to", "5"], "the window from 5 s to 5 s is empty"),
        (["--from", "nan"], "the window from nan s"),
        (["--prompt-tokens", "9:3"], "prompt tokens from 9 to 3: the range is empty"),
        (["--first", "0"], "the number of requests must be 1 or more"),
        (["--application", "7"], "no request is left, nothing was written"),
        (
            ["--from", "10"],
            "no request arrives from 10 s to inf s: --from and --to are the trace's own times, which go from 0 s to 9",
        ),
    ],
)
def test_an_empty_slice_is_refused(options: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert reason in refusal(capsys, "slice", "t.parquet", "out.csv", *options)
    assert [path.name for path in Path().iterdir()] == ["t.parquet"]


def test_scale_divides_times_and_multiplies_sizes() -> None:
    trace = run(
        "scale", "t.parquet", "out.csv", "--rate-factor", "4", "--prompt-factor", "1.5", "--output-factor", "0.25"
    )
    assert trace.arrival_s.tolist() == [i / 4 for i in range(10)]
    assert trace.prompt_tokens.tolist() == [2, 3, 5, 6, 8, 9, 11, 12, 14, 15]  # halves up
    assert trace.output_tokens.tolist() == [3, 2, 2, 2, 2, 1, 1, 1, 1, 1]  # at least 1


def test_scale_to_a_rate_counts_the_gaps() -> None:
    trace = run("scale", "t.parquet", "out.parquet", "--rate", "3")
    assert trace.arrival_s[-1] == 3.0  # nine gaps


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "nothing to scale"),
        (["--rate", "0"], "the rate factor 0.0 must be a positive number"),
        (["--rate", "inf"], "must be a positive number"),
        (["--prompt-factor", "nan"], "must be a positive number"),
        (["--prompt-factor", "1e30"], "a factor of 1e+30 gives 1e+31 prompt tokens; at most 10,000,000"),
        (["--rate-factor", "1e-320"], "times that are too large"),
    ],
)
def test_a_scale_that_cannot_be_is_refused(options: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert reason in refusal(capsys, "scale", "t.parquet", "out.csv", *options)
    assert not Path("out.csv").exists()


def test_a_rate_of_requests_that_all_arrive_at_once_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    run("slice", "t.parquet", "out.csv", "--first", "1")
    capsys.readouterr()
    assert "has no rate" in refusal(capsys, "scale", "out.csv", "out2.csv", "--rate", "2")


def test_mix_sorts_all_requests_and_tells_applications_apart(capsys: pytest.CaptureFixture[str]) -> None:
    run("slice", "t.parquet", "out_late.csv", "--from", "2", "--to", "4", "--keep-times")
    trace = run("mix", "t.parquet", "out_late.csv", "out.parquet")
    assert trace.arrival_s.tolist() == sorted([*map(float, range(10)), 0.0, 1.0])
    assert trace.request_id.tolist() == list(range(12))
    assert sorted(set(trace.application_id)) == [0, 1, 2, 3]
    assert "t.parquet: application 0 is now 0, 5 is now 1" in (said := capsys.readouterr().err)
    assert "out_late.csv: application 0 is now 2, 5 is now 3" in said
    kept = run("mix", "t.parquet", "out_late.csv", "out.parquet", "--keep-times")
    assert kept.arrival_s.tolist() == sorted([*map(float, range(10)), 2.0, 3.0])


def test_mix_keeps_columns_that_only_some_traces_have() -> None:
    Path("m.jsonl").write_bytes(SAMPLES["mooncake"].content)
    run("mix", "m.jsonl", "t.parquet", "out.parquet")
    hashes = pq.read_table("out.parquet")["hash_ids"].to_pylist()
    assert len(hashes) == 12
    assert sum(one is None for one in hashes) == 10


def test_mix_of_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "two or more" in refusal(capsys, "mix", "t.parquet", "out.parquet")


def test_convert_says_what_was_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    Path("b.csv").write_bytes(SAMPLES["burstgpt"].content + b"\n1,2\n19440193.0,,8,GPT-4,x,1,2,API log\n")
    assert "b.csv, row 5: 2 cells under a header of 8" in refusal(capsys, "convert", "b.csv", "out.csv")
    assert main(["convert", "b.csv", "out.csv", "--skip-bad-rows"]) == 0
    assert capsys.readouterr().err.splitlines() == [
        "b.csv: 1 bad rows left out, the first row 5: 2 cells under a header of 8",
        "b.csv: 1 bad rows left out, the first row 6, column Request tokens: 'x' is not a whole number",
        "b.csv: 1 requests without output (failures) were left out",
        "left out, as CSV has SplitwiseSim's columns only (Parquet keeps them): "
        "Session ID, Elapsed time, Model, Log Type",
        "BurstGPT: 6 rows read, 2 requests in out.csv",
    ]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["convert", "none.csv", "out.csv"], "none.csv: no such file"),
        (["convert", ".", "out.csv"], ".: is a folder"),
        (["convert", "t.parquet", "t.parquet"], "t.parquet: is there already; --force replaces it"),
        (["convert", "t.parquet", "nowhere/t.csv"], "nowhere/t.csv: cannot be written: no folder nowhere"),
        (["convert", "t.parquet", "t.json"], "t.json: the name must end in one of"),
        (["convert", "t.parquet", "out.csv", "--format", "splitwize"], "did you mean 'splitwise'?"),
    ],
)
def test_what_cannot_be_converted_is_one_line(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reason in refusal(capsys, *arguments)
    assert [path.name for path in Path().iterdir()] == ["t.parquet"]


def test_formats_lists_all(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["formats"]) == 0
    shown = capsys.readouterr().out
    for name in SAMPLES:
        assert name in shown


@pytest.mark.parametrize(
    "command", [["convert"], ["scale", "--rate", "2"], ["slice", "--first", "2"], ["mix", "t.parquet"]]
)
def test_a_terminal_sees_reading_and_writing_one_after_the_other(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    monkeypatch.setenv("TERM", "xterm")
    run(*command, "t.parquet", "out.csv")
    said = capsys.readouterr().err
    assert said.index("reading t.parquet") < said.index("writing out.csv")
