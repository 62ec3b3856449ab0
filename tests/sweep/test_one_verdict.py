"""An experiment with limits of its own: whoever is asked says the same of its runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.command import main as sweep
from sync import load_sweep
from sync.__main__ import main as sync
from sync.results.slo import Slo
from sync.results.verdict import verdict
from tests.sync.stores import in_mlflow

LIMITS = "slo: {seconds: {ttft: {p99: 2.0}}}\n"
PAPER = "slowdown: {ttft: {p50: 2, p90: 3, p99: 6}, tbt: {p50: 1.25, p90: 1.5, p99: 5}}\n"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of which the experiment's limits say otherwise than the paper's."""
    from tests.sweep.conftest import TINY

    folder = tmp_path_factory.mktemp("verdict")
    (folder / "tiny.yaml").write_text(TINY.replace("_5s", "_20s").replace("1, 2, 3, 4", "1, 2, 8") + LIMITS)
    (folder / "paper.yaml").write_text(PAPER)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        assert sweep([str(folder / "tiny.yaml"), "--local", "--results", str(folder / "results")]) == 0
    return folder


@pytest.fixture
def ask(results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a command of `python -m sync` on the sweep; what it prints."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def run(*arguments: str) -> str:
        capsys.readouterr()
        assert sync(["--results", str(results / "results"), *arguments]) == 0
        return capsys.readouterr().out

    return run


def within(results: Path, source: str, slo: Path | None = None) -> dict[float, bool]:
    runs = load_sweep("tiny", results / "results", source, slo=slo).runs
    return dict(zip(runs.rate, runs["slo/within"] == 1.0, strict=True))


@pytest.mark.slow
def test_every_source_and_every_command_says_the_same_with_and_without_another_slo(
    results: Path, ask: Callable[..., str], tmp_path: Path
) -> None:
    by_paper = results / "paper.yaml"
    own = within(results, "journal")
    assert own == {1.0: True, 2.0: True, 8.0: False}
    assert within(results, "mlflow") == own
    other = within(results, "journal", by_paper)
    assert within(results, "mlflow", by_paper) == other != own
    for options, expected in (([], own), (["--slo", str(by_paper)], other)):
        (answer,) = json.loads(ask("answers", "tiny", "--format", "json", *options))["workloads"]
        (configuration,) = answer["configurations"]
        assert {at["rate"]: at["within"] == at["seeds"] for at in configuration["at"]} == expected
        shown = ask("show", "tiny", *options)
        assert shown.count("within SLO") == sum(expected.values())
        folder = tmp_path / f"exported{len(options)}"
        ask("export", "tiny", "--to", str(folder), *options)
        assert (folder / "runs.csv").read_text().count("within SLO") == sum(expected.values())
        ask("report", "tiny", "--sink", "none", "--detail", "none", "--out", str(folder / "report"), *options)
        page = (folder / "report" / ("report-paper.html" if options else "report.html")).read_text()
        assert page.count(">within SLO<") == sum(expected.values())


@pytest.mark.slow
def test_verify_passes_what_the_sweep_delivered_and_replay_judges_by_another_slo(
    results: Path, ask: Callable[..., str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    by_paper = str(results / "paper.yaml")
    assert "3 of 3 points are in MLflow: 0 missing, 0 doubled, 0 different, 0 half written" in ask("verify", "tiny")
    with pytest.raises(AssertionError):
        ask("verify", "tiny", "--slo", by_paper)
    assert "judged by other limits in MLflow" in capsys.readouterr().out
    ask("replay", "tiny", "--slo", by_paper)
    ask("verify", "tiny", "--slo", by_paper)
    told = {run.tags["verdict"] for run in in_mlflow(results / "results")}
    assert told != {"within SLO"}
    ask("replay", "tiny")
    ask("verify", "tiny")
    verdicts = {run.tags["rate"]: run.metrics["slo/within"] for run in in_mlflow(results / "results")}
    assert verdicts == {"1": 1.0, "2": 1.0, "8": 0.0}


@pytest.mark.slow
def test_the_summary_of_a_run_holds_no_verdict(results: Path) -> None:
    for source in ("journal", "mlflow"):
        for outcome in load_sweep("tiny", results / "results", source).outcomes.values():
            assert not [name for name in outcome.summary if name.startswith("slo/")]
            assert verdict(outcome, Slo(seconds={"ttft": {"p99": 1e9}})).within
