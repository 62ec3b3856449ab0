"""What an answer stands on, in lines that stand beside it."""

from __future__ import annotations

import pytest

from sync.analysis.iteration_times import CONSTANTS_WARNING
from sync.analysis.terms import caveats, duration_text, terms_lines, terms_of
from sync.results.slo import PAPER, Slo
from tests.sync.runs import Make, ladder

KNOWN = {"model": "bloom-176b", "performance_model": "db", "horizon_s": 120.0}
FIGURES = {"dgx-h100": {"dollars_per_hour": 38.08, "watts": 10_200.0, "source": "a paper", "watts_source": "a sheet"}}


def test_the_lines_name_model_times_machines_prices_workload_slo_and_points(run: Make) -> None:
    runs = ladder(run, "a", {8: True, 16: True}, **KNOWN)
    assert terms_lines(terms_of(runs, Slo(seconds={"ttft": {"p99": 1.0}}), 3, FIGURES)) == [
        "Model: bloom-176b; iteration times: measured on machines (performance_model: db).",
        "Machine dgx-h100: $38.08 an hour (a paper), 10.2 kW (a sheet).",
        "Workload: conv, requests arrive over 2 min, at 8 and 16 requests/s, one seed (7), so without an interval.",
        "SLO: TTFT p99 1 s; and every request served.",
        "Points: 2 of 3 done.",
    ]


def test_what_results_do_not_tell_is_not_recorded(run: Make) -> None:
    model, machine, workload, *_ = terms_lines(terms_of([run("a", 8)], PAPER))
    assert model == "Model: not recorded; iteration times: not recorded."
    assert machine == "Machine dgx-h100: price and watts not recorded."
    assert workload == "Workload: conv, horizon not recorded, at 8 requests/s, one seed (7), so without an interval."


def test_slowdowns_are_told_with_what_they_are_relative_to(run: Make) -> None:
    slo = terms_lines(terms_of([run("a", 8)], PAPER))[3]
    assert slo.endswith("(x: times as long as the same request alone on a DGX-A100); and every request served.")


def test_constant_times_are_the_first_caveat_and_missing_points_the_second(run: Make) -> None:
    runs = [run("a", 8, **KNOWN | {"performance_model": "constant"}), run("a", 16, status="failed", error="x")]
    assert caveats(terms_of(runs, PAPER, 5)) == [
        CONSTANTS_WARNING,
        "Partial: 1 of 5 points are done, 1 failed; nothing is said of the others.",
    ]
    assert caveats(terms_of([run("a", 8, **KNOWN)], PAPER, 1)) == []
    assert "db" in CONSTANTS_WARNING and "constants for testing" in CONSTANTS_WARNING


@pytest.mark.parametrize(
    ("seconds", "text"), [(5.0, "5 s"), (60.0, "1 min"), (90.0, "90 s"), (600.0, "10 min"), (5400.0, "90 min"),
                          (7200.0, "2 h"), (86_400.0, "24 h"), (119.7, "120 s")]
)  # fmt: skip
def test_durations_are_in_the_unit_that_people_say(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
