from __future__ import annotations

import dataclasses
import io
import itertools
import math

import matplotlib as mpl
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from sync.analysis.answers import normalised, sentences
from sync.report import FIGURES
from sync.report.bars import bars
from sync.report.base import Missing, Plot
from sync.report.batches import batches, time_shares
from sync.report.data import all_within, detailed_run, mean_figure, shown_rate
from sync.report.distributions import distributions
from sync.report.gantt import gantt, spans_by_kind, window
from sync.report.heat import chained, heat, round_places
from sync.report.limits import deciding
from sync.report.over_time import over_time
from sync.report.plans import cheapest, plans_of
from sync.report.slowdown import design_lines, shown_rates, slowdown
from sync.report.style import FORMATS, picture, printed, styles
from sync.report.tightest import tightest_limit
from sync.results.curves import OVER_TIME, Derived, Series
from sync.results.slo_file import Slo
from tests.sync.plans import plans
from tests.sync.report.made import data_of, failed, figures, iterations, parquet, requests, run, stopped

MAGIC = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}


def two_designs():
    loads = {8: (0.4, 0.5), 16: (0.8, 1.2), 24: (1.5, 3.0)}
    made = [
        run(system, rate, share, cost=cost)
        for rate, shares in loads.items()
        for system, cost, share in zip(("splitwise-ha", "baseline-a100"), (99.0, 101.0), shares, strict=True)
    ]
    return sorted(made, key=lambda outcome: outcome.system)


def grid(system="splitwise-ha"):
    return [
        run(system, 8.0, 4 / (prompt + token), label=f"{prompt}P+{token}T", cost=10.0 * prompt + token)
        for prompt in (1, 2, 3)
        for token in (1, 2, 3)
    ]


def closed_loops():
    return [
        run(system, None, concurrency / 40, axes={"concurrency": concurrency}, concurrency=concurrency,
            summary=figures(concurrency / 40) | {"throughput/output_tokens_per_s": 100.0 * concurrency})
        for system in ("splitwise-ha", "baseline-a100") for concurrency in (1, 8, 64)
    ]  # fmt: skip


NAN = {name: math.nan if "/p" in name else value for name, value in figures(2.0).items()}
CASES = {
    "two designs": two_designs,
    "a grid": grid,
    "nothing": list,
    "one point": lambda: [run("splitwise-ha", 8.0)],
    "no rate": lambda: [run("splitwise-ha", None), run("splitwise-hh", None)],
    "failed and stopped": lambda: [failed("a", 8.0), failed("b", 8.0), stopped("a", 16.0), stopped("b", 16.0)],
    "some failed": lambda: [*two_designs(), failed("splitwise-ha", 32.0), stopped("baseline-a100", 32.0)],
    "no figures": lambda: [run("a", rate, summary=NAN, requests_parquet=b"") for rate in (8.0, 16.0)],
    "NaN in the requests": lambda: [
        run("a", rate, requests_parquet=parquet(requests().assign(ttft_s=math.nan, tbt_s=math.nan)))
        for rate in (8.0, 16.0)
    ],
    "closed loops": closed_loops,
    "free of charge": lambda: [run("baseline-a100", 8.0, 3.0, cost=0.0, power=0.0), run("b", 8.0, cost=0.0)],
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", FIGURES)
def test_each_kind_of_figure_is_drawn_or_left_out_with_a_reason(name, case, tmp_path):
    data = data_of(CASES[case](), tmp_path, searched=plans()["least undecided"])
    if data.runs:
        data = dataclasses.replace(data, iterations=iterations(data))
    with printed():
        made = FIGURES[name](data)
        assert made or (name == "throughput" and case != "closed loops")  # which is for closed loops alone
        for figure in made:
            if isinstance(figure, Missing):
                assert figure.title and figure.reason
            else:
                assert figure.title and figure.caption.endswith(".")
                assert picture(figure.figure, "svg").startswith(MAGIC["svg"])


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_file_each_time(name, tmp_path):
    runs = {"provisioning": grid, "throughput": closed_loops}.get(name, two_designs)()
    data = data_of(runs, tmp_path, searched=plans()["most decided"])
    data = dataclasses.replace(data, iterations=iterations(data))
    with printed():
        first, again = (FIGURES[name](data)[0] for _ in range(2))
        assert isinstance(first, Plot) and isinstance(again, Plot)
        assert picture(first.figure, "svg") == picture(again.figure, "svg") == picture(first.figure, "svg")


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_is_what_it_is_called_and_the_same_bytes_each_time(form, tmp_path):
    with printed():
        first, again = (over_time(data_of(two_designs(), tmp_path))[0] for _ in range(2))
        made = picture(first.figure, form)
        assert made.startswith(MAGIC[form])
        assert made == picture(again.figure, form)


def test_drawing_leaves_the_user_s_settings_alone(tmp_path):
    mpl.rcParams["font.size"] = 33
    before = dict(mpl.rcParams)
    with printed():
        assert mpl.rcParams["font.size"] != 33
        slowdown(data_of(two_designs(), tmp_path))
    assert dict(mpl.rcParams) == before
    mpl.rcdefaults()


def test_lines_are_the_slowdowns_of_the_runs_and_the_limits_those_of_the_slo(tmp_path):
    with printed():
        (plot,) = slowdown(data_of(two_designs(), tmp_path))
    panel = plot.figure.axes[0]
    lines = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in panel.lines}
    assert lines["splitwise-ha 4P+2T"] == ([8, 16, 24], [0.8, 1.6, 3.0])
    assert panel.get_title() == "TTFT p50 (SLO 2×)"
    assert [2.0, 2.0] in [list(line.get_ydata()) for line in panel.lines]


def test_limits_in_seconds_show_seconds(tmp_path):
    slo = Slo(seconds={"ttft": {"p99": 0.7}})
    with printed():
        (plot,) = slowdown(data_of(two_designs(), tmp_path, slo=slo))
    (panel,) = plot.figure.axes  # limits that are not set have no panel
    assert (panel.get_title(), panel.get_ylabel()) == ("TTFT p99 (SLO 0.7 s)", "TTFT (s)")
    assert plot.title == "Times against rate, conv"


def test_rates_that_no_design_carries_are_left_out_but_for_the_first(tmp_path):
    made = [run("a", rate, 0.5 if rate < 16 else 9.0) for rate in (8.0, 16.0, 24.0, 32.0, 40.0)]
    data = data_of(made, tmp_path)
    assert shown_rates([data.by_rate(data.champions["conv"][0])]) == [8.0, 16.0, 24.0]
    held = data_of([run("a", rate) for rate in (8.0, 16.0, 24.0, 32.0)], tmp_path)
    assert shown_rates([held.by_rate(held.champions["conv"][0])]) == [8.0, 16.0, 24.0, 32.0]


def test_bars_are_the_normalised_figures_of_the_answers(tmp_path):
    data = data_of(two_designs(), tmp_path)
    with printed():
        (plot,) = bars(data)
    heights = [[patch.get_height() for patch in panel.patches] for panel in plot.figure.axes]
    rows = {row.system: row for row in normalised(data.answers.workloads[0])}
    systems = ("baseline-a100", "splitwise-ha")
    assert heights[0] == [rows[system].rate for system in systems] == [1.0, 2.0]
    assert heights[1] == [rows[system].cost for system in systems]
    assert heights[2] == [rows[system].power for system in systems]
    assert "Relative to baseline-a100 4P+2T: 8 requests/s within the SLO, $101.00 an hour" in plot.caption


def test_where_no_design_holds_anything_throughput_has_no_reference(tmp_path):
    with printed():
        (plot,) = bars(data_of([run("baseline-a100", 8.0, 3.0), run("splitwise-ha", 8.0, 2.0)], tmp_path))
    throughput, cost, _ = plot.figure.axes
    assert throughput.get_ylabel() == "requests per second"
    assert [text.get_text() for text in throughput.texts] == ["none", "none"]
    assert [patch.get_height() for patch in cost.patches] == [1.0, 1.0]
    assert "none of its rates is within the SLO" in plot.caption


def test_a_grid_of_two_counts_is_a_map_and_its_star_the_cheapest_within_the_slo(tmp_path):
    data = data_of(grid(), tmp_path)
    (plan,) = plans_of(data.runs)
    assert plan.axes == ("token machines", "prompt machines")
    assert cheapest(plan) == (3, 1)  # 1 prompt and 3 token machines: 4 of all, for 13
    assert data.answers.workloads[0].systems[0].cheapest.name == "splitwise-ha 1P+3T conv"
    with printed():
        (plot,) = heat(data)
    shown = np.asarray(plot.figure.axes[0].images[0].get_array())
    assert shown.tolist() == [[4 / (p + t) for t in (1, 2, 3)] for p in (1, 2, 3)]


def test_maps_have_a_panel_for_each_limit_that_is_set_and_colours_with_the_limit_in_their_middle(tmp_path):
    slo = Slo(seconds={"ttft": {"p99": 2.0}, "e2e": {"p95": 4.0}})
    made = [dataclasses.replace(o, summary=figures(1.0, **{"e2e/p95_s": 1.0 + n})) for n, o in enumerate(grid())]
    with printed():
        (plot,) = heat(data_of(made, tmp_path, slo=slo))
    panels = [axes for axes in plot.figure.axes if axes.images]
    assert [axes.get_title() for axes in panels] == ["TTFT p99, limit 2 s", "E2E p95, limit 4 s"]
    image = panels[1].images[0]
    assert np.asarray(image.get_array())[0].tolist() == [0.25, 0.5, 0.75]  # shares of 4 s
    within, at_limit, beyond = (image.cmap(image.norm(share)) for share in (0.5, 1.0, 1.5))
    assert within[2] > within[0] and beyond[0] > beyond[2]  # blue, red
    assert min(at_limit[:3]) > 0.95  # white


def test_where_each_system_was_run_with_one_cluster_that_is_why_there_is_no_map(tmp_path):
    (missing,) = heat(data_of(two_designs(), tmp_path))  # at three rates
    reason = "of each system one choice of machine counts was run, and a map needs several"
    assert missing == Missing("Provisioning", reason)
    (missing,) = heat(data_of([*two_designs(), *[run("c", 8.0, label=f"{n}P+{9 - n}T") for n in (1, 2)]], tmp_path))
    assert missing.reason == (
        "of baseline-a100 and splitwise-ha one choice of machine counts was run, and a map needs several; of c the"
        " counts lie along a line (such as a budget's) at one rate, and a map needs several rates"
    )


def test_the_limit_that_decides_is_named_and_marked_where_the_line_crosses_it(tmp_path):
    slo = Slo(slowdown={"tbt": {"p90": 2.0}}, seconds={"e2e": {"p95": 10.0}})
    loads = {8.0: (1.0, 9.0), 16.0: (1.5, 9.5), 24.0: (2.5, 30.0)}  # slowdown of TBT p90, seconds of E2E p95
    made = [
        run("a", rate, summary=figures(0.5, **{"tbt/p90_slowdown": tbt, "e2e/p95_s": e2e}))
        for rate, (tbt, e2e) in loads.items()
    ]
    data = data_of(made, tmp_path, slo=slo)
    found = deciding(data.by_rate(data.champions["conv"][0]), slo)
    assert (found.limit.figure, found.is_reached) == ("e2e/p95_s", True)
    assert found.rate == pytest.approx(16 + 8 * 0.5 / 20.5)  # before TBT p90, which reaches 2 half of the way
    with printed():
        (plot,) = tightest_limit(data)
        (panels,) = slowdown(data)
    (panel,) = plot.figure.axes
    line, ring = panel.lines[:2]
    assert line.get_label() == "a 4P+2T: E2E p95 first"
    shares = dict(zip(line.get_xdata(), line.get_ydata(), strict=True))
    assert [shares[rate] for rate in loads] == pytest.approx([90.0, 95.0, 300.0])
    assert np.interp(found.rate, line.get_xdata(), line.get_ydata()) == pytest.approx(100.0, abs=0.5)
    assert (list(ring.get_xdata()), list(ring.get_ydata())) == ([found.rate], [100.0])
    assert [axes.get_title() for axes in panels.figure.axes] == ["TBT p90 (SLO 2×)", "E2E p95 (SLO 10 s)"]
    assert panels.title == "Slowdowns and times against rate, conv"


def test_where_no_limit_is_reached_the_closest_one_is_named_and_where_requests_wait_that_is_said(tmp_path):
    data = data_of([run("a", rate, load) for rate, load in ((8.0, 0.5), (16.0, 0.8))], tmp_path)
    found = deciding(data.by_rate(data.champions["conv"][0]), data.answers.slo)
    assert (found.is_reached, found.text[-9:]) == (False, " at 80.0%")
    left = run("b", 16.0, 0.5, summary=figures(0.5, **{"run/unfinished": 3.0}))
    data = data_of([run("b", 8.0, 0.5), left], tmp_path)
    found = deciding(data.by_rate(data.champions["conv"][0]), data.answers.slo)
    assert (found.limit, found.text) == (None, "3 unfinished")


def test_a_single_limit_has_one_figure_and_no_overview(tmp_path):
    data = data_of(two_designs(), tmp_path, slo=Slo(seconds={"e2e": {"p95": 1.0}}))
    with printed():
        assert tightest_limit(data) == []
        (plot,) = slowdown(data)
    assert [axes.get_title() for axes in plot.figure.axes] == ["E2E p95 (SLO 1 s)"]


def test_a_design_has_one_look_in_the_report_and_on_the_page_in_mlflow(tmp_path):
    systems = ("mine", "splitwise-ha", "another", "baseline-h100")
    data = data_of([run(system, rate, 0.5) for system in systems for rate in (8.0, 16.0)], tmp_path)
    in_mlflow = {line.label.split()[0]: line.style for line in design_lines(data.runs[::-1], data.answers.slo)}
    assert in_mlflow == data.look
    with printed():
        (plot,) = slowdown(data)
        (curves,) = distributions(data)
    for figure in (plot, curves):
        drawn = {line.get_label().split()[0]: line.get_color() for line in figure.figure.axes[0].lines}
        assert {system: drawn[system] for system in systems} == {s: style.color for s, style in data.look.items()}


def test_of_more_systems_than_a_figure_has_room_for_those_that_carry_most_are_drawn_and_no_two_look_alike(tmp_path):
    made = [run(f"s{n:02}", rate, 0.5 if rate <= n + 8 else 2.0) for n in range(12) for rate in (8.0, 13.0, 16.0)]
    data = data_of(made, tmp_path)
    looks = {(style.color, style.marker, style.hollow) for style in data.look.values()}
    assert len(looks) == 12
    assert {c.system for c in data.drawn_champions("conv")} >= {f"s{n:02}" for n in range(5, 12)}
    with printed():
        (plot,) = slowdown(data)
    assert "4 systems that carry less are left out." in plot.caption


def test_of_several_rates_the_map_is_of_the_highest_that_a_point_holds(tmp_path):
    made = [
        run("a", rate, rate * 0.1 / (p + t), label=f"{p}P+{t}T")
        for rate in (8.0, 16.0, 24.0, 99.0)
        for p in (1, 2)
        for t in (1, 2)
    ]
    with printed():
        plot, missing = heat(data_of(made, tmp_path))
    assert plot.title == "Provisioning: a, conv at 24 requests/s"
    assert missing.title == "Provisioning: a, conv at 8, 16, 99 requests/s"


def test_a_grid_of_which_no_run_served_all_requests_is_left_out(tmp_path):
    splits = [{"prompt": {"dgx-h100": p}, "token": {"dgx-a100": t}} for p in (1, 2) for t in (1, 2)]
    made = [dataclasses.replace(stopped("a", 8.0), design=f"a {split}", roles=split) for split in splits]
    (missing,) = heat(data_of(made, tmp_path))
    assert missing == Missing("Provisioning: a, conv at 8 requests/s", "no point served all of its requests")


def along_a_budget():
    """Splits of ten machines: the more prompt machines, the higher the rate that is carried; 9 + 1 carries none."""
    rates = (8.0, 16.0, 24.0)
    share = {1: (0.5, 2.0, 3.0), 5: (0.5, 0.6, 2.0), 9: (2.0, 2.0, 2.0)}
    return [
        run("splitwise-ha", rate, share[n][place], label=f"{n}P+{10 - n}T", cost=100.0 + n)
        for n in share
        for place, rate in enumerate(rates)
    ]


def test_splits_of_a_budget_are_a_map_by_rate_and_its_star_what_the_answers_name(tmp_path):
    data = data_of([*along_a_budget(), run("baseline-a100", 8.0), run("baseline-a100", 16.0)], tmp_path)
    (plan,) = plans_of(data.runs)
    assert (plan.by_rate, plan.axes) == (True, ("prompt + token machines", "requests per second"))
    assert list(plan.words.values()) == ["1+9", "5+5", "9+1"]
    with printed():
        (plot,) = heat(data)
    panel = plot.figure.axes[0]
    assert np.asarray(panel.images[0].get_array()).tolist() == [[0.5, 0.5, 2.0], [2.0, 0.6, 2.0], [3.0, 2.0, 2.0]]
    (star,) = panel.lines
    assert (list(star.get_xdata()), list(star.get_ydata())) == ([1], [1])
    assert plot.title == "Provisioning: splitwise-ha, conv at 3 rates"
    assert "Star: the most that a split carries, splitwise-ha 5P+5T at 16/s." in plot.caption


def test_a_split_that_was_run_with_two_seeds_has_their_mean_in_the_map_and_holds_if_both_do(tmp_path):
    made = [*along_a_budget(), run("splitwise-ha", 16.0, 1.5, label="5P+5T", seed=1)]
    (plan,) = plans_of(data_of(made, tmp_path).runs)
    cell = plan.cells[1.0, 16.0]
    assert mean_figure(cell, "ttft/p50_slowdown") == pytest.approx((1.2 + 3.0) / 2)
    assert not all_within(cell)


def test_the_frontier_is_one_line_however_many_cells_it_goes_around():
    stairs = [((n, n), (n + 1, n)) for n in range(9)] + [((n + 1, n), (n + 1, n + 1)) for n in range(9)]
    for edges in (stairs, stairs[::-1], [(b, a) for a, b in stairs]):
        (path,) = chained(edges)
        assert (len(path), {path[0], path[-1]}) == (19, {(0, 0), (9, 9)})
    loop = [((0, 0), (1, 0)), ((1, 0), (1, 1)), ((1, 1), (0, 1)), ((0, 1), (0, 0))]
    paths = chained([*stairs[9:10], *loop])
    steps = [frozenset(step) for path in paths for step in itertools.pairwise(path)]
    assert sorted(map(sorted, steps)) == sorted(map(sorted, [*stairs[9:10], *loop]))  # each once
    assert chained([]) == []


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (range(1, 40), [5, 10, 15, 20, 25, 30, 35]),
        (range(5, 40, 5), [5, 10, 15, 20, 25, 30, 35]),
        (range(50, 181, 10), [60, 80, 100, 120, 140, 160, 180]),
        ([0.2, 0.4, 0.6], [0.2, 0.4, 0.6]),
        ([7], [7]),
        ([3, 7], [3, 7]),
    ],
)
def test_ticks_of_a_map_are_at_round_figures(values, shown):
    assert [values[place] for place in round_places(values)] == shown


def test_of_two_runs_of_a_cluster_the_worse_one_is_in_the_map_of_counts(tmp_path):
    bad = run("splitwise-ha", 8.0, 1.5, label="3P+3T", seed=1)
    for made in ([*grid(), bad], [bad, *grid()]):
        (plan,) = plans_of(data_of(made, tmp_path).runs)
        assert not all_within(plan.cells[3, 3])


def test_maps_of_all_systems_are_at_the_rate_for_which_the_cheapest_are_told(tmp_path):
    made = [
        run(system, rate, rate * slow / (p + t), label=f"{p}P+{t}T")
        for system, slow in (("a", 0.1), ("b", 0.2))
        for rate in (8.0, 16.0, 24.0)
        for p in (1, 2)
        for t in (1, 2)
    ]
    for asked, rate in ((None, 16.0), (8.0, 8.0), (20.0, 16.0)):
        with printed():
            plots = [made for made in heat(data_of(made, tmp_path, rate=asked)) if isinstance(made, Plot)]
        assert [plot.title for plot in plots] == [f"Provisioning: {s}, conv at {rate:g} requests/s" for s in "ab"]
    assert "The map is at the rate nearest to 20/s" in plots[0].caption


def test_counts_along_a_line_are_no_map(tmp_path):
    made = [run("splitwise-ha", 8.0, label=f"{n}P+{10 - n}T") for n in range(1, 10)]
    (missing,) = heat(data_of(made, tmp_path))
    assert isinstance(missing, Missing)
    assert "lie along a line" in missing.reason


def test_counts_without_roles_are_those_of_two_kinds_of_machines(tmp_path):
    made = [
        run("mixed", 8.0, label=f"{a}xA100+{h}xH100", machines={"dgx-a100": a, "dgx-h100": h})
        for a in (1, 2)
        for h in (1, 2)
    ]
    (plan,) = plans_of(data_of(made, tmp_path).runs)
    assert plan.axes == ("dgx-a100 machines", "dgx-h100 machines")
    assert set(plan.cells) == {(1, 1), (2, 1), (1, 2), (2, 2)}


def test_a_run_that_left_requests_unserved_has_no_colour_in_a_map(tmp_path):
    made = grid()
    made[8] = dataclasses.replace(made[8], summary=figures(0.1, **{"run/unfinished": 3.0}))
    with printed():
        (plot,) = heat(data_of(made, tmp_path))
    assert np.ma.getmaskarray(plot.figure.axes[0].images[0].get_array())[2].tolist() == [False, False, True]


def test_time_shares_are_of_all_the_time_of_a_role_s_machines(tmp_path):
    table = iterations(data_of([run("a", 8.0)], tmp_path)).table
    bins = [(1, 1), (2, 2), (3, 4)]
    assert time_shares(table, "prompt", bins).tolist() == [0.5, 0.25, 0.25, 0.0]  # 4 s: 2 idle, 1 of one, 1 of two
    assert time_shares(table, "token", bins).tolist() == [0.25, 0.0, 0.25, 0.5]


def test_batch_tokens_count_by_the_time_they_take(tmp_path):
    data = data_of([run("a", 8.0)], tmp_path)
    with printed():
        (plot,) = batches(dataclasses.replace(data, iterations=iterations(data)))
    prompt, token = plot.figure.axes[0].lines
    assert (list(prompt.get_xdata()), list(prompt.get_ydata())) == ([100, 100, 300], [0, 0.5, 1])
    assert list(token.get_ydata()) == [0, 1 / 3, 1]


def test_a_timeline_joins_decodes_and_keeps_prompts_apart(tmp_path):
    table = iterations(data_of([run("a", 8.0)], tmp_path)).table
    spans = [spans_by_kind(rows) for _, rows in table.groupby("machine")]
    assert spans == [{"prompts": [(0.0, 1.0), (1.0, 1.0)]}, {"decodes": [(1.0, 3.0)]}]
    assert window(table) == (0.0, 4.0)


def test_a_timeline_of_many_machines_shows_some_of_each_role(tmp_path):
    data = data_of([run("a", 8.0)], tmp_path)
    made = iterations(data)
    copies = [made.table.assign(machine=made.table["machine"] + f"-{number}") for number in range(20)]
    with printed():
        many = dataclasses.replace(made, table=pd.concat(copies, ignore_index=True))
        (plot,) = gantt(dataclasses.replace(data, iterations=many))
    labels = [text.get_text() for text in plot.figure.axes[0].get_yticklabels()]
    assert labels == ["h_0 (prompt)"] * 8 + ["a_0 (token)"] * 8
    assert "16 of 40 machines" in plot.caption


def test_designs_are_told_apart_without_colour():
    names = [
        "splitwise-ha",
        "splitwise-hh",
        "splitwise-aa",
        "splitwise-hhcap",
        "baseline-a100",
        "baseline-h100",
        "x",
        "y",
    ]
    found = styles(names)
    assert len({(style.marker, style.hollow) for style in found.values()}) == len(names)
    assert len({style.color for style in found.values()}) == len(names)
    assert len({style.hatch for style in found.values()}) == len(names)
    assert found["x"] == styles(names)["x"]


def test_designs_are_compared_at_the_highest_rate_that_one_of_them_carries(tmp_path):
    assert shown_rate(data_of(two_designs(), tmp_path), "conv") == 16
    assert shown_rate(data_of([run("a", 16.0, 2.0), run("a", 8.0, 2.0)], tmp_path), "conv") == 8


def test_the_run_in_detail_is_the_one_that_the_answer_names(tmp_path):
    made = [run("splitwise-aa", 8.0, cost=101.0), run("splitwise-ha", 8.0, cost=99.0), run("splitwise-ha", 16.0, 2.0)]
    data = data_of(made, tmp_path)
    assert detailed_run(data).outcome.key == made[1].key
    assert "Splitwise-HA carries 8 requests/s (as does Splitwise-AA)" in sentences(data.answers)[0]
    assert detailed_run(data_of([failed("a", 8.0)], tmp_path)) is None
    assert detailed_run(data_of([run("a", 8.0, 3.0)], tmp_path)).outcome.system == "a"


# -- what must be seen -------------------------------------------------------------------------------------------------


def waiting(steps, values):
    """A table of requests whose queue and memory go like this."""
    table = pq.read_table(io.BytesIO(parquet(requests())))
    curve = Series(steps, values)
    beside = Derived({f"{OVER_TIME}/{name}": curve for name in ("waiting_requests", "kv_memory_fraction")})
    file = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({b"derived": beside.to_json().encode()}), file)
    return file.getvalue()


def test_a_queue_that_dwarfs_another_is_drawn_by_logarithm_and_a_long_end_is_cut_off(tmp_path):
    short, long = ((0, 10, 20), (1.0, 3.0, 0.5)), ((0, 50, 100), (10.0, 9000.0, 0.5))
    alike = [run(name, 8.0, requests_parquet=waiting(*short)) for name in "ab"]
    with printed():
        (plain,) = over_time(data_of(alike, tmp_path))
        (odd,) = over_time(data_of([alike[0], run("c", 8.0, 3.0, requests_parquet=waiting(*long))], tmp_path))
    queue, memory = odd.figure.axes
    assert (plain.figure.axes[0].get_yscale(), queue.get_yscale(), memory.get_yscale()) == (
        "linear",
        "symlog",
        "linear",
    )
    assert queue.get_ylabel() == "requests (log scale)"
    assert (queue.get_xlim()[1], memory.get_xlim()[1]) == (30.0, 30.0)
    assert "What goes on after 30 s is cut off." in odd.caption
    assert "cut off" not in plain.caption


def test_markers_of_a_distribution_are_spread_evenly_and_no_two_designs_share_a_place(tmp_path):
    with printed():
        (plot,) = distributions(data_of([run(name, 8.0) for name in "abc"], tmp_path))
    places = [
        {round(float(line.get_ydata()[n]), 3) for n in line.get_markevery()} for line in plot.figure.axes[0].lines[:3]
    ]
    assert not places[0] & places[1] and not places[1] & places[2]
    assert all(np.diff(sorted(shares)) == pytest.approx([0.2] * 4, abs=0.02) for shares in places)


def test_a_timeline_s_legend_has_what_is_drawn(tmp_path):
    data = data_of(two_designs(), tmp_path)
    with printed():
        (plot,) = gantt(dataclasses.replace(data, iterations=iterations(data)))
    (legend,) = plot.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["prompts", "decodes"]


def test_a_system_that_holds_nothing_is_shown_by_its_largest_cluster(tmp_path):
    made = [run("a", 8.0, 3.0, label=f"{n}P+2T", cost=10.0 * n) for n in (2, 4, 3)]
    (champion,) = data_of(made, tmp_path).champions["conv"]
    assert champion.design == "a 4P+2T"
