from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sweep.closing import MOST_LISTED, estimate_text, preview, print_answer
from sweep.command import main
from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import Outcome, Point, project_root
from sync.results.outcome import SweepInfo

INFO = SweepInfo("tiny", "", "id", "name: tiny\n", 1, "python -m sweep tiny.yaml")


@pytest.fixture
def points(tiny: str) -> list[Point]:
    return expand(parse_experiment(tiny, "tiny.yaml"), [], project_root())


def printed(points: list[Point], total: int) -> str:
    console = Console(width=160)
    with console.capture() as capture:
        console.print(preview(points, total))
    return capture.get()


def test_many_points_are_told_by_system_and_few_one_by_one(points: list[Point]) -> None:
    assert points[3].name in printed(points, 4)
    many = [replace(point, axes={"rate": i}) for i in range(MOST_LISTED) for point in points[:2]]
    told = printed(many, 1000)
    assert points[0].name not in told
    assert re.search(r"one-h100 +400 ", told)
    assert "rate 0 to 199 (200)" in told
    assert "400 of 1000 points; nothing was started" in told


def test_the_estimate_grows_with_the_requests_and_shrinks_with_the_cores(points: list[Point]) -> None:
    assert estimate_text(points, 2).endswith("an estimated few seconds of CPU time")
    long = [replace(point, requests=1_000_000) for point in points]
    assert estimate_text(long, 1) == "4,000,000 requests: an estimated 2 min to 7 min of CPU time"
    assert estimate_text(long, 4).endswith(", 35 s to 2 min on 4 cores")
    assert estimate_text(long * 100, 1).endswith("an estimated 3.8 h to 11.5 h of CPU time")


def test_nothing_is_answered_where_nothing_was_measured(outcome: Outcome) -> None:
    console = Console(width=160)
    with console.capture() as capture:
        print_answer([], INFO, Path("results"), console)
        print_answer([replace(outcome, status="failed", summary={})], INFO, Path("results"), console)
    assert capture.get() == ""


def test_where_to_ask_more_names_the_folder_of_results_only_where_it_is_another(outcome: Outcome) -> None:
    console = Console(width=160)
    for folder, place in ((Path("results").absolute(), ""), (Path("/tmp/others"), " --results /tmp/others")):
        with console.capture() as capture:
            print_answer([outcome], INFO, folder, console)
        assert capture.get().splitlines()[-1] == f"more: python -m sync{place} answers tiny"


def test_a_sweep_ends_with_its_answer_by_the_experiments_slo(
    tiny: str, write_experiment: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lax, strict = (f"{tiny}slo: {{seconds: {{ttft: {{p99: {limit}}}}}}}\n" for limit in (100, 1e-6))
    for text, told in (
        (lax, "Within the SLO, by one seed, one-h100 carries at least 4 requests/s; no higher rate was run."),
        (strict, "No design is within the SLO by one seed, not even at 1 requests/s, the lowest rate that was run."),
    ):
        arguments = [str(write_experiment(text)), "--local", "--sink", "none", "--results", str(tmp_path / "results")]
        assert main(arguments) == 0
        assert told in capsys.readouterr().out
