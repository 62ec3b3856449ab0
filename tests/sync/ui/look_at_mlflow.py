"""What a person sees in MLflow's interface after a sweep. `make browser` runs this; it needs an installed Chromium.

pytest does not collect it by itself (its name does not begin with test_): where there is no browser it would have to
be skipped in silence. The pictures are kept below results/screenshots.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sync import SweepInfo, make_sink
from sync.tracking.address import sqlite_path, sqlite_uri
from sync.tracking.page import page, report_page
from tests.sync.servers import free_port, mlflow_server
from tests.sync.ui.browser import Browser, find_browser

ROOT = Path(__file__).parents[3]
PICTURES = ROOT / "results" / "screenshots"
CLOSE = "for (const e of document.querySelectorAll('button[aria-label=Close]')) e.click()"  # the assistant's panel
SCROLL = """(() => { const e = [...document.querySelectorAll('*')].find(
    e => e.children.length == 0 && e.textContent.startsWith('%s')); if (e) e.scrollIntoView(); return !!e })()"""
ROOM = 60  # pixels that `within SLO` takes
# By head of the table its text and its left edge.
HEADS = """[...document.querySelectorAll('.ag-header-cell')].map(e => {
    const b = e.getBoundingClientRect(); return [e.innerText.trim(), b.left] }).filter(h => h[0])"""
FIRST_LINE = """[...document.querySelectorAll('p')].filter(e => e.innerText.startsWith('Most requests within'))"""
DRAWN = "document.querySelectorAll('.js-plotly-plot .scatterlayer .trace').length"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> MlflowClient:
    """The store of a small sweep: six designs, at a rate that all hold and at one that most do not."""
    results = tmp_path_factory.mktemp("results")
    command = [sys.executable, "-m", "sweep", "experiments/quickstart.yaml", "rate=8,24", "--local"]
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    subprocess.run([*command, "--results", str(results)], cwd=ROOT, env=environment, check=True, timeout=300)
    return MlflowClient(sqlite_uri(results / "mlflow.db"))


@pytest.fixture(scope="module")
def address(client: MlflowClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    with mlflow_server(tmp_path_factory.mktemp("server"), port, client.tracking_uri):
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def browser(address: str) -> Iterator[Browser]:
    program = find_browser()
    assert program is not None, "no Chromium is installed"
    PICTURES.mkdir(parents=True, exist_ok=True)
    with Browser(program, 1700, 1100) as opened:
        opened.open(address)
        opened.wait_until("document.querySelectorAll('button').length > 3")
        opened.evaluate(CLOSE)
        yield opened


def runs(client: MlflowClient, condition: str = "tags.superseded = 'false'") -> list[str]:
    return [
        run.info.run_id for run in client.search_runs(["1"], condition, order_by=["metrics.`slo/served_per_s` DESC"])
    ]


def heads_in_sight(browser: Browser) -> list[str]:
    """The heads of the table's columns whose beginning is in sight, from left to right."""
    edge = float(browser.evaluate("document.querySelector('.ag-root').getBoundingClientRect().right"))
    found = sorted(browser.evaluate(HEADS), key=lambda head: float(head[1]))
    return [str(text) for text, left in found if left + ROOM <= edge]


@pytest.fixture
def narrow(browser: Browser) -> Iterator[Callable[[int], None]]:
    """Makes the page so many pixels wide, until the test ends."""
    yield lambda width: browser.resize(width, 900)
    browser.resize(1700, 1100)


def test_the_table_lists_the_best_design_first_with_its_verdict(browser: Browser, address: str) -> None:
    browser.open(address + page("1"))
    columns = ("verdict", "rate", "slo/served_per_s", "run/unfinished", "run/rejected")
    # the page is filled in parts: description, columns and rows come one after the other
    shown = browser.wait_for(
        "24/s splitwise-ha 6P+4T conv", "within SLO", "too slow: TTFT", "12 matching runs", "Most requests", *columns
    )
    browser.evaluate(CLOSE)
    browser.picture(PICTURES / "table.png")
    rows = [line for line in shown.splitlines() if re.fullmatch(r"\d+/s \S+ \S+ conv", line.strip())]
    assert rows[0] == "24/s splitwise-ha 6P+4T conv"
    assert len(rows) == 12  # the sweep's report is none of them
    assert "Most requests within the SLO (one seed, no interval): splitwise-ha 6P+4T conv 24/s" in shown
    for column in columns:
        assert column in shown


@pytest.mark.parametrize("width", [1400, 1000])
def test_price_rate_times_and_verdict_are_in_sight_and_the_folded_description_is_not_cut(
    browser: Browser, address: str, narrow: Callable[[int], None], width: int
) -> None:
    narrow(width)
    browser.open(address + page("1"))
    browser.wait_for("24/s splitwise-ha 6P+4T conv", "within SLO")
    browser.evaluate(CLOSE)
    browser.wait_until(f"({HEADS}).length >= 6")
    browser.picture(PICTURES / f"table-{width}.png")
    wanted = ["USD/h", "rate", "TTFT", "TBT", "verdict"]
    assert [head for head in heads_in_sight(browser) if head not in ("Run Name", "Created")][:5] == wanted
    line = browser.evaluate(f"({FIRST_LINE}).map(e => [e.getBoundingClientRect().height, e.innerText])")
    assert [text for height, text in line if height < 30] == [
        "Most requests within the SLO (one seed, no interval): splitwise-ha 6P+4T conv 24/s, 5 more."
    ]


def test_what_a_file_says_is_neither_html_nor_a_link_on_the_page(
    browser: Browser, address: str, client: MlflowClient
) -> None:
    hostile = (
        "<img src=x id=bad onerror=alert(1)> [x](javascript:alert(1)) `a` | **b** https://evil.example @ann\n```\n"
    )
    results = Path(str(sqlite_path(client.tracking_uri))).parent
    sink = make_sink("mlflow", results)
    sink.open(SweepInfo("hostile", hostile, "1", f"name: hostile\n{hostile}<b id=bad>\n", 1, hostile))
    sink.close()
    found = client.get_experiment_by_name("hostile")
    assert found is not None
    browser.open(address + page(found.experiment_id))
    browser.wait_for(
        "<img src=x id=bad onerror=alert(1)> [x](javascript:alert(1)) `a` | **b** https://evil.example @ann"
    )
    browser.wait_for("name: hostile")
    browser.picture(PICTURES / "hostile.png")
    assert browser.evaluate("document.querySelectorAll('#bad, [src=x], [href*=evil], [href*=javascript]').length") == 0
    assert browser.evaluate("[...document.querySelectorAll('pre')].map(e => e.innerText).join()").count("<") == 2


def test_the_charts_show_points_by_rate_and_whole_distributions_as_lines(browser: Browser, address: str) -> None:
    browser.open(address + page("1", charts=True))
    browser.wait_for("Which design?", "rate vs. ttft/p90_slowdown")
    browser.evaluate(CLOSE)
    browser.wait_until(f"{DRAWN} >= 3")
    browser.picture(PICTURES / "charts.png")
    browser.wait_until(SCROLL % "Times by percentile")
    browser.wait_for("by_percentile/ttft_s", "by_percentile/tbt_s", "by_percentile/e2e_s", "Over simulated time")
    browser.wait_until(f"{DRAWN} >= 5 * 12")
    browser.picture(PICTURES / "curves.png")


def test_the_compare_page_has_parallel_coordinates_of_parameters_and_figures(
    browser: Browser, address: str, client: MlflowClient
) -> None:
    chosen = json.dumps(runs(client)[:6], separators=(",", ":"))
    browser.open(f'{address}#/compare-runs?runs={chosen}&experiments=["1"]')
    shown = browser.wait_for("Comparing 6 Runs", "Parallel Coordinates Plot", "Scatter Plot", "Box Plot")
    browser.wait_until("document.querySelectorAll('.parcoords .y-axis, .parcoords .axis').length >= 2")
    browser.picture(PICTURES / "compare.png")
    assert "24/s splitwise-ha" in shown


def test_a_run_says_what_it_came_to_how_to_make_it_again_and_what_it_served(
    browser: Browser, address: str, client: MlflowClient
) -> None:
    best = runs(client)[0]
    browser.open(f"{address}#/experiments/1/runs/{best}?workflowType=machine_learning")
    shown = browser.wait_for(
        "Within SLO.", "The same run again:", "rr_conv_24_2min", "Parameters", "by_percentile/ttft_s"
    )
    browser.picture(PICTURES / "run.png")
    assert "git checkout" in shown
    assert "python -m sim_core" in shown


def test_a_run_s_own_charts_are_its_curves(browser: Browser, address: str, client: MlflowClient) -> None:
    browser.open(f"{address}#/experiments/1/runs/{runs(client)[0]}/model-metrics?workflowType=machine_learning")
    browser.wait_for("by_percentile", "ttft_s", "tbt_s", "e2e_s", "over_time_s")
    browser.wait_until(f"{DRAWN} >= 3")
    browser.picture(PICTURES / "run-curves.png")


def test_the_report_opens_from_the_description(browser: Browser, address: str, client: MlflowClient) -> None:
    (report,) = runs(client, "tags.`sweep.report` = 'true'")
    link = report_page("1", report)
    assert f"[report]({link})" in client.get_experiment("1").tags["mlflow.note.content"]
    browser.open(address + link)
    browser.wait_for("report.html", "runs.csv", "slowdown.png")
    browser.wait_until("document.querySelectorAll('iframe').length")
    # It is shown apart from the page, in a frame that may not touch it: this is what the frame was given.
    told = browser.evaluate("fetch(document.querySelector('iframe').src).then(answer => answer.text())")
    browser.picture(PICTURES / "report.png")
    assert "Most requests within the SLO (one seed, no interval): splitwise-ha 6P+4T conv 24/s" in told
    assert "data:image/png;base64," in told
