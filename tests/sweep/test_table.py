from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console

from sweep.point import Outcome
from sweep.table import results_table

PHASES, PERCENTILES = ("ttft", "tbt", "e2e"), ("p50", "p90", "p99")


@pytest.fixture
def widest(outcome: Outcome) -> Outcome:
    """An outcome that takes as much room as any."""
    summary = {f"{phase}/{p}_s": 0.123456 for phase in PHASES for p in PERCENTILES}
    summary |= {f"{phase}/{p}_slowdown": 98.765 for phase in PHASES for p in PERCENTILES}
    summary |= {"slo/within": 0.0, "run/rejected": 12345.0, "run/unfinished": 54321.0}
    machines = {"dgx-h100-pcap": 25, "dgx-h100": 15}
    return replace(outcome, system="splitwise-hhcap", machines=machines, cost=1523.2, power=1430.0, summary=summary)


def lines(outcomes: list[Outcome], width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(results_table(outcomes, console))
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [120, 160, 200])
def test_nothing_is_cut_from_120_columns_on(widest: Outcome, width: int) -> None:
    printed = lines([widest], width)
    assert max(len(line.rstrip()) for line in printed) <= width
    text = "\n".join(printed)
    assert "…" not in text
    assert text.count("0.123/0.123/0.123") == 3
    assert text.count("98.8/98.8/98.8x") == 3
    for told in ("splitwise-hhcap", "25 H100cap+15 H100", "1523", "1430", "12345", "54321", "no"):
        assert told in text


def test_rejected_and_unfinished_have_no_column_when_there_are_none(widest: Outcome) -> None:
    clean = replace(widest, summary=widest.summary | {"run/rejected": 0.0, "run/unfinished": 0.0})
    assert "rejected" not in "\n".join(lines([clean], 160))
    assert "rejected" in "\n".join(lines([clean, widest], 160))


def test_a_run_in_which_nothing_completed_has_dashes_and_is_not_within_the_slo(widest: Outcome) -> None:
    nothing = replace(widest, summary={"run/unfinished": 5.0, "slo/within": 0.0})
    text = "\n".join(lines([nothing], 160))
    assert text.count("-/-/-") == 6
    assert "no" in text.split()


def test_a_trace_without_a_rate_is_named(widest: Outcome) -> None:
    assert "test_trace" in "\n".join(lines([replace(widest, rate=None, trace="test_trace")], 200))
