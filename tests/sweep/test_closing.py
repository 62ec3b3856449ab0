from __future__ import annotations

import json
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
from sync.__main__ import main as show
from sync.analysis.iteration_times import CONSTANTS_WARNING
from sync.results.outcome import SweepInfo
from tests.sync.plans import plans

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


def test_what_a_planner_found_is_the_answer_and_not_the_probes_runs(outcome: Outcome) -> None:
    console = Console(width=160)
    with console.capture() as capture:
        answer = print_answer([outcome], INFO, Path("results"), console, searched=plans()["most decided"])
    printed_lines = capture.get().splitlines()
    assert printed_lines[0].startswith("Splitwise-HA 25P+32T carries 150 to 153 requests/s of conv")
    assert "conv: what each design carries within the SLO, requests/s (95%)" in printed_lines
    assert printed_lines[-1] == "more: python -m sync answers tiny"
    assert answer is None


def test_where_to_ask_more_names_the_folder_of_results_only_where_it_is_another(outcome: Outcome) -> None:
    console = Console(width=160)
    for folder, place in ((Path("results").absolute(), ""), (Path("/tmp/others"), " --results /tmp/others")):
        with console.capture() as capture:
            print_answer([outcome], INFO, folder, console)
        assert capture.get().splitlines()[-1] == f"more: python -m sync{place} answers tiny"


def test_a_limited_sweep_begins_its_answer_with_how_much_is_done(
    tiny: str, write_experiment: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tiny.replace("rate: 1, 2, 3, 4", "rate: 4, 3, 2, 1") + "  two-h100:\n" + tiny.split("one-h100:\n")[1]
    text = text[::-1].replace("servers.1.count: 1"[::-1], "servers.1.count: 2"[::-1], 1)[::-1]
    text += "slo: {seconds: {ttft: {p99: 100}}}\n"
    results = tmp_path / "results"
    arguments = [str(write_experiment(text)), "--local", "--sink", "none", "--results", str(results), "--limit", "2"]
    assert main(arguments) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.startswith(
        "Partial: 2 of 8 points are done; nothing is said of the others. one-h100 is within the SLO"
    )
    assert "one-h100 has no result yet at 1 and 2." in printed
    assert printed.index("Partial") < printed.index("one-h100 1 H100")  # the answer stands before the table
    assert "Model: bloom-176b; iteration times: measured on machines" in printed
    assert "$38.08 an hour (Patel et al., Splitwise, ISCA 2024), 10.2 kW (NVIDIA DGX H100 data sheet)" in printed
    assert show(["--results", str(results), "answers", "tiny"]) == 0
    assert re.search(r"two-h100 +not run", capsys.readouterr().out)
    assert main(arguments[:-2]) == 0
    assert "Partial" not in capsys.readouterr().out


def test_a_sweep_with_constant_times_says_so_before_it_runs_and_first_in_its_answer(
    tiny: str, write_experiment: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(write_experiment(tiny.replace("  performance_model: db\n", "").replace("1, 2, 3, 4", "1")))
    assert main([path, "--dry-run", "--format", "json"]) == 0
    dry = capsys.readouterr()
    assert dry.err.startswith("Iteration times are constants for testing")
    assert json.loads(dry.out)
    assert main([path, "--local", "--sink", "none", "--results", str(tmp_path / "results")]) == 0
    done = capsys.readouterr()
    for text in (done.err, done.out):
        assert " ".join(text.split()).startswith(CONSTANTS_WARNING)
    assert show(["--results", str(tmp_path / "results"), "answers", "tiny"]) == 0
    assert " ".join(capsys.readouterr().out.split()).startswith(CONSTANTS_WARNING)


def test_a_sweep_ends_with_its_answer_by_the_experiments_slo(
    tiny: str, write_experiment: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lax, strict = (f"{tiny}slo: {{seconds: {{ttft: {{p99: {limit}}}}}}}\n" for limit in (100, 1e-6))
    for text, told in (
        (
            lax,
            "Within the SLO, by one seed, so without an interval, one-h100 carries at least 4 requests/s; no higher"
            " rate was run.",
        ),
        (
            strict,
            "No design is within the SLO by one seed, so without an interval, not even at 1 requests/s, the lowest"
            " rate that was run.",
        ),
    ):
        arguments = [str(write_experiment(text)), "--local", "--sink", "none", "--results", str(tmp_path / "results")]
        assert main(arguments) == 0
        assert told in " ".join(capsys.readouterr().out.split())
