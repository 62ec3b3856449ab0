"""The command: what it prints, and what it does where the package is missing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.validation import __main__ as command
from benchmarks.validation import points as points_of
from benchmarks.validation.page import Results
from benchmarks.validation.points import Point, Reading, sample_file
from benchmarks.validation.settings import Mechanism
from tests.validation.made import compared


def test_the_last_line_is_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    comparison = compared(1.1, 1.2, (1.0, 1.0))
    reading = Reading(1, [comparison.point])
    results = Results(reading, [comparison], {"aggregated": Counter(), "disaggregated": Counter()}, "it 1", {})
    monkeypatch.setattr(command, "sample_file", lambda: Path("points.csv"))
    monkeypatch.setattr(command, "read_points", lambda path: reading)
    monkeypatch.setattr(command, "simulated", lambda reading, points, jobs, mechanism: results)
    assert command.main(["--limit", "1"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert json.loads(last)["aggregated"] == {"points": 1, "tpot_median": 20.0, "tpot_p90": 20.0, "ttft_median": 10.0}
    assert any("TPOT error: median 20.0%" in line for line in lines)


def test_a_diagnosis_is_of_the_points_that_its_mechanism_changes_and_writes_no_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dense = compared(1.1, 1.2, (1.0, 1.0)).point
    members = [replace(dense, backend=backend, family=family) for backend, family in (
        ("sglang", "DeepSeek"), ("sglang", "Qwen3-32B"), ("trtllm", "DeepSeek"))]  # fmt: skip
    asked: list[tuple[list[str], Mechanism]] = []
    reading, left = Reading(3, members), {"aggregated": Counter[str](), "disaggregated": Counter[str]()}
    nothing = Results(reading, [compared(1.1, 1.2, (1.0, 1.0))], left, "it 1", {})

    def simulated(reading: Reading, points: Sequence[Point], jobs: int, mechanism: Mechanism) -> Results:
        asked.append(([f"{point.backend} {point.family}" for point in points], mechanism))
        return nothing

    monkeypatch.setattr(command, "sample_file", lambda: Path("points.csv"))
    monkeypatch.setattr(command, "read_points", lambda path: reading)
    monkeypatch.setattr(command, "simulated", simulated)
    assert command.main(["--launch", "0.003", "--out", str(tmp_path)]) == 0
    assert asked == [(["sglang DeepSeek"], Mechanism(0.003))]
    assert command.main(["--fused-norms", "--out", str(tmp_path)]) == 0
    assert asked[1] == (["trtllm DeepSeek"], Mechanism(fused_norms=True))
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_a_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points_of, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="pip install 'aiconfigurator-core"):
        sample_file()
