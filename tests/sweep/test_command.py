from __future__ import annotations

import json
import os
import runpy
import shlex
import signal
import sys
import warnings
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from sim_core.errors import SpecError
from sweep.command import main, select_point
from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.naming import shell_text
from sweep.experiment.point import Outcome, Point, project_root
from sweep.launch.backlog import Backlog
from sweep.launch.ray_launcher import RayLauncher
from sweep.launch.worker import run_point
from sync.load import load_sweep

Writer = Callable[[str], Path]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line with results in a folder of the test's own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def call(*arguments: object) -> int:
        return main([str(a) for a in arguments] + ["--results", str(tmp_path / "results")])

    return call


@pytest.fixture
def tiny_run(run: Callable[..., int], write_experiment: Writer, tiny: str) -> Callable[..., int]:
    """The same with the tiny experiment as its first argument."""
    return partial(run, write_experiment(tiny))


def test_a_dry_run_lists_the_points_and_starts_nothing(
    tiny_run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tiny_run("--dry-run") == 0
    printed = capsys.readouterr().out
    assert "one-h100 1xH100 conv 3 rps" in printed
    assert "4 points; nothing was started" in printed
    assert not (tmp_path / "results").exists()


def test_a_dry_run_as_json_is_nothing_but_json(
    tiny_run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert tiny_run("--dry-run", "--format", "json", "--limit", "2") == 0
    points = json.loads(capsys.readouterr().out)
    assert [p["name"] for p in points] == ["one-h100 1xH100 conv 1 rps", "one-h100 1xH100 conv 2 rps"]
    first = points[0]
    assert first["machines"] == {"dgx-h100": 1}
    assert (first["index"], first["system"], first["cost"], first["power"]) == (0, "one-h100", 38.08, 44.0)
    assert (first["axes"], first["rate"], first["trace"]) == ({"rate": 1}, 1.0, "rr_conv_1_5s")
    assert "cluster.servers.1.count=1" in first["overrides"]
    assert (first["design"], first["workload"], first["seed"], first["roles"]) == ("one-h100 1xH100", "conv", 0, {})
    assert len(first["key"]) == 64


def test_a_sweep_ends_with_a_table_and_can_be_read_back(
    tiny_run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tiny_run("--local", "--sink", "none") == 0
    printed = capsys.readouterr().out
    assert "TTFT p50/p90/p99" in printed
    assert "4 completed, 0 failed, 0 not run" in printed
    runs = load_sweep("tiny", tmp_path / "results").runs
    assert list(runs["rate"]) == [1, 2, 3, 4]


def test_a_second_start_runs_nothing_again_and_fresh_runs_all(
    tiny_run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def ages() -> list[int]:
        return [path.stat().st_mtime_ns for path in sorted((tmp_path / "results").glob("tiny/points/*.json"))]

    assert tiny_run("--local", "--sink", "none", "--limit", "3") == 0
    first = ages()
    assert tiny_run("--local", "--sink", "none") == 0
    assert len(first) == 3
    assert set(first) < set(ages())
    assert "4 completed (3 of them finished before)" in capsys.readouterr().out
    assert tiny_run("--local", "--sink", "none", "--fresh") == 0
    assert not set(first) & set(ages())
    assert len(ages()) == 4


def test_a_damaged_entry_is_told_and_run_again(
    tiny_run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_run("--local", "--sink", "none")
    torn = next((tmp_path / "results").glob("tiny/points/*.parquet"))
    torn.write_bytes(torn.read_bytes()[:50])
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert tiny_run("--local", "--sink", "none") == 0
    printed = capsys.readouterr()
    assert "warning: " in printed.err
    assert torn.stem in printed.err
    assert "4 completed (3 of them finished before)" in printed.out


def test_one_point_is_run_again_by_number_or_by_key(
    tiny_run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_run("--dry-run", "--format", "json")
    key = json.loads(capsys.readouterr().out)[2]["key"]
    for which in ("2", key[:12], key.upper()):
        assert tiny_run("--dry-run", "--format", "json", "--point", which) == 0
        assert [p["key"] for p in json.loads(capsys.readouterr().out)] == [key]
    for keys in (1, 4):  # one point leaves what is known of the sweep as it was, if anything is
        assert tiny_run("--point", "2", "--sink", "none") == 0
        printed = capsys.readouterr().out
        assert "1 completed, 0 failed, 0 not run (1 of 4 points)" in printed
        assert key[:10] in printed
        assert not any(word in printed for word in ("Partial", "within the SLO", "Points:", "python -m sync answers"))
        assert len(json.loads((tmp_path / "results" / "tiny" / "sweep.json").read_text())["keys"]) == keys
        tiny_run("--local", "--sink", "none")
        capsys.readouterr()


# A short number that no point has may begin a key; which keys there are changes with the code.
@pytest.mark.parametrize("which", ["00000004", "99999999", "abcdefg", "x", "-1", ""])
def test_a_point_that_is_none_is_refused(
    tiny_run: Callable[..., int], capsys: pytest.CaptureFixture[str], which: str
) -> None:
    assert tiny_run(f"--point={which}", "--dry-run") == 2
    assert "no point has this number" in capsys.readouterr().err


def test_a_debug_run_writes_what_every_instance_did(tiny_run: Callable[..., int], tmp_path: Path) -> None:
    assert tiny_run("--point", "3", "--debug") == 0
    written = {path.name for path in (tmp_path / "results" / "tiny" / "debug").rglob("*.csv")}
    assert "summary.csv" in written
    assert list((tmp_path / "results" / "tiny" / "debug").glob("*/instances/0/*.csv"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--sink", "mlfow"], "did you mean 'mlflow'"),
        (["sed=1"], "did you mean 'seed'"),
        (["rat=1"], "did you mean 'rate'"),
        (["--limit", "0"], "0 is not a whole number above 0"),
        (["--limit", "few"], "few is not a whole number above 0"),
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
    tiny_run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from sweep.launch import worker

    trace_of = worker._trace_of

    def failing(point: Point, root: Path) -> object:
        if point.trace.filename == "rr_conv_2_5s":
            raise RuntimeError("planted [not markup]")
        return trace_of(point, root)

    monkeypatch.setattr(worker, "_trace_of", failing)
    assert tiny_run("--local", "--sink", "none") == 1
    printed = capsys.readouterr().out
    assert "failed one-h100 1xH100 conv 2 rps: RuntimeError: planted [not markup]" in printed
    assert "--debug" in printed
    assert "3 completed, 1 failed, 0 not run" in printed
    monkeypatch.undo()
    assert tiny_run("--local", "--sink", "none") == 1  # kept as it is
    assert tiny_run("--local", "--sink", "none", "--retry-failed") == 0


def test_a_point_is_found_by_as_much_of_its_key_as_tells_it_apart(tiny: str) -> None:
    points = expand(parse_experiment(tiny, "x.yaml"), [], project_root())
    points = [
        replace(p, key=key) for p, key in zip(points, ["3" * 64, "ab" * 32, "abc" * 21 + "a", "f" * 64], strict=True)
    ]
    assert select_point(points, "3") is points[3], "a number that a point has is its number"
    assert select_point(points, "33") is points[0]
    assert select_point(points, "F") is points[3]
    assert select_point(points, "abc") is points[2]
    with pytest.raises(
        SpecError, match=r"several runs have it \(2\): ababababab .* 2 rps, abcabcabca .* 3 rps; write more"
    ):
        select_point(points, "ab")


def test_a_limit_says_of_how_many_points(
    run: Callable[..., int], write_experiment: Writer, tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_experiment(tiny.replace("1, 2, 3, 4", "range(1, 20001)"))
    assert run(file, "--limit", "2", "--dry-run") == 0
    assert "2 of 20000 points; nothing was started" in capsys.readouterr().out
    assert run(file, "--limit", "2", "--local", "--sink", "none") == 0
    assert "2 completed, 0 failed, 0 not run (2 of 20000 points)" in capsys.readouterr().out


def test_without_arguments_the_experiment_is_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2
    assert line.startswith("error: say which experiment: its file, such as experiments/quickstart.yaml")
    assert "python -m sweep --help" in line


def test_a_sweep_that_was_interrupted_before_anything_was_done_names_no_place_to_look(
    tiny_run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(point: object, root: Path, **_: object) -> Outcome:
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the signal came first")

    monkeypatch.setattr("sweep.launch.serial.run_point", interrupted)
    assert tiny_run("--local") == 130
    printed = capsys.readouterr()
    assert "0 completed, 0 failed, 4 not run" in printed.out
    assert "mlflow" not in printed.out
    assert "the same command goes on from there" in printed.err


@pytest.mark.parametrize(
    "arguments",
    [
        [
            "a",
            "trace.filename='my trace'",
            "x=[1,2]",
            "it's $HOME",
            "both \" and '",
            "back\\slash's",
            "wow!'s",
            "`x`'s",
        ],
        ["", "${rate}", "plain"],
    ],
)
def test_a_command_to_copy_means_the_same_in_a_shell(arguments: list[str]) -> None:
    assert shlex.split(shell_text(arguments)) == arguments


def test_a_command_to_copy_is_readable() -> None:
    assert shell_text(["x", "trace.filename='my trace'"]) == "x \"trace.filename='my trace'\""


def test_a_launcher_that_is_gone_is_one_line_and_what_was_finished_is_kept(
    tiny_run: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import ray

    def gone(self: object, backlog: Backlog, interrupts: object) -> Generator[Outcome, None, None]:
        yield run_point(backlog.next_task(1)[0], project_root())
        raise OSError("Connection reset by peer\nand more")

    monkeypatch.setattr(RayLauncher, "_outcomes", gone)
    monkeypatch.setattr(ray, "init", lambda **_: None)
    assert tiny_run("--sink", "none") == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("runs ")]
    assert line.startswith("error: Ray is gone (Connection reset by peer); finished points are kept")
    assert tiny_run("--local", "--sink", "none") == 0
    assert "4 completed (1 of them finished before)" in capsys.readouterr().out


def test_results_in_a_jobs_copy_of_the_project_are_refused_before_they_are_lost(
    write_experiment: Writer,
    tiny: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = tmp_path / "working_dir_files" / "_ray_pkg_1"
    monkeypatch.setattr("sweep.command.project_root", lambda: copy)
    file = write_experiment(tiny)
    assert main([str(file), "--results", str(copy / "results"), "--dry-run"]) == 2
    assert "--results='results': is in the copy of the project that Ray made for this job" in capsys.readouterr().err


class _Slow:
    """A module that somebody grows tired of waiting for."""

    def __getattr__(self, name: str) -> None:
        raise KeyboardInterrupt


def test_ctrl_c_while_the_command_is_loaded_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "sweep.command", _Slow())
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("sweep", run_name="__main__")
    assert stop.value.code == 130
    assert capsys.readouterr().err == "interrupted before anything ran\n"


def test_what_a_sweep_says_at_its_end_can_be_typed_as_it_is(
    tiny_run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_run("--local", "--sink", "none")
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("more: ")]
    assert shlex.split(line)[1:] == ["python", "-m", "sync", "--results", str(tmp_path / "results"), "answers", "tiny"]


def test_failed_points_of_an_earlier_start_are_told_how_to_run_again(
    tiny_run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_run("--local", "--sink", "none", "--timeout-per-run", "0.000001")
    capsys.readouterr()
    assert tiny_run("--local", "--sink", "none") == 1
    printed = capsys.readouterr().out
    assert "0 completed, 4 failed (4 of them finished before), 0 not run" in printed
    assert "to run them again: the same command with --retry-failed" in printed


def test_an_application_that_the_cluster_does_not_serve_is_told_what_does(
    run: Callable[..., int], write_experiment: Writer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = "{workload: conv, arrivals: 'poisson:rate=1'}"
    (tmp_path / "load.yaml").write_text(f"duration_s: 5\napplications: [{one}, {one}]\n")
    where = f"{{trace.dir: {tmp_path}, trace.filename: load, cluster: half_half, cluster.servers.0.count: 4}}"
    file = write_experiment(f"name: two\noverrides: {where}\nsystems: {{a: {{}}}}\n")
    assert run(file, "--dry-run") == 2
    assert "application 1, which is not configured; applications=duo is an example" in capsys.readouterr().err
    assert run(file, "--local", "--sink", "none", "applications=duo", "start_state=several") == 0
