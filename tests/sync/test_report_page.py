from __future__ import annotations

import csv
import dataclasses
import io
import re

import pytest
from mlflow import MlflowClient

from sync.analysis.standing import Standing
from sync.report.data import RunRow, mean_figure
from sync.report.page import report_files, sweep_files
from sync.report.slowdown import design_lines
from sync.report.style import styles
from sync.results.slo import PAPER, WITHIN
from sync.tracking.address import tracking_uri
from tests.sync.stores import artifact, deliver

PNG = b"\x89PNG\r\n"
SLOW = {f"{metric}/p90_slowdown": 2.0 for metric in ("ttft", "tbt", "e2e")}


def row(design, rate, verdict=WITHIN, color="#1f77b4", seed=0, **figures):
    standing = Standing(design, rate, verdict == WITHIN, verdict, 100.0, color, seed)
    return RunRow(f"{design} {rate} rps", standing, {**SLOW, **figures})


def delivered(results, sweep, *outcomes):
    deliver(results, sweep, *outcomes)
    client = MlflowClient(tracking_uri(results))
    experiment = client.get_experiment_by_name(sweep.name)
    return client, experiment, client.search_runs([experiment.experiment_id], "tags.`sweep.report` = 'true'")


def test_a_sweep_has_one_run_that_is_its_report_and_its_description_links_to_it(results, sweep, outcome):
    delivered(results, sweep, outcome(1))
    client, experiment, reports = delivered(results, sweep, outcome(2))
    (report,) = reports
    assert report.info.status == "FINISHED"
    assert "superseded" not in report.data.tags  # so that the view of the designs, and its charts, leave it out
    link = f"[report](#/experiments/{experiment.experiment_id}/runs/{report.info.run_id}/artifacts/report.html?"
    assert link in experiment.tags["mlflow.note.content"]
    assert {item.path for item in client.list_artifacts(report.info.run_id)} == {
        "report.html",
        "runs.csv",
        "slowdown.png",
    }
    table = artifact(client, report.info.run_id, "runs.csv").decode()
    assert table.count("\n") == 3


def test_single_runs_have_no_report(results, sweep, outcome):
    assert delivered(results, dataclasses.replace(sweep, points=0), outcome(1))[2] == []


def test_requests_that_were_not_served_are_said_in_the_description_and_on_the_report(results, sweep, outcome):
    missed = {"run/unfinished": 12.0, "run/rejected": 3.0}
    client, experiment, (report,) = delivered(results, sweep, outcome(1), outcome(2, summary=missed))
    line = "Not served: 12 unfinished and 3 rejected requests, in 1 of 2 runs."
    assert f"**{line}**" in experiment.tags["mlflow.note.content"].splitlines()[2]
    assert line in report.data.tags["mlflow.note.content"]
    assert line in artifact(client, report.info.run_id, "report.html").decode()


def test_a_report_holds_no_secret_and_no_home(results, sweep, outcome, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    leak = "/home/ann/t http://ann:s3cret-pass-phrase@host"
    leaky = dataclasses.replace(sweep, description=leak, command=leak, experiment_text=leak)
    client, _, (report,) = delivered(results, leaky, outcome(1))
    page = artifact(client, report.info.run_id, "report.html").decode()
    assert "~/t http://ann:***@host" in page
    assert "s3cret" not in page
    assert "/home/ann" not in page


def test_the_page_lists_the_best_design_first_and_escapes_what_people_wrote(sweep):
    rows = [row("slow <b>", 8.0, "too slow: TTFT p90"), row("good", 8.0), row("good", 16.0)]
    files = sweep_files(dataclasses.replace(sweep, description="a <script>"), rows, "good & cheap")
    page = files["report.html"].decode()
    table = page.partition("All runs")[2]
    assert table.index("good 8.0 rps") < table.index("good 16.0 rps") < table.index("slow &lt;b&gt; 8.0 rps")
    assert "good &amp; cheap" in page
    assert "<script" not in page and "slow <b>" not in page


def test_the_page_needs_nothing_from_elsewhere(sweep):
    page = sweep_files(sweep, [row("a", 8.0), row("a", 16.0)], "")["report.html"].decode()
    assert "data:image/png;base64," in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("<tr>") == 3


def test_the_page_is_that_of_the_report_with_fewer_sections(sweep, tmp_path):
    from tests.sync.report.made import data_of, run

    def frame(page):
        head, body = page.decode().split("<body>")
        return head.partition("<style>")[2], re.findall(r"<th[^>]*>[^<]*", body.partition("All runs")[2])

    whole = report_files(data_of([run("a", 8.0), run("a", 16.0)], tmp_path), sweep, ["html"])["report.html"]
    assert frame(sweep_files(sweep, [row("a", 8.0)], "")["report.html"]) == frame(whole)


def test_the_table_has_every_figure_of_every_run(sweep):
    files = sweep_files(sweep, [row("a", 8.0, odd=1.5), row("b", None)], "")
    first, second = csv.DictReader(io.StringIO(files["runs.csv"].decode()))
    assert (first["odd"], second["odd"], second["rate"], second["tbt/p90_slowdown"]) == ("1.5", "", "", "2.0")


@pytest.mark.parametrize("rows", [[], [row("a", None)], [RunRow("a", Standing("a", 1.0, True, WITHIN, 1.0), {})]])
def test_without_slowdowns_by_rate_there_is_no_figure(rows, sweep):
    files = sweep_files(sweep, rows, "")
    assert set(files) == {"report.html", "runs.csv"}
    assert "<img" not in files["report.html"].decode()


def test_requests_that_were_not_served_stand_out(sweep):
    page = sweep_files(sweep, [row("a", 8.0, **{"run/unfinished": 7.0, "run/rejected": 0.0})], "")[
        "report.html"
    ].decode()
    assert '<td class="bad">7' in page
    assert page.count('<td class="bad">') == 1


def test_the_figure_has_the_first_designs_in_the_colours_of_mlflow(sweep):
    rows = [row(f"design {n}", rate, color=f"#00000{n % 10}") for n in range(200) for rate in (2.0, 1.0)]
    lines = design_lines(rows, PAPER)
    assert [line.label for line in lines] == [f"design {n}" for n in range(8)]
    assert [line.style.color for line in lines] == [f"#00000{n}" for n in range(8)]
    assert list(lines[0].runs) == [1.0, 2.0]
    assert sweep_files(sweep, rows, "")["slowdown.png"].startswith(PNG)


def test_a_line_is_the_mean_over_seeds_and_knows_their_spread():
    name = "ttft/p90_slowdown"
    rows = [row("a", 8.0, seed=seed, **{name: slow}) for seed, slow in enumerate((1.0, 3.0))]
    (line,) = design_lines(rows, PAPER)
    assert mean_figure(line.runs[8.0], name) == 2.0
    assert [run.figure(name) for run in line.runs[8.0]] == [1.0, 3.0]


def test_the_page_has_the_terms_of_the_answer_and_the_keys_of_its_runs(sweep):
    started = dataclasses.replace(sweep, starts=("python -m sweep x.yaml --limit 1", sweep.command))
    rows = [dataclasses.replace(row("a", 8.0), key="0123abcd" * 8)]
    page = sweep_files(started, rows, "good", ["Model: bloom-176b."])["report.html"].decode()
    assert page.index("Model: bloom-176b.") < page.index("All runs") < page.index("0123abcd" * 8)
    assert page.index("x.yaml --limit 1") < page.index(f"\n{sweep.command}")


def test_the_runs_of_a_system_have_its_colour_of_the_report(results, sweep, outcome):
    made = [
        outcome(n, system=system, design=f"{system} {n}") for n, system in enumerate(("baseline-h100", "mine", "mine"))
    ]
    client, experiment, _ = delivered(
        results, dataclasses.replace(sweep, systems={"mine": [], "baseline-h100": []}), *made
    )
    runs = client.search_runs([experiment.experiment_id], "tags.superseded = 'false'")
    colors = {run.data.tags["design"]: run.data.tags["mlflow.runColor"] for run in runs}
    look = styles(["mine", "baseline-h100"])
    assert (colors["baseline-h100 0"], colors["mine 1"]) == (look["baseline-h100"].color, look["mine"].color)
    assert len(set(colors.values())) == 3
