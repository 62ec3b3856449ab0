from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sim_core.errors import SpecError
from sync import Outcome
from sync.results.slo import PAPER, SLO_LIMITS, Slo
from sync.results.slo_file import parse_slo, read_slo, slo_of_text
from sync.results.verdict import verdict

SUMMARY = {
    **{f"{phase}/{p}_slowdown": limit for phase, of in SLO_LIMITS.items() for p, limit in of.items()},
    **{f"{phase}/{p}_s": 1.0 for phase in SLO_LIMITS for p in ("p50", "p90", "p95", "p99")},
    **{f"{phase}/mean_s": 1.0 for phase in SLO_LIMITS},
    "run/completed": 3.0,
}


def test_a_file_says_slowdowns_and_seconds_in_any_part(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("slowdown: {ttft: {p99: 6}}\nseconds:\n  e2e: {p95: 20, p50: 2.5}\n")
    slo = read_slo(path)
    assert slo == Slo(slowdown={"ttft": {"p99": 6.0}}, seconds={"e2e": {"p95": 20.0, "p50": 2.5}})
    assert slo.of_each_request() == {"ttft_slowdown": 6.0, "e2e_s": 20.0}
    assert slo.told() == "TTFT p99 6x, E2E p50 2.5 s p95 20 s"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected `name: value` lines, of slowdown, seconds"),
        ("- 1", "expected `name: value` lines"),
        ("slowdown: {}", "slowdown"),
        ("slow: {ttft: {p99: 6}}", "slow: unknown key; did you mean 'slowdown'?"),
        ("slowdown: {tft: {p99: 6}}", "slowdown.tft: unknown key; did you mean 'ttft'?"),
        ("slowdown: {ttft: {p95: 6}}", "slowdown.ttft.p95: unknown key"),
        ("seconds: {ttft: {p99: -1}}", "seconds.ttft.p99=-1: a limit is a number above 0"),
        ("seconds: {ttft: {p99: 1" + "0" * 390 + "}}", "a limit is a number above 0"),
        ("seconds: {ttft: {p99: .nan}}", "a limit is a number above 0"),
        ("seconds: {ttft: {p99: yes}}", "a limit is a number above 0"),
        ("seconds: {ttft: {p99: 1, p99: 2}}", "line 1: not YAML: found duplicate key p99"),
        ("seconds: {ttft: [", "not YAML"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_and_key(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        read_slo(path)
    message = str(caught.value)
    assert told in message and message.startswith(str(path)) and "\n" not in message


def test_a_file_that_is_not_there_or_no_text_is_one_line_too(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "mine.yaml").write_text("seconds: {ttft: {p99: 1}}")
    for name, reason in (("mien.yaml", "did you mean 'mine.yaml'"), ("binary", "cannot be"), (".", "cannot be read")):
        with pytest.raises(SpecError, match=reason):
            read_slo(tmp_path / name)


def test_limits_are_met_where_they_are_reached_and_missed_beyond(outcome: Callable[..., Outcome]) -> None:
    run = outcome(summary=SUMMARY)
    assert verdict(run, PAPER).text == "within SLO"
    assert verdict(run, Slo(slowdown=SLO_LIMITS, seconds={"ttft": {"p99": 1.0}})).text == "within SLO"
    late = verdict(run, Slo(seconds={"ttft": {"p99": 0.99}, "e2e": {"p95": 0.5}}))
    assert late.text == "too slow: TTFT p99, E2E p95"
    assert late.figures() == {"slo/within": 0.0, "slo/ttft_p99": 0.0, "slo/e2e_p95": 0.0}


def test_a_run_with_requests_not_served_or_times_not_measured_is_not_within(outcome: Callable[..., Outcome]) -> None:
    lax = Slo(seconds={"ttft": {"p99": 1e6}})
    assert verdict(outcome(summary={**SUMMARY, "run/unfinished": 1.0}), lax).text == "1 unfinished"
    assert verdict(outcome(summary={"run/completed": 3.0}), lax).text == "time not measured: TTFT p99"


def test_a_tighter_slo_never_holds_where_a_laxer_one_does_not(outcome: Callable[..., Outcome]) -> None:
    run = outcome(summary=SUMMARY)
    held = [verdict(run, Slo(slowdown={"tbt": {"p50": limit / 8}})).within for limit in range(1, 20)]
    assert held == sorted(held)
    assert held.index(True) == 9  # 1.25


def test_an_experiments_text_says_its_slo() -> None:
    assert slo_of_text("name: x\nslo: {seconds: {tbt: {p90: 0.1}}}", "x") == Slo(seconds={"tbt": {"p90": 0.1}})
    assert slo_of_text("name: x", "x") == slo_of_text("[", "x") == PAPER
    assert parse_slo({"slowdown": SLO_LIMITS}) == PAPER


def test_the_file_of_the_papers_limits_says_what_holds_where_nothing_is_said() -> None:
    assert read_slo(Path(__file__).resolve().parents[2] / "experiments" / "slo" / "paper.yaml") == PAPER


def test_the_tightest_limit_is_the_one_of_which_a_run_takes_the_largest_share() -> None:
    slo = Slo(slowdown={"ttft": {"p50": 4.0, "p90": 10.0}}, seconds={"e2e": {"p95": 2.0}})
    assert slo.tightest({"ttft/p50_slowdown": 3.0, "ttft/p90_slowdown": 5.0, "e2e/p95_s": 1.0}) == 0.75
    assert slo.tightest({"ttft/p50_slowdown": 3.0, "ttft/p90_slowdown": 5.0}) is None
    assert Slo().tightest({}) is None


def test_limits_as_plain_values_are_read_back_as_the_same() -> None:
    for slo in (PAPER, Slo(seconds={"tbt": {"p90": 0.1}}), Slo(slowdown=SLO_LIMITS, seconds={"e2e": {"p95": 20.0}})):
        assert parse_slo(slo.as_plain()) == slo
