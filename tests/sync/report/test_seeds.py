"""Several seeds in the report: means with intervals, judged together; what they leave undecided is marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sync import Outcome
from sync.analysis.repetitions import mean_interval
from sync.analysis.seeds import NO_COUNTS_NOTE, ONE_NOTE, SEVERAL_NOTE
from sync.report import page as report_page
from sync.report.base import Plot
from sync.report.data import ReportData, RunRow, all_within, mean_figure, repetitions_of, state_of
from sync.report.ends import ends_table
from sync.report.heat import heat
from sync.report.limits import deciding, share_interval, shown_limits
from sync.report.page import report_files
from sync.report.plans import cheapest, plans_of
from sync.report.runs_table import run_lines
from sync.report.slowdown import slowdown
from sync.report.style import printed
from sync.report.tightest import ends_text, tightest_limit
from sync.results.counts import BLOCKS, REQUESTS, beyond_of, column_of
from sync.results.slo import PAPER
from tests.sync.report.made import data_of, run

LOW, MIDDLE, HIGH = (3, 4, 5, 4, 3, 4, 5, 4), (6, 12, 9, 14, 5, 11, 8, 7), (15, 18, 20, 17, 16, 19, 14, 18)
UNDECIDED = "undecided with 8 seeds: 0.90 of TTFT p90 [0.64, 1.16]"


def counts(beyond: int) -> dict[str, list[int]]:
    """Of 100 requests in each block so many are beyond TTFT p90, where 10 may be."""
    rows = {REQUESTS: [100] * BLOCKS}
    for limit in PAPER.limits():
        is_counted = (limit.metric, limit.percentile) == ("ttft", "p90")
        rows |= {column_of(limit): [100] * BLOCKS, beyond_of(limit): [beyond if is_counted else 0] * BLOCKS}
    return rows


def seeds(system: str, rate: float, beyond: Sequence[int], **changes: object) -> list[Outcome]:
    """Runs whose slowdowns are at a tenth of their limits for each request of 100 beyond TTFT p90."""
    return [
        run(system, rate, count / 10, seed=seed, trace_identity=str(seed), counts=counts(count), **changes)
        for seed, count in enumerate(beyond)
    ]


@pytest.fixture
def data(tmp_path: Path) -> ReportData:
    """A design that carries 8/s, is undecided at 16/s and beyond the SLO at 24/s."""
    rates = {8.0: LOW, 16.0: MIDDLE, 24.0: HIGH}
    return data_of([made for rate, beyond in rates.items() for made in seeds("a", rate, beyond)], tmp_path)


def by_rate(data: ReportData) -> dict[float, list[RunRow]]:
    return dict(sorted((members[0].standing.rate or 0.0, members) for members in repetitions_of(data.runs)))


def test_the_seeds_of_a_rate_are_judged_by_their_counts_and_not_one_by_one(data: ReportData) -> None:
    rates = by_rate(data)
    assert [state_of(members) for members in rates.values()] == ["within", "undecided", "beyond"]
    assert sum(member.standing.within for member in rates[16.0]) == 5
    assert [all_within(members) for members in rates.values()] == [True, False, False]


def test_a_seed_that_failed_leaves_what_the_others_say_out(tmp_path: Path) -> None:
    runs = [*seeds("a", 8.0, LOW), run("a", 8.0, seed=9, status="failed", error="boom", summary={})]
    assert {state_of(members) for members in by_rate(data_of(runs, tmp_path)).values()} == {"beyond"}
    assert all(row.judgement is None for row in data_of(runs, tmp_path).runs)


def test_the_share_of_a_limit_is_the_mean_over_seeds_with_its_interval(data: ReportData) -> None:
    for limit in shown_limits(PAPER):
        found, mean = share_interval(by_rate(data)[16.0], limit), mean_interval(count / 10 for count in MIDDLE)
        assert found is not None and mean is not None
        assert (found.mean, found.low, found.high) == pytest.approx((mean.mean, mean.low, mean.high))


def test_a_design_whose_next_rate_is_undecided_reaches_no_limit_there(data: ReportData) -> None:
    found = deciding(by_rate(data), PAPER)
    assert found is not None and found.limit is not None
    assert (found.is_undecided, found.is_reached, found.rate, found.limit.told()) == (True, False, 16.0, "TTFT p90")
    assert ends_text(found) == "undecided at 16/s, TTFT p90 at 90.0%"
    table = ends_table(data, "conv")
    assert table is not None and "TTFT p90 (limit 3×; undecided)" in table.rows[0]


def test_lines_have_intervals_and_question_marks_at_what_is_undecided(data: ReportData) -> None:
    with printed():
        (plot,) = slowdown(data)
        (tightest,) = tightest_limit(data)
    assert isinstance(plot, Plot) and isinstance(tightest, Plot)
    marked = [axes.get_title() for axes in plot.figure.axes if any(text.get_text() == "?" for text in axes.texts)]
    assert marked == ["TTFT p90 (SLO 3×)"]
    panel = next(axes for axes in plot.figure.axes if axes.get_title() == marked[0])
    mean = mean_interval(3.0 * count / 10 for count in MIDDLE)
    assert mean is not None
    bars = panel.collections[-1].get_segments()  # type: ignore[attr-defined]
    assert [point[1] for point in bars[1]] == pytest.approx([mean.low, mean.high])
    assert panel.lines[0].get_ydata()[1] == pytest.approx(mean.mean)  # type: ignore[index]
    assert [text.get_text() for text in tightest.figure.axes[0].texts] == ["?"]
    for made in (plot, tightest):
        assert "Lines are means over seeds, with their intervals at 95% by Student's t." in made.caption
        assert "A question mark: these seeds do not tell whether the rate is within the SLO." in made.caption


def test_lines_of_one_seed_have_no_intervals_and_no_question_marks(tmp_path: Path) -> None:
    with printed():
        (plot,) = slowdown(data_of([*seeds("a", 8.0, LOW[:1]), *seeds("a", 16.0, MIDDLE[:1])], tmp_path))
    assert isinstance(plot, Plot)
    assert "Student" not in plot.caption
    assert not any(axes.texts for axes in plot.figure.axes)


def test_a_map_marks_undecided_counts_and_names_the_cheapest_that_holds_with_all_seeds(tmp_path: Path) -> None:
    cells = {(1, 1): HIGH, (2, 1): MIDDLE, (1, 2): LOW, (2, 2): LOW}
    runs = [
        made
        for (prompt, token), beyond in cells.items()
        for made in seeds("a", 8.0, beyond, label=f"{prompt}P+{token}T", cost=10.0 * (3 * token + prompt))
    ]
    data = data_of(runs, tmp_path)
    (plan,) = plans_of(data.runs)
    assert cheapest(plan) == (2, 1)
    assert mean_figure(plan.cells[1, 2], "ttft/p90_slowdown") == pytest.approx(3.0 * 0.9)
    with printed():
        (plot,) = heat(data)
    assert isinstance(plot, Plot)
    marks = [(text.get_text(), text.get_position()) for axes in plot.figure.axes for text in axes.texts]
    assert set(marks) == {("?", (0, 1))} and len(marks) == len(shown_limits(PAPER))
    assert "Colours are means over seeds" in plot.caption and "Question mark: undecided" in plot.caption


def test_repetitions_are_one_row_of_means_with_each_run_below_its_name(data: ReportData) -> None:
    lines = {line.name: line for line in run_lines(data.runs, PAPER)}
    assert list(lines) == ["a 4P+2T conv 8 rps", "a 4P+2T conv 16 rps", "a 4P+2T conv 24 rps"]
    line = lines["a 4P+2T conv 16 rps"]
    assert (line.verdict, line.within, line.runs) == (UNDECIDED, False, 8)
    assert line.figures[0] == "0.900 [0.639, 1.16]"
    assert line.figures[-1] == "100", "all cost the same, which needs no interval"
    assert line.limit.endswith("(90.0% [64%, 116%])")
    own = dict(line.more)
    assert [head for head in own if head.startswith("seed")] == [f"seed {seed}" for seed in range(8)]
    assert own["seed 0"] == f"within SLO {by_rate(data)[16.0][0].key}"


def test_repetitions_without_counts_are_judged_one_by_one_and_the_row_says_so(tmp_path: Path) -> None:
    runs = [run("a", 8.0, load, seed=seed, trace_identity=str(seed)) for seed, load in enumerate((0.4, 0.5))]
    (line,) = run_lines(data_of(runs, tmp_path).runs, PAPER)
    assert line.verdict == "within SLO with all of 2 seeds (counts not known, so without an interval)"
    assert line.within


def test_the_page_says_once_what_its_seeds_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_page, "FIGURES", {})

    def page(*runs: Outcome) -> str:
        (made,) = report_files(data_of(list(runs), tmp_path), None, ["html"]).values()
        return made.decode().replace("&#39;", "'")

    one = page(*seeds("a", 8.0, LOW[:1]), *seeds("b", 8.0, LOW[:1]))
    assert [one.count(note) for note in (ONE_NOTE, SEVERAL_NOTE, NO_COUNTS_NOTE)] == [1, 0, 0]
    assert "one row, of means" not in one
    several = page(*seeds("a", 8.0, LOW), *seeds("b", 8.0, MIDDLE))
    assert [several.count(note) for note in (ONE_NOTE, SEVERAL_NOTE, NO_COUNTS_NOTE)] == [0, 1, 0]
    assert "Runs that differ by their seed alone are one row, of means with their intervals." in several
    assert UNDECIDED in several and " more: " not in several
