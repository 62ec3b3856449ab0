from __future__ import annotations

import dataclasses
import json

from sync.analysis.standing import Standing
from sync.results.slo import WITHIN
from sync.tracking.page import note, page, saved_view

SLOW = "too slow: TTFT p90"


def runs(count, told=WITHIN):
    return [Standing(f"design-{number:03}", 8.0, told == WITHIN, told, 100.0 + number) for number in range(count)]


def test_the_page_is_that_of_model_training_where_runs_are_and_charts_are_the_same_view():
    assert page("7") == "#/experiments/7/runs?viewStateShareKey=designs&workflowType=machine_learning"
    assert page("7", charts=True) == page("7") + "&compareRunsMode=CHART"


def test_the_saved_view_sorts_by_what_is_served_within_the_slo_and_orders_every_column_it_shows():
    name, value = saved_view()
    assert name == "mlflow.sharedViewState.designs"
    assert len(value) < 5000
    state = json.loads(json.loads(value)["state"])
    assert (state["orderByKey"], state["orderByAsc"]) == ("metrics.`slo/served_per_s`", False)
    assert set(state["selectedColumns"]) < set(state["columnOrder"]) == set(state["columnWidths"])
    sections = [section["uuid"] for section in state["compareRunSections"]]
    assert list(dict.fromkeys(chart["metricSectionId"] for chart in state["compareRunCharts"])) == sections
    lines = [chart for chart in state["compareRunCharts"] if chart["type"] == "LINE"]
    assert [chart["metricKey"] for chart in lines][:1] == ["by_percentile/ttft_s"]
    assert {chart["lineSmoothness"] for chart in lines} == {0}


def test_the_first_line_names_the_best_designs_and_links_to_table_and_charts(sweep):
    first = note(sweep, "7", runs(5), 0).splitlines()[0]
    assert first.startswith(
        "**Most requests within the SLO (by one seed):** design-000 8/s, design-001 8/s, design-002 8/s, 2 more."
    )
    assert f"[table]({page('7')})" in first
    assert f"[charts]({page('7', charts=True)})" in first


def test_a_row_says_what_is_too_slow_beyond_the_highest_rate(sweep):
    told = note(sweep, "7", [*runs(1), Standing("design-000", 16.0, False, SLOW, 100.0)], 0).replace("\u00a0", "")
    assert "| design-000 |100.00 |8/s |16/s too slow: TTFT p90 |" in told


def test_it_is_said_when_no_design_is_within_the_slo(sweep):
    assert note(sweep, "7", runs(2, SLOW), 0).startswith("**No design is within the SLO.**")


def test_workloads_without_a_rate_are_within_or_not(sweep):
    told = note(
        sweep, "7", [Standing("a", None, True, WITHIN, 1.0), Standing("b|c", None, False, SLOW, 1.0)], 0
    ).replace("\u00a0", "")
    assert "| a |1.00 |yes | |" in told
    assert "| b\\|c |1.00 |- |too slow: TTFT p90 |" in told


def test_a_sweep_without_a_description_is_described_by_its_size_and_command(sweep):
    told = note(dataclasses.replace(sweep, description=" "), "7", [], 0)
    assert "3 simulated points: `python -m sweep experiments/quickstart.yaml`" in told


def test_the_example_of_a_filter_is_a_rate_that_there_is(sweep):
    assert '`params.rate = "8"` or' in note(sweep, "7", runs(1), 0)
    assert '`params.rate = "16"` or' in note(sweep, "7", [Standing("a", 16.0, False, SLOW, 1.0)], 0)
    assert "params.rate" not in note(sweep, "7", [Standing("a", None, False, SLOW, 1.0)], 0)


def test_superseded_runs_are_counted_and_it_is_said_how_to_hide_them(sweep):
    assert "2 runs are superseded" in note(sweep, "7", runs(1), 2)
    assert '`tags.superseded = "false"` hides them' in note(sweep, "7", runs(1), 2)
    assert "superseded" not in note(sweep, "7", runs(1), 0)


def test_the_description_stays_short_enough_for_a_tag_and_its_code_block_is_closed(sweep):
    told = note(dataclasses.replace(sweep, experiment_text="x: 1\n" * 5000), "7", runs(100), 1)
    assert len(told) <= 5000
    assert told.endswith("...\n```")
    assert "| and 85 more |" in told
    assert len(note(dataclasses.replace(sweep, description="d" * 9000), "7", runs(100), 1)) <= 5000
