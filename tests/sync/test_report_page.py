from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sync import make_sink
from sync.analysis.standing import Standing
from sync.report.sweep_page import ReportRow, report_files, slowdown_png
from sync.results.slo import PAPER, WITHIN
from sync.tracking.address import tracking_uri

PNG = b"\x89PNG\r\n"
SLOW = {f"{metric}/p90_slowdown": 2.0 for metric in ("ttft", "tbt", "e2e")}


def row(design, rate, told=WITHIN, **metrics):
    return ReportRow(
        f"{design} {rate} rps", Standing(design, rate, told == WITHIN, told, 100.0, "#1f77b4"), {**SLOW, **metrics}
    )


def deliver(results, sweep, *outcomes):
    sink = make_sink("mlflow", results)
    sink.open(sweep)
    for made in outcomes:
        sink.write(made)
    sink.close()
    client = MlflowClient(tracking_uri(results))
    experiment = client.get_experiment_by_name(sweep.name)
    return client, experiment, client.search_runs([experiment.experiment_id], "tags.`sweep.report` = 'true'")


def test_a_sweep_has_one_run_that_is_its_report_and_its_description_links_to_it(results, sweep, outcome):
    deliver(results, sweep, outcome(1))
    client, experiment, reports = deliver(results, sweep, outcome(2))
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
    table = Path(client.download_artifacts(report.info.run_id, "runs.csv")).read_text()
    assert table.count("\n") == 3


def test_single_runs_have_no_report(results, sweep, outcome):
    assert deliver(results, dataclasses.replace(sweep, points=0), outcome(1))[2] == []


def test_requests_that_were_not_served_are_said_in_the_description_and_on_the_report(results, sweep, outcome):
    missed = {"run/unfinished": 12.0, "run/rejected": 3.0}
    client, experiment, (report,) = deliver(results, sweep, outcome(1), outcome(2, summary=missed))
    told = "Not served: 12 unfinished and 3 rejected requests, in 1 of 2 runs."
    assert f"**{told}**" in experiment.tags["mlflow.note.content"].splitlines()[0]
    assert told in report.data.tags["mlflow.note.content"]
    assert told in Path(client.download_artifacts(report.info.run_id, "report.html")).read_text()


def test_a_report_holds_no_secret_and_no_home(results, sweep, outcome, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ann")
    leak = "/home/ann/t http://ann:s3cret-pass-phrase@host"
    given = dataclasses.replace(sweep, description=leak, command=leak, experiment_text=leak)
    client, _, (report,) = deliver(results, given, outcome(1))
    page = Path(client.download_artifacts(report.info.run_id, "report.html")).read_text()
    assert "~/t http://ann:***@host" in page
    assert "s3cret" not in page
    assert "/home/ann" not in page


def test_the_page_lists_the_best_design_first_and_escapes_what_people_wrote(sweep):
    rows = [row("slow <b>", 8.0, "too slow: TTFT p90"), row("good", 8.0), row("good", 16.0)]
    page = report_files(dataclasses.replace(sweep, description="a <script>"), rows, "good & cheap")[
        "report.html"
    ].decode()
    assert page.index("good 8.0 rps") < page.index("good 16.0 rps") < page.index("slow &lt;b&gt; 8.0 rps")
    assert "good &amp; cheap" in page
    assert "<script" not in page


def test_the_page_needs_nothing_from_elsewhere(sweep):
    page = report_files(sweep, [row("a", 8.0), row("a", 16.0)], "")["report.html"].decode()
    assert "data:image/png;base64," in page
    assert "http" not in page
    assert page.count("<tr>") == 3


def test_the_table_has_every_figure_of_every_run(sweep):
    files = report_files(sweep, [row("a", 8.0, odd=1.5), row("b", None)], "")
    first, second = csv.DictReader(io.StringIO(files["runs.csv"].decode()))
    assert (first["odd"], second["odd"], second["rate"], second["tbt/p90_slowdown"]) == ("1.5", "", "", "2.0")


@pytest.mark.parametrize("rows", [[], [row("a", None)], [ReportRow("a", Standing("a", 1.0, True, WITHIN, 1.0), {})]])
def test_without_slowdowns_by_rate_there_is_no_figure(rows, sweep):
    assert slowdown_png(rows, PAPER) == b""
    assert "<img" not in report_files(sweep, rows, "")["report.html"].decode()


def test_a_figure_of_very_many_designs_is_one_of_the_best(sweep):
    assert slowdown_png([row(f"design {n}", rate) for n in range(200) for rate in (1.0, 2.0)], PAPER).startswith(PNG)
