from __future__ import annotations

import dataclasses
import html
import json
import re

import pytest

from sync.analysis.standing import Standing, rank
from sync.analysis.terms import Terms
from sync.results.slo import PAPER, WITHIN, Slo
from sync.tracking.markdown import code, code_block, plain
from sync.tracking.page import headline, note, page, run_note, saved_view, shown_times

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


def test_the_first_columns_are_price_rate_ttft_tbt_and_the_verdict_and_fit_a_narrow_window():
    state = json.loads(json.loads(saved_view()[1])["state"])
    first = ["tags.`USD/h`", "params.`rate`", "tags.`TTFT`", "tags.`TBT`", "tags.`verdict`"]
    assert state["selectedColumns"][:5] == first
    assert state["columnOrder"][:7] == ["attributes.`Run Name`", "runDateAndNestInfo", *first]
    assert sum(state["columnWidths"][name] for name in state["columnOrder"][:6]) <= 600


@pytest.mark.parametrize(
    ("slo", "times"),
    [
        (PAPER, {"TTFT": "1.84x p90", "TBT": "0.999x p90", "E2E": "1,235x p90"}),
        (
            Slo(seconds={"ttft": {"p50": 1.0, "p99": 2.0}}),
            {"TTFT": "0.0123 s p99", "TBT": "0.999x p90", "E2E": "1,235x p90"},
        ),
    ],
)
def test_the_times_in_the_table_are_those_that_the_slo_limits_with_three_digits(slo, times, outcome):
    summary = {
        "ttft/p90_slowdown": 1.8398,
        "tbt/p90_slowdown": 0.99931,
        "e2e/p90_slowdown": 1234.6,
        "ttft/p99_s": 0.01234,
    }
    assert shown_times(outcome(1, summary=summary), slo) == times
    assert shown_times(outcome(1, summary={}), slo) == {}


def test_the_first_line_names_the_best_designs_and_fits_the_folded_description_and_the_second_links(sweep):
    first, _, second = note(sweep, "7", runs(5), 0).splitlines()[:3]
    assert first == (
        "**Most requests within the SLO (one seed, no interval):** design-000 8/s, design-001 8/s, 3 more."
    )
    assert f"[table]({page('7')})" in second
    assert f"[charts]({page('7', charts=True)})" in second


def test_of_designs_with_long_names_as_many_are_named_as_fit_into_the_first_line(sweep):
    standings = [Standing(f"{'long' * 8}-{number}", 8.0, True, WITHIN, 100.0) for number in range(3)]
    first = note(sweep, "7", standings, 0).splitlines()[0]
    assert first == f"**Most requests within the SLO (one seed, no interval):** {'long' * 8}-0 8/s, 2 more."


def test_an_answer_of_some_of_the_points_begins_with_their_number_and_claims_nothing_of_the_others(sweep):
    partial = Terms(sweep.slo, done=22, planned=150)
    start = "**Partial: 22 of 150 points are done; nothing is said of the others.** "
    assert note(sweep, "7", runs(1), 0, partial).startswith(
        f"{start}**Most requests within the SLO so far (one seed, no interval):** design-000 8/s."
    )
    assert note(sweep, "7", runs(2, SLOW), 0, partial).startswith(
        f"{start}**No design is known to be within the SLO.**"
    )
    assert headline(rank(runs(1)), partial).startswith("Partial: 22 of 150 points are done")
    assert headline(rank(runs(1)), Terms(sweep.slo, done=150, planned=150)).startswith("Most requests within the SLO (")


def test_rates_that_were_not_run_are_open_in_the_table(sweep):
    planned = dataclasses.replace(sweep, systems={"s": [8.0, 16.0, 24.0]})
    slow = Standing("a", 24.0, False, SLOW, 100.0, system="s")
    good = [Standing("b", rate, True, WITHIN, 100.0, system="s") for rate in (8.0, 24.0)]
    told = note(planned, "7", [slow, *good], 0, Terms(sweep.slo, done=3, planned=6)).replace("\u00a0", "")
    assert "| a |100.00 |open |24/s too slow: TTFT p90; no result at 8 and 16/s |" in told
    assert "| b |100.00 |8/s |no result at 16/s |" in told


def test_the_description_says_what_the_answer_stands_on(sweep):
    figures = {
        "dgx-h100": {"dollars_per_hour": 38.08, "source": "Patel et al.", "watts": 10200, "watts_source": "NVIDIA"}
    }
    terms = Terms(
        sweep.slo, ("bloom-176b",), ("db",), ("dgx-h100",), ("conv",), (120.0,), (8.0, 16.0), (), (0,), 2, 0, 2, figures
    )
    told = note(sweep, "7", runs(1), 0, terms)
    assert "\n- Model: bloom-176b; iteration times: measured on machines (performance&#95;model: db).\n" in told
    assert "\n- Machine dgx-h100: $38.08 an hour (Patel et al.), 10.2 kW (NVIDIA).\n" in told
    assert (
        "\n- Workload: conv, requests arrive over 2 min, at 8 and 16 requests/s, one seed (0), so without an"
        " interval.\n" in told
    )
    assert "\n- SLO: TTFT p50 2x p90 3x p99 6x," in told


HOSTILE = (
    "<img src=x onerror=alert(1)> [x](javascript:alert(1)) `a` | **b** _c_ https://evil.example www.evil.example @ann"
)


def rendered_signs(text):
    """What is left of Markdown's and HTML's signs in a text whose references are escaped."""
    return re.sub(r"&#\d+;|\\\|", "", text)


def test_a_text_of_a_file_is_shown_as_it_is_and_is_neither_html_nor_markdown():
    escaped = plain(HOSTILE)
    assert html.unescape(escaped).replace("\\|", "|") == HOSTILE
    assert not re.search(r"[<>`*_\[\]|@]|://|www\.", rendered_signs(escaped))
    assert plain("a\nb\u202ec\x1b[0m").startswith("a b&#92;u202ec&#92;x1b&#91;0m")
    assert [plain(text) for text in ("# a", "- a", "1. a", "    a")] == ["&#35; a", "&#45; a", "1&#46; a", "a"]


def test_code_is_ended_by_nothing_in_it_and_begins_no_html():
    assert code_block("a\n```\n<img src=x>\n````", "yaml") == ("`````yaml\na\n```\n<\u2060img src=x>\n````\n`````")
    assert code("a ``b`` <b>") == "```a ``b`` <\u2060b>```"
    assert code("`") == "`` ` ``"


def test_no_text_of_a_sweep_reaches_its_descriptions_unescaped(sweep, outcome):
    hostile = dataclasses.replace(
        sweep, description=HOSTILE, command=HOSTILE, experiment_text=f"a: 1\n```\n{HOSTILE}\n~~~\n{HOSTILE}"
    )
    standings = [Standing(HOSTILE, 8.0, False, HOSTILE, 100.0)]
    terms = Terms(sweep.slo, (HOSTILE,), (HOSTILE,), (HOSTILE,), (HOSTILE,), done=1, planned=1)
    told = note(hostile, "7", standings, 0, terms, unserved=HOSTILE)
    before, fence, block = told.partition("\n\n````yaml\n")
    assert fence and block.endswith("\n````") and "````" not in block[:-4]
    assert "<i" not in told and "](java" not in before and "onerror" in before
    (row,) = [line for line in before.splitlines() if line.startswith("| &#")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 5
    bad = outcome(1, status="failed", error=HOSTILE, overrides=(f"a={HOSTILE}\n```",), summary={})
    told = run_note(bad, sweep.slo, {HOSTILE: 1}, lambda text: text)
    assert "<i" not in told and "](java" not in told.partition("```")[0]


def test_a_description_that_has_no_place_for_all_of_it_leaves_whole_parts_out(sweep):
    full = dataclasses.replace(sweep, description="*" * 9000, experiment_text="x" * 9000)
    told = note(full, "7", runs(100), 1, Terms(sweep.slo, models=("m" * 900,), done=1))
    assert len(told) <= 5000
    assert told.count("```") % 2 == 0
    assert not re.search(r"&#?\d*$", told)


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
