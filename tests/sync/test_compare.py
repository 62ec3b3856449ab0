from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest

from sync.analysis.compare import PHASES, compare_runs, phase_times, profile, spent
from sync.analysis.compare_words import as_json, figure_table, paragraph, seconds, time_table
from sync.results.slo import Slo
from tests.sync.report.made import failed, requests, run, stopped

INSTANCES = {"role": ["prompt", "prompt", "token"], "utilisation": [0.5, 0.7, 0.9], "kv_peak_fraction": [0.2, 0.3, 1.0]}


def compared(first, second, tables=None, instances=None):
    tables = tables or (requests(), requests(scale=2.0))
    machines = instances or {}
    return compare_runs(profile(first, tables[0], machines), profile(second, tables[1], machines))


def test_phases_are_what_the_columns_say_and_add_up_to_the_whole():
    table = pd.DataFrame(
        {
            "request_id": [0, 1, 2],
            "arrival_s": [0.0, 0.0, 0.0],
            "prompt_start_s": [1.0, 1.0, 1.0],
            "prompt_end_s": [3.0, 3.0, 3.0],
            "transfer_start_s": [3.5, math.nan, math.nan],
            "transfer_end_s": [4.0, math.nan, math.nan],
            "token_start_s": [4.5, 3.25, math.nan],  # moved, stayed, and one of a single token
            "token_end_s": [10.0, 5.25, math.nan],
            "preempted_s": [2.0, 0.5, math.nan],
            "e2e_s": [10.0, 5.25, 3.0],
        }
    )
    found = phase_times(table)
    assert {name: values.tolist() for name, values in found.items()} == {
        "queue": [1.0, 1.0, 1.0],
        "prompt": [2.0, 2.0, 2.0],
        "transfer": [1.0, 0.0, 0.0],
        "wait": [0.5, 0.25, 0.0],
        "decode": [3.5, 1.5, 0.0],
        "preempted": [2.0, 0.5, 0.0],
    }
    assert sum(found.values()).tolist() == table["e2e_s"].tolist()


def test_times_at_a_percentile_are_means_around_its_rank():
    table = requests(201)  # E2E grows with the rank; decode = 1 + rank / 10, a fifth of it preempted
    middle = spent(table.sample(frac=1, random_state=1), 50)
    assert middle.requests == 11  # 100 +- 5
    assert middle.phases_s["decode"] == pytest.approx(0.8 * 11.0)
    assert middle.phases_s["preempted"] == pytest.approx(0.2 * 11.0)
    assert middle.e2e_s == pytest.approx(0.7 + 11.0)
    tail = spent(table, 99)
    assert tail.requests == 5  # 198 +- 1 are three: no fewer than five
    assert tail.phases_s["decode"] == pytest.approx(0.8 * (1 + 19.8))


@pytest.mark.parametrize("count", [1, 2, 4, 5, 6])
def test_few_requests_are_all_there_is_around_a_percentile(count):
    assert spent(requests(count), 99).requests == min(count, 5)


def test_a_run_within_the_slo_beats_one_that_is_not_and_the_words_say_where_the_time_goes():
    found = compared(run("slow", 8.0, 1.5), run("quick", 8.0, 0.5), (requests(scale=2.0), requests()))
    assert found.better.outcome.system == "quick"
    assert found.why == "it is within the SLO"
    text = paragraph(found)
    assert text.startswith(
        "quick 4P+2T conv 8 rps beats slow 4P+2T conv 8 rps: it is within the SLO, the other is not ("
    )
    p90 = [row for row in time_table(found).rows if row[0] in ("decode", "preempted", "E2E")]
    less = {row[0]: seconds(-float(row[6])) for row in p90}
    assert f"{less['decode']} less decode" in text
    assert f"{less['preempted']} less preempted" in text
    quick, slow = (seconds(float(cell)) for cell in p90[-1][4:6])
    assert f"Around p90 of E2E its requests take {quick} against {slow}" in text


def test_over_the_same_requests_the_mean_difference_is_that_of_each_of_them():
    found = compared(run("a", 8.0), run("b", 8.0))
    # decode is twice as long: 1 + n / 10 s more, of which a fifth is preempted; the mean of n is 19.5
    assert found.paired_s["decode"] == pytest.approx(0.8 * 2.95)
    assert found.paired_s["preempted"] == pytest.approx(0.2 * 2.95)
    assert sum(found.paired_s[name] for name in ("queue", "prompt", "transfer", "wait")) == pytest.approx(0)
    assert (found.paired_requests, found.faster) == (40, 1.0)
    assert "Over the 40 requests that both completed, it takes 2.95 s less in the mean" in paragraph(found)


def test_other_requests_are_not_paired_and_the_words_warn():
    found = compared(run("a", 8.0), run("b", 16.0, trace_identity="other", workload="code"))
    assert found.paired_requests == 0
    assert "They did not serve the same requests (8 requests/s of conv against 16 requests/s of code)" in paragraph(
        found
    )


def test_the_limit_that_only_one_meets_is_named_with_both_figures_and_what_takes_the_time():
    slow = run("b", 8.0)
    slow.summary.update({"ttft/p99_slowdown": 9.0})
    late = requests()
    late["arrival_s"] -= 4.0
    found = compared(run("a", 8.0), slow, (requests(), late))
    text = paragraph(found)
    assert "What decides most is TTFT p99: 3× against 9× as slow as alone, with a limit of 6×" in text
    assert "its requests are 0.1 s waiting for the prompt, the other's 4.1 s" in text


def test_limits_in_seconds_decide_as_well():
    slo = Slo(seconds={"ttft": {"p90": 0.6}})
    runs = (run(name, 8.0, load) for name, load in (("a", 0.5), ("b", 0.9)))
    first, second = (profile(outcome, requests(), {}, slo) for outcome in runs)
    found = compare_runs(first, second, slo)
    assert found.why == "it is within the SLO"
    assert "What decides most is TTFT p90: 0.5 s against 0.9 s, with a limit of 0.6 s;" in paragraph(found)


def test_machines_are_told_by_role_and_prices_by_how_much():
    first, second = run("a", 8.0, cost=90.0), run("b", 8.0, 2.0, cost=100.0)
    text = paragraph(compared(first, second, instances=INSTANCES))
    assert "Its machines are busy 60% (prompt) and 90% (token) of the time" in text
    assert "their KV memory is at most 30% (prompt) and 100% (token) full" in text
    assert "It costs $90.00 an hour against $100.00 (10% less) and draws as much." in text
    second = run("b", 8.0, 2.0, cost=100.0, watts=20400.0)
    drawn = compared(run("a", 8.0, cost=90.0, watts=10200.0), second, instances=INSTANCES)
    assert " and draws 10.2 kW against 20.4 kW by nameplate (50% less)." in paragraph(drawn)
    assert ("machines busy", "60% (prompt) and 90% (token)", "60% (prompt) and 90% (token)") in figure_table(
        compared(first, second, instances=INSTANCES)
    ).rows


@pytest.mark.parametrize("worse", [failed("b", 8.0), stopped("b", 8.0)])
def test_a_run_that_did_not_end_is_beaten_without_figures(worse):
    found = compared(worse, run("a", 8.0), (None, requests()))
    assert (found.better.outcome.system, found.why) == ("a", "it ran to its end")
    text = paragraph(found)
    assert "Around" not in text and "nan" not in text
    assert {row[2] for row in time_table(found).rows} == {"-"}


def test_leaving_fewer_requests_unserved_counts_more_than_meeting_more_limits():
    left = run("left", 8.0, 0.5)
    left.summary.update({"run/unfinished": 7.0})
    found = compared(left, run("slow", 8.0, 1.5))
    assert (found.better.outcome.system, found.why) == ("slow", "it leaves fewer requests unserved")


def test_equal_runs_are_not_told_apart():
    table = requests()
    found = compared(run("a", 8.0), run("b", 8.0), (table, table))
    assert found.why == ""
    assert paragraph(found).startswith(
        "Nothing tells a 4P+2T conv 8 rps and b 4P+2T conv 8 rps apart: both are within SLO."
    )
    assert "which is the same" in paragraph(found)


def test_older_tables_without_phases_are_no_error():
    old = pd.DataFrame({"request_id": [0, 1], "ttft_s": [0.5, 0.5]})
    found = compared(run("a", 8.0), run("b", 8.0, 2.0), (old, old))
    assert found.better.spent == ()
    assert found.better.completed == 2
    paragraph(found)


def test_json_has_the_figures_of_the_words_and_nothing_that_json_cannot_hold():
    import json

    first = run("a", 8.0)
    first.summary["odd"] = math.nan
    found = compared(first, run("b", 8.0, 2.0), instances=INSTANCES)
    text = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert text["better"]["summary"]["odd"] is None
    around = text["better"]["e2e_around_percentile"]["p90"]
    assert around["e2e_s"] == pytest.approx(sum(around["phases_s"].values()))
    assert set(around["phases_s"]) == set(PHASES)
    assert re.search(rf"take {around['e2e_s']:.3g} s against", text["verdict"])
    assert np.isclose(text["paired"]["less_s"]["decode"], found.paired_s["decode"])
