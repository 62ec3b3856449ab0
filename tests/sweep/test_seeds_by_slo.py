"""Several seeds of real runs, judged by the limits that they were run with and by others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweep.command import main as sweep
from sync.__main__ import main as sync

OWN = "slo: {seconds: {ttft: {p99: 100}}}\n"
OTHER = "{seconds: {ttft: {p50: 0.2, p90: 0.35}, tbt: {p50: 0.045}}}\n"


@pytest.fixture
def start(tiny: str, write_experiment: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs three seeds at two rates by an SLO; what is printed, without line breaks."""

    def run(slo: str, results: Path) -> str:
        path = write_experiment(tiny.replace("_5s", "_30s").replace("1, 2, 3, 4", "1, 6") + slo)
        capsys.readouterr()
        assert sweep([str(path), "seed=0,1,2", "--local", "--sink", "none", "--results", str(results)]) == 0
        return " ".join(capsys.readouterr().out.split())

    return run


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """What `answers` says, as JSON."""

    def run(results: Path, *options: str) -> dict[str, Any]:
        capsys.readouterr()
        assert sync(["--results", str(results), "answers", "tiny", "--format", "json", *options]) == 0
        found: dict[str, Any] = json.loads(capsys.readouterr().out)
        return found

    return run


def test_another_slo_counts_the_tables_again_and_equals_runs_with_that_slo(
    start: Callable[..., str], ask: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "other.yaml").write_text(OTHER)
    start(OWN, tmp_path / "own")
    own = ask(tmp_path / "own")
    by_other = ask(tmp_path / "own", "--slo", str(tmp_path / "other.yaml"))
    fresh_printed = start(f"slo: {OTHER}", tmp_path / "fresh")
    fresh = ask(tmp_path / "fresh")

    def at(found: dict[str, Any]) -> list[dict[str, Any]]:
        rates: list[dict[str, Any]] = found["workloads"][0]["configurations"][0]["at"]
        return rates

    assert at(by_other) == at(fresh) != at(own)
    assert all(isinstance(rate["share"], float) for rate in (*at(own), *at(fresh)))
    assert by_other["sentences"] == fresh["sentences"]
    assert fresh["sentences"][0] in fresh_printed
    again = start(f"slo: {OTHER}", tmp_path / "own")  # the experiment has the other limits now, and runs nothing
    assert "6 of them finished before" in again
    assert fresh["sentences"][0] in again
