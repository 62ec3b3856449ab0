from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.command import main
from sync.load import load_sweep

Writer = Callable[[str], Path]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line with results in a folder of the test's own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def call(*arguments: object) -> int:
        return main([str(a) for a in arguments] + ["--results", str(tmp_path / "results")])

    return call


def test_a_dry_run_lists_the_points_and_starts_nothing(
    run: Callable[..., int], write_experiment: Writer, tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write_experiment(tiny), "--dry-run") == 0
    printed = capsys.readouterr().out
    assert "one-h100 1xH100 conv 3 rps" in printed
    assert "4 points; nothing was started" in printed
    assert not (tmp_path / "results").exists()


def test_a_dry_run_as_json_is_nothing_but_json(
    run: Callable[..., int], write_experiment: Writer, tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write_experiment(tiny), "--dry-run", "--format", "json", "--limit", "2") == 0
    points = json.loads(capsys.readouterr().out)
    assert [p["name"] for p in points] == ["one-h100 1xH100 conv 1 rps", "one-h100 1xH100 conv 2 rps"]
    first = points[0]
    assert first["machines"] == {"dgx-h100": 1}
    assert (first["index"], first["system"], first["cost"], first["power"]) == (0, "one-h100", 38.08, 44.0)
    assert (first["axes"], first["rate"], first["trace"]) == ({"rate": 1}, 1.0, "rr_conv_1_5s")
    assert "cluster.servers.1.count=1" in first["overrides"]
    assert len(first["key"]) == 64


def test_a_sweep_ends_with_a_table_and_can_be_read_back(
    run: Callable[..., int], write_experiment: Writer, tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write_experiment(tiny), "--local", "--sink", "local") == 0
    printed = capsys.readouterr().out
    assert "TTFT p50/p90/p99" in printed
    assert "4 completed, 0 failed, 0 not run" in printed
    runs = load_sweep("tiny", tmp_path / "results").runs
    assert list(runs["rate"]) == [1, 2, 3, 4]
    assert (tmp_path / "results" / "tiny" / "local" / "runs.parquet").exists()


def test_a_second_start_runs_nothing_again_and_fresh_runs_all(
    run: Callable[..., int], write_experiment: Writer, tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def ages() -> list[int]:
        return [path.stat().st_mtime_ns for path in sorted((tmp_path / "results").glob("tiny/points/*.json"))]

    file = write_experiment(tiny)
    assert run(file, "--local", "--sink", "none", "--limit", "3") == 0
    first = ages()
    assert run(file, "--local", "--sink", "none") == 0
    assert len(first) == 3
    assert set(first) < set(ages())
    assert "4 completed (3 of them finished before)" in capsys.readouterr().out
    assert run(file, "--local", "--sink", "none", "--fresh") == 0
    assert not set(first) & set(ages())
    assert len(ages()) == 4


def test_a_damaged_entry_is_told_and_run_again(
    run: Callable[..., int], write_experiment: Writer, tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_experiment(tiny)
    run(file, "--local", "--sink", "none")
    torn = next((tmp_path / "results").glob("tiny/points/*.parquet"))
    torn.write_bytes(torn.read_bytes()[:50])
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run(file, "--local", "--sink", "none") == 0
    printed = capsys.readouterr()
    assert "warning: " in printed.err
    assert torn.stem in printed.err
    assert "4 completed (3 of them finished before)" in printed.out


def test_one_point_is_run_again_by_number_or_by_key(
    run: Callable[..., int], write_experiment: Writer, tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_experiment(tiny)
    run(file, "--dry-run", "--format", "json")
    key = json.loads(capsys.readouterr().out)[2]["key"]
    for which in ("2", key[:12], key.upper()):
        assert run(file, "--dry-run", "--format", "json", "--point", which) == 0
        assert [p["key"] for p in json.loads(capsys.readouterr().out)] == [key]
    assert run(file, "--point", "2", "--sink", "none") == 0
    assert "1 completed, 0 failed, 0 not run" in capsys.readouterr().out


@pytest.mark.parametrize("which", ["4", "99999999", "abcdefg", "a", "-1", ""])
def test_a_point_that_is_none_is_refused(
    run: Callable[..., int], write_experiment: Writer, tiny: str, capsys: pytest.CaptureFixture[str], which: str
) -> None:
    assert run(write_experiment(tiny), f"--point={which}", "--dry-run") == 2
    assert "no point has this number" in capsys.readouterr().err


def test_a_debug_run_writes_what_every_instance_did(
    run: Callable[..., int], write_experiment: Writer, tiny: str, tmp_path: Path
) -> None:
    assert run(write_experiment(tiny), "--point", "3", "--debug") == 0
    written = {path.name for path in (tmp_path / "results" / "tiny" / "debug").rglob("*.csv")}
    assert "summary.csv" in written
    assert list((tmp_path / "results" / "tiny" / "debug").glob("*/instances/0/*.csv"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sink", "mlfow"], "did you mean 'mlflow'"),
        (["sed=1"], "did you mean 'seed'"),
        (["--limit", "0"], "not a positive number"),
        (["--debug"], "--point"),
        (["--format", "json"], "--dry-run"),
        (["--local", "--address", "auto"], "choose one"),
    ],
)
def test_bad_input_ends_with_status_2_before_anything_runs(
    run: Callable[..., int],
    write_experiment: Writer,
    tiny: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    try:
        status = run(write_experiment(tiny), *arguments)
    except SystemExit as ended:  # argparse's way
        status = ended.code  # type: ignore[assignment]
    assert status == 2
    assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "results").exists()


def test_an_experiment_file_that_is_missing_ends_with_status_2(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "none.yaml") == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_a_point_that_fails_is_listed_with_its_reason_and_the_rest_is_run(
    run: Callable[..., int],
    write_experiment: Writer,
    tiny: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from traces import workload

    load = workload.load

    def failing(ref: workload.TraceRef, root: Path) -> object:
        if ref.filename == "rr_conv_2_5s":
            raise RuntimeError("planted [not markup]")
        return load(ref, root)

    file = write_experiment(tiny)
    monkeypatch.setattr(workload, "load", failing)
    assert run(file, "--local", "--sink", "local") == 1
    printed = capsys.readouterr().out
    assert "failed one-h100 1xH100 conv 2 rps: RuntimeError: planted [not markup]" in printed
    assert "--debug" in printed
    assert "3 completed, 1 failed, 0 not run" in printed
    monkeypatch.undo()
    assert run(file, "--local", "--sink", "none") == 1  # kept as it is
    assert run(file, "--local", "--sink", "none", "--retry-failed") == 0
