"""What a planner found, in the report: the words, the tables and the picture."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import pytest

from sync.report import page as report_page
from sync.report.base import Missing, Plot
from sync.report.frontier import frontier
from sync.report.page import report_files
from sync.report.style import picture, printed
from sync.results.slo import Slo
from tests.sync.plans import plans
from tests.sync.report.made import data_of, run

WITHOUT_CLUSTERS = ("interrupted", "failed")


def places(line: Any) -> list[tuple[float, float]]:
    """The points of a line of matplotlib."""
    return [(float(x), float(y)) for x, y in zip(*line.get_data(), strict=True)]


def drawn(name: str, folder: Path) -> Plot | Missing:
    with printed():
        (figure,) = frontier(data_of([run("splitwise-ha", 8.0)], folder, searched=plans()[name]))
    return figure


@pytest.mark.parametrize("name", plans())
def test_each_kind_of_answer_is_drawn_or_left_out_with_a_reason(name: str, tmp_path: Path) -> None:
    figure = drawn(name, tmp_path)
    if name in WITHOUT_CLUSTERS:
        assert isinstance(figure, Missing)
        assert figure.reason == "no cluster is decided yet"
    else:
        assert isinstance(figure, Plot)
        assert len(figure.figure.axes) == len(plans()[name].found) - (name == "none most")
        with printed():
            assert picture(figure.figure, "png").startswith(b"\x89PNG")


def test_a_sweep_without_a_question_has_no_such_figure(tmp_path: Path) -> None:
    assert list(frontier(data_of([run("splitwise-ha", 8.0)], tmp_path))) == []


def test_verdicts_differ_in_shape_and_stand_at_their_numbers_of_machines(tmp_path: Path) -> None:
    figure = drawn("least undecided", tmp_path)
    assert isinstance(figure, Plot)
    split, row = figure.figure.axes
    lines = {str(line.get_label()): line for line in split.get_lines()}
    shapes = [line.get_marker() for name, line in lines.items() if name != "as much as the answer"]
    assert len(shapes) == len(set(shapes)) == 6
    assert sorted(places(lines["fails"])) == [(15.0, 12.0), (17.0, 11.0)]
    assert places(lines["not decided"]) == [(16.0, 11.0)]
    assert places(lines["the answer"]) == [(16.0, 12.0)]
    assert (split.get_xlabel(), split.get_ylabel()) == ("token machines", "prompt machines")
    assert row.get_xlabel() == "machines"


def test_the_line_of_equal_price_passes_the_answer(tmp_path: Path) -> None:
    figure = drawn("least decided", tmp_path)
    assert isinstance(figure, Plot)
    (line,) = [line for line in figure.figure.axes[0].get_lines() if line.get_label() == "as much as the answer"]
    for tokens, prompts in places(line):
        assert 38.08 * prompts + 17.6 * tokens == pytest.approx(738.56)


def test_rates_stand_above_the_split_that_was_probed_with_the_interval_of_the_best(tmp_path: Path) -> None:
    figure = drawn("most decided", tmp_path)
    assert isinstance(figure, Plot)
    panel = figure.figure.axes[0]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["20+38", "24+33", "25+32", "26+31"]
    lines = {str(line.get_label()): line for line in panel.get_lines()}
    assert places(lines["interval of the best"]) == [(2.0, 150.0), (2.0, 153.0)]
    assert sorted(places(lines["fails"])) == [(0.0, 120.0), (1.0, 150.0)]


def test_the_page_has_the_words_and_tables_and_no_ranking_of_the_probes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_page, "FIGURES", {"frontier": frontier})
    data = data_of([run("splitwise-ha", 8.0)], tmp_path, searched=plans()["most decided"])
    (page,) = report_files(data, None, ["html"]).values()
    text = html.unescape(page.decode())
    assert '<p class="answer"><b>Splitwise-HA 25P+32T carries 150 to 153 requests/s' in text
    assert "conv: what each design carries within the SLO" in text
    assert "What was searched, conv" in text
    assert "every design, the highest rate within the SLO first" not in text


def test_a_page_by_other_limits_does_not_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_page, "FIGURES", {})
    slo = Slo(seconds={"ttft": {"p99": 9.0}})
    data = data_of([run("splitwise-ha", 8.0)], tmp_path, slo, searched=plans()["most decided"])
    (page,) = report_files(data, None, ["html"]).values()
    assert "25P+32T" not in page.decode()


def test_the_legend_names_what_any_panel_shows_once(tmp_path: Path) -> None:
    figure = drawn("least decided", tmp_path)
    assert isinstance(figure, Plot)
    (legend,) = figure.figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert {"fails", "the answer", "no more machines than one that fails"} <= set(names)
    assert len(names) == len(set(names))
