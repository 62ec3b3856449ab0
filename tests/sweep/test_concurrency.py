"""Closed loops from experiments to their results: concurrency as an axis."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.compose import CONFIG_DIR
from sweep.command import main
from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sync.__main__ import main as sync_main
from sync.load import load_sweep
from sync.report.data import ReportData
from sync.report.style import printed as in_print
from sync.report.throughput import throughput
from tests.forked import run_module

ROOT = CONFIG_DIR.parent
TEXT = """\
name: clients
overrides:
  performance_model: db
  trace.filename: rr_conv_2_30s
  trace.arrivals: closed:concurrency=${concurrency},requests=20,warmup=1x
axes:
  concurrency: [1, 4, 16]
systems:
  a100: {design: {baseline: dgx-a100}, axes: {machines: 1}}
  h100: {design: {baseline: dgx-h100}, axes: {machines: "1, 2"}}
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_experiment: Callable[[str], Path]) -> Callable[..., int]:
    """The command line of sweeps, on an experiment's text."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def call(text: str, *arguments: str) -> int:
        return main([str(write_experiment(text)), *arguments, "--results", str(tmp_path / "results")])

    return call


def test_a_dry_run_tells_the_concurrency_of_each_point(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(TEXT, "--dry-run", "--format", "json") == 0
    points = json.loads(capsys.readouterr().out)
    assert len({point["key"] for point in points}) == len(points) == 9
    first = points[0]
    assert (first["name"], first["workload"]) == ("a100 1xA100 conv concurrency=1", "conv concurrency=1")
    assert (first["concurrency"], first["rate"], first["trace"]) == (1, None, "rr_conv_2_30s")
    assert "trace.arrivals='closed:concurrency=1,requests=20,warmup=1x'" in first["overrides"]
    assert sorted(point["concurrency"] for point in points) == [1, 1, 1, 4, 4, 4, 16, 16, 16]


def test_a_sweep_tells_throughput_and_latency_at_each_concurrency(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(TEXT, "--local", "--sink", "none") == 0
    printed = capsys.readouterr().out
    assert "9 completed, 0 failed, 0 not run" in printed
    assert "closed loops of 1, 4 and 16 clients" in printed
    assert "output" in printed
    sweep = load_sweep("clients", tmp_path / "results")
    outcomes = sorted(sweep.outcomes.values(), key=lambda outcome: outcome.index)
    for outcome in outcomes:
        summary = outcome.summary
        assert (outcome.concurrency, outcome.horizon_s, outcome.rate) == (outcome.axes["concurrency"], None, None)
        assert (summary["run/completed"], summary["closed/warmup_requests"]) == (20, outcome.concurrency)
        assert summary["closed/concurrency"] == outcome.concurrency >= summary["closed/mean_concurrency"] > 0
        assert summary["run/stable"] == 1.0
        assert len(sweep.requests(outcome.key)) == 20
        spans_s = summary["run/end_s"]
        assert summary["throughput/requests_per_s"] == pytest.approx(20 / spans_s)
    of_a100 = [outcome.summary for outcome in outcomes if outcome.system == "a100"]
    served = [summary["throughput/output_tokens_per_s"] for summary in of_a100]
    assert served == sorted(served)
    capsys.readouterr()
    assert sync_main(["--results", str(tmp_path / "results"), "show", "clients"]) == 0
    assert "requests/s" in capsys.readouterr().out
    with in_print():
        (plot,) = throughput(ReportData(sweep))
    panel = plot.figure.axes[0]  # type: ignore[union-attr]
    assert [line.get_label() for line in panel.get_lines()] == ["a100 1xA100", "h100 1xH100", "h100 2xH100"]
    assert list(panel.get_lines()[0].get_xdata()) == served
    assert sorted({text.get_text() for text in panel.texts}) == ["1", "16", "4"]


def test_a_point_says_the_same_as_the_single_run_of_its_settings(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(TEXT, "--local", "--sink", "none", "--limit", "2") == 0
    sweep = load_sweep("clients", tmp_path / "results")
    outcome = max(sweep.outcomes.values(), key=lambda outcome: outcome.index)
    done = run_module("sim_core", *outcome.overrides, f"hydra.run.dir={tmp_path / 'single'}", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    clients = f"by {outcome.concurrency} clients in turn after a warm-up of {outcome.concurrency}"
    assert f"20 completed, 0 rejected, 0 unfinished of 20, {clients}" in done.stdout
    assert f"{outcome.summary['throughput/output_tokens_per_s']:.4g} output tokens/s" in done.stdout
    assert f"{outcome.summary['throughput/total_tokens_per_s']:.4g} tokens/s in all" in done.stdout


def single(tmp_path: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    settings = ["trace.filename=rr_conv_2_10s", "performance_model=db", f"hydra.run.dir={tmp_path / 'run'}"]
    return run_module("sim_core", *settings, *overrides, cwd=ROOT)


def test_a_single_run_takes_clients_from_the_command_line_without_quotes(tmp_path: Path) -> None:
    done = single(tmp_path, "trace.arrivals=closed:concurrency=4,warmup=2x,think_s=exponential:mean=0.5", "debug=True")
    assert done.returncode == 0, done.stderr
    assert "by 4 clients in turn after a warm-up of 8" in done.stdout


def test_a_mistake_in_clients_is_told_in_one_line(tmp_path: Path) -> None:
    done = single(tmp_path, "trace.arrivals=closed:concurrncy=4")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error: trace.arrivals.concurrncy=4: unknown parameter; did you mean 'concurrency'?" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_rule_for_unstable_runs_is_left_out_and_a_line_says_so(tmp_path: Path) -> None:
    done = single(tmp_path, "trace.arrivals=closed:concurrency=4", "stop_at_backlog_s=1")
    assert done.returncode == 0
    assert "warning: stop_at_backlog_s has no effect" in done.stderr


@pytest.mark.parametrize("find", ["find: {most: rate}", "find: {least: cost}"])
def test_a_search_refuses_closed_loops_in_one_line(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], find: str
) -> None:
    text = TEXT.replace("axes:\n", f"slo: {{seconds: {{ttft: {{p99: 2.0}}}}}}\n{find}\naxes:\n")
    assert run(text) == 2
    assert "trace.arrivals='closed:concurrency=${concurrency},requests=20" in (error := capsys.readouterr().err)
    assert "a closed loop has no rate to search or to carry" in error
    assert len(error.splitlines()) == 1


def test_a_search_refuses_a_recipe_of_a_closed_loop(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = "max_requests: 9\napplications:\n  - {workload: conv, arrivals: 'closed:concurrency=2'}\n"
    (tmp_path / "load.yaml").write_text(recipe)
    text = TEXT.replace("  trace.filename: rr_conv_2_30s\n", f"  trace.filename: load\n  trace.dir: {tmp_path}\n")
    text = "".join(line for line in text.splitlines(keepends=True) if "oncurrency" not in line)
    assert run(text.replace("axes:\n", "find: {least: cost}\n", 1)) == 2
    assert "a closed loop has no rate to search or to carry" in capsys.readouterr().err


def test_seeds_are_repetitions_and_the_axis_of_the_concurrency_may_have_any_name() -> None:
    text = TEXT.replace("${concurrency}", "${clients}")
    text = text.replace("concurrency: [1, 4, 16]", "clients: [2, 5]\n  seed: [0, 1]")
    points = expand(parse_experiment(text, "x"), [], ROOT)
    assert len({point.point_id for point in points}) == len(points) == 12
    assert len({point.point_id.repeated for point in points}) == 6
    assert {point.concurrency for point in points} == {2, 5}
