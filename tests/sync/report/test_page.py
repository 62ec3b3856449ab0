from __future__ import annotations

import base64
import dataclasses
import re
from html.parser import HTMLParser

import pytest

from sync import SweepInfo
from sync.analysis.answers import counts, normalised, sentences
from sync.analysis.answers.tables import highest, least, ranked, then
from sync.report import page as report_page
from sync.report.data import ReportData
from sync.report.ends import ends_table
from sync.report.files import write_files
from sync.report.page import report_files
from sync.results.slo import Slo
from tests.sync.energy_rows import ROWS
from tests.sync.report.made import data_of, failed, figures, iterations, run, stopped

EVIL = '<script>alert("1")</script>'


def made(folder, *more):
    outcomes = [
        *(run("baseline-a100", rate, share, cost=101.0) for rate, share in ((8.0, 0.5), (16.0, 1.2))),
        *(run(f"splitwise-{EVIL}", rate, share, cost=99.0) for rate, share in ((8.0, 0.4), (16.0, 0.8))),
        *more,
    ]
    data = data_of(outcomes, folder)
    data.sweep.name, data.iterations = f"a & {EVIL}", iterations(data)
    return data


@pytest.fixture
def info():
    text = f"name: x  # {EVIL}\n"
    return SweepInfo("x", f"About {EVIL}", "1", text, 4, "python -m sweep x.yaml")


class Elements(HTMLParser):
    """What a browser would find: tags, what they refer to, and the text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.references, self.texts = set(), [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.references += [value for name, value in attrs if name in ("src", "href", "data", "srcset", "action")]
        assert not [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture
def without_figures(monkeypatch):
    """The page without figures, which take long to draw."""
    monkeypatch.setattr(report_page, "FIGURES", {})


def page_of(data, info):
    (page,) = report_files(data, info, ["html"]).values()
    return page.decode()


def test_the_page_needs_nothing_else_and_runs_nothing_whatever_things_are_called(tmp_path, info):
    page = page_of(made(tmp_path), info)
    found = Elements(page)
    assert not found.tags & {"script", "link", "iframe", "object", "embed", "form", "base"}
    assert found.references
    assert all(reference.startswith("data:image/svg+xml;base64,") for reference in found.references)
    assert "default-src 'none'" in page
    assert "http" not in re.sub(r"http-equiv", "", re.sub(r"base64,[^\"]*", "", page))
    for reference in found.references:
        svg = base64.b64decode(reference.partition(",")[2]).decode()
        assert not re.findall(r"<script|\son\w+=|<foreignObject|<!DOCTYPE", svg)
        assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", svg)
        assert not [link for link in re.findall(r'href="([^"]*)"', svg) if not link.startswith(("#", "data:"))]
    assert EVIL not in page
    assert sum(EVIL in text for text in found.texts) > 5  # a name is shown as it is


def test_the_page_is_the_same_bytes_each_time(tmp_path, info):
    data = made(tmp_path)
    page = page_of(data, info)
    assert page == page_of(ReportData(data.sweep, iterations=data.iterations), info)
    assert re.search(r"20\d\d-\d\d-\d\d|\d\d:\d\d:\d\d", page.partition("<figure>")[0]) is None


def test_the_first_page_says_what_the_answers_say_and_so_do_its_tables(tmp_path, info, without_figures):
    data = made(tmp_path)
    text = " ".join(Elements(page_of(data, info)).texts)
    (answer,) = sentences(data.answers)
    assert answer in text
    assert "2.00 times Baseline-A100 (8)" in answer
    workload = data.answers.workloads[0]
    table = highest(workload)
    rows = {row[0]: dict(zip(table.heads, row, strict=True)) for row in table.rows}
    assert all(cell in text for row in table.rows for cell in row)
    best = rows[f"splitwise-{EVIL} 4P+2T"]  # the title says the workload
    assert (best["requests/s"], best["rate ×"]) == ("≥ 16", "2.00×")
    ranking = ranked(workload)
    first = dict(zip(ranking.heads, ranking.rows[0], strict=True))
    assert (first["design"], first["$/h"]) == (f"splitwise-{EVIL} 4P+2T", "99.0")
    assert first["of limit"] == f"{data.champions['conv'][1].tightest:.1%}"
    assert dict(then(workload).rows)[first["design"]] == "no higher rate was run"
    for row in normalised(workload):
        assert f"{row.rate:.2f}×" in table.rows[0 if row.rate == 2 else 1]


def test_a_system_that_holds_nothing_has_its_line_and_its_reason(tmp_path):
    data = made(tmp_path, run("slow", 8.0, 2.0))
    (line,) = [row for row in highest(data.answers.workloads[0]).rows if row[0].startswith("slow")]
    assert (line[0], line[1]) == ("slow (of 1)", "none")
    reasons = dict(then(data.answers.workloads[0]).rows)
    assert reasons["slow 4P+2T"].startswith("8/s: too slow: TTFT p50")


def test_of_several_clusters_that_hold_nothing_the_largest_is_the_reason(tmp_path):
    more = [run("slow", 8.0, 2.0, label=f"{n}P+2T", cost=10.0 * n) for n in (3, 9, 5)]
    (line,) = [row for row in highest(made(tmp_path, *more).answers.workloads[0]).rows if row[0].startswith("slow")]
    assert (line[0], line[1]) == ("slow (of 3)", "none")
    (reason,) = [row for row in then(made(tmp_path, *more).answers.workloads[0]).rows if row[0].startswith("slow")]
    assert (reason[0], reason[1].partition(": ")[0]) == ("slow 9P+2T", "8/s")


def test_the_cheapest_are_listed_where_there_is_a_choice(tmp_path):
    assert least(made(tmp_path).answers.workloads[0]) is None
    more = [run("baseline-a100", 8.0, label="9xA100", cost=90.0, power=70.0)]
    rows = least(made(tmp_path, *more).answers.workloads[0]).rows
    assert [(row[0], row[1]) for row in rows if row[0].startswith("baseline")] == [
        ("baseline-a100 9xA100", "90.0"),
        ("baseline-a100 4P+2T", "101"),
    ]


def test_points_that_failed_or_were_stopped_are_counted_and_requests_not_served(tmp_path):
    data = made(tmp_path, failed("x", 8.0), stopped("x", 16.0))
    line = "6 points: 4 completed, 1 stopped as unstable, 1 failed. Requests not served, over all runs: 9 unfinished."
    assert counts(data.answers) == line


def test_a_sweep_without_runs_is_a_page_that_says_so(tmp_path):
    page = page_of(data_of([], tmp_path), None)
    assert "0 points: none finished." in page
    assert "Left out" in page and "<figure>" not in page


def test_secrets_do_not_reach_the_page(tmp_path, info, monkeypatch, without_figures):
    monkeypatch.setenv("MY_TOKEN", "hunter2hunter2")
    started = dataclasses.replace(info, command="python -m sweep --key hunter2hunter2 http://ann:pass@host/")
    page = page_of(made(tmp_path), started)
    assert "hunter2" not in page and "ann:pass" not in page


def test_figures_are_files_of_their_own_under_names_that_stay_in_the_folder(tmp_path, info):
    (tmp_path / "tables").mkdir()
    data = data_of([run("../../a/b", rate) for rate in (8.0, 16.0)], tmp_path / "tables")
    files = report_files(data, info, ["html", "svg"])
    assert "report.html" in files and "slowdown-conv.svg" in files
    write_files(files, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(files)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "tables"}


def test_the_limit_that_a_design_reaches_first_is_in_the_table_whatever_the_slo_limits(tmp_path, without_figures):
    slo = Slo(seconds={"e2e": {"p95": 20.0}, "ttft": {"p99": 1.0}})
    loads = {8.0: (10.0, 0.8), 16.0: (15.0, 0.9), 24.0: (30.0, 4.0)}  # seconds of E2E p95 and of TTFT p99
    outcomes = [
        run("a", rate, summary=figures(0.5, **{"e2e/p95_s": e2e, "ttft/p99_s": ttft}))
        for rate, (e2e, ttft) in loads.items()
    ]
    data = data_of(outcomes, tmp_path, slo=slo)
    table = ends_table(data, "conv")
    # From 16 to 24 requests/s TTFT p99 reaches 1 s after 0.1 / 3.1 of the way, E2E p95 reaches 20 s after 5 / 15.
    assert table.rows == (("a 4P+2T", "16", "TTFT p99 (limit 1 s)", "0.9 s (90.0%)", "4 s (400%) at 24/s"),)
    page = page_of(data, None)
    text = " ".join(" ".join(Elements(page).texts).split())
    assert "TTFT p99: 0.9 s of 1 s (90.0%)" in text  # of the run at 16
    assert "E2E p95 20 s" in text


def test_the_table_of_runs_has_units_in_its_heads_and_whole_names_and_keys(tmp_path, without_figures):
    data = made(tmp_path)
    page = page_of(data, None)
    table = page.partition("All runs")[2]
    heads = re.findall(r"<th(?: [^>]*)?>([^<]*)", table)
    assert [head.strip() for head in heads] == [
        *("run", "verdict", "tightest limit"),
        *("TTFT p99 (s)", "TBT p99 (s)", "E2E p99 (s)", "cost ($/h)", "not served (requests)"),
    ]
    assert all(run.outcome.key in table for run in data.runs)
    texts = Elements(table).texts
    assert all(run.name in texts for run in data.runs)
    assert '<td class="left bad">too slow: TTFT p50' in table  # colour, and words


def test_the_page_has_the_energy_of_a_run_and_how_much_of_it_is_estimated(tmp_path, without_figures):
    summary = figures(0.5, **{"run/end_s": 10.0})
    page = page_of(data_of([run("a", 8.0, summary=summary, gpus=ROWS)], tmp_path), None)
    texts = " ".join(" ".join(Elements(page).texts).split())
    assert "GPU energy (J/request) 2.20, 45% by estimated power" in texts
    assert "GPUs' mean power (kW) 0.0088" in texts


def test_the_page_says_what_the_answer_stands_on(tmp_path, without_figures):
    text = " ".join(" ".join(Elements(page_of(made(tmp_path), None)).texts).split())
    for part in ("Model:", "dgx-h100", "conv", "SLO: TTFT p50 2x"):
        assert part in text.partition("the limit that decides")[0], part
