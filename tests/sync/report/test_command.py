from __future__ import annotations

import dataclasses
import json

import pytest
from mlflow import MlflowClient

from sync import make_sink
from sync.__main__ import main
from sync.results.journal import Journal
from sync.tracking.address import tracking_uri
from tests.sync import stores
from tests.sync.report.made import failed, run
from tests.sync.stores import artifact


@pytest.fixture
def call(results, capsys):
    """The exit status of a command, and what it wrote to each of its streams."""

    def run_command(*argv):
        capsys.readouterr()
        status = main(["--results", str(results), *map(str, argv)])
        told = capsys.readouterr()
        return status, told.out, told.err

    return run_command


@pytest.fixture
def kept(results, sweep):
    """Keeps outcomes as files below the results; returns them."""

    def keep(*outcomes, name="quick start"):
        stores.keep(results, dataclasses.replace(sweep, name=name), *outcomes)
        return outcomes

    return keep


def pair():
    return run("splitwise-ha", 8.0, 0.5), run("baseline-h100", 8.0, 2.0)


def test_the_report_is_a_page_and_figures_and_its_page_in_mlflow_has_it(call, kept, results, sweep):
    made = kept(*pair())
    sink = make_sink("mlflow", results)
    sink.open(sweep)
    for outcome in made:
        sink.write(outcome)
    sink.close()
    status, out, _ = call("report", "quick start", "--detail", "none", "--format", "html", "svg")
    folder = results / "quick start" / "report"
    assert status == 0
    assert {path.name for path in folder.iterdir()} == {
        *("report.html", "normalised-conv.svg", "latency-conv.svg", "over-time-conv.svg")
    }
    client = MlflowClient(tracking_uri(results))
    experiment = client.get_experiment_by_name("quick start").experiment_id
    (page,) = client.search_runs([experiment], "tags.`sweep.report` = 'true'")
    stored = artifact(client, page.info.run_id, "full-report.html")
    assert stored == (folder / "report.html").read_bytes()
    assert "also in MLflow" in out and page.info.run_id in out


def test_the_full_report_and_the_way_to_it_stay_when_the_sweep_delivers_again(call, results, sweep, kept):
    def deliver(*outcomes):
        sink = make_sink("mlflow", results)
        sink.open(sweep)
        for outcome in kept(*outcomes):
            sink.write(outcome)
        sink.close()

    def stored():
        client = MlflowClient(tracking_uri(results))
        experiment = client.get_experiment_by_name("quick start")
        (page,) = client.search_runs([experiment.experiment_id], "tags.`sweep.report` = 'true'")
        files = ("report.html", "full-report.html")
        texts = [artifact(client, page.info.run_id, name).decode() for name in files]
        return texts, experiment.tags["mlflow.note.content"], page.data.tags["mlflow.note.content"], page.info.status

    deliver(*pair())
    for _ in range(2):  # a second report takes the first one's place
        assert call("report", "quick start", "--detail", "none")[0] == 0
    (short, full), described, note, _ = stored()
    assert described.splitlines()[2].count("full-report.html") == 1
    assert "of 2 runs" in described.splitlines()[2]
    assert note.endswith("See `report.html`, and `full-report.html` (of 2 runs) for all figures.")
    deliver(run("splitwise-aa", 8.0, 2.0))
    (newer, same), again, note_again, status = stored()
    assert same == full != short
    assert "splitwise-aa" in newer and "splitwise-aa" not in short
    assert again.splitlines()[2].count("full-report.html") == 1
    assert (note_again.partition(" See ")[2], status) == (note.partition(" See ")[2], "FINISHED")
    assert call("report", "quick start", "--detail", "none")[0] == 0
    (_, newest), again, note, _ = stored()
    assert "splitwise-aa" in newest and "of 3 runs" in again.splitlines()[2] and "(of 3 runs)" in note


TIGHT = "seconds: {ttft: {p99: 0.1}}\n"


def names(folder):
    return {path.name for path in folder.iterdir()}


def test_a_report_by_other_limits_is_another_file_and_leaves_the_own_one(call, kept, results, tmp_path):
    kept(*pair(), run("splitwise-ha", 16.0, 0.7))
    (tmp_path / "tighter.yaml").write_text(TIGHT)
    folder = results / "quick start" / "report"
    assert call("report", "quick start", "--detail", "none", "--format", "html", "svg")[0] == 0
    own = {path.name: path.read_bytes() for path in folder.iterdir()}
    options = ("--detail", "none", "--format", "html", "svg", "--slo", tmp_path / "tighter.yaml")
    status, out, _ = call("report", "quick start", *options)
    assert (status, "MLflow" in out) == (0, True)
    others = names(folder) - own.keys()
    assert "report-tighter.html" in others and "report-tighter-slowdown-conv.svg" in others
    assert all(name.startswith("report-tighter") for name in others)
    assert own == {name: (folder / name).read_bytes() for name in own}
    page = (folder / "report-tighter.html").read_text()
    assert "<h1>quick start, judged by tighter</h1>" in page
    assert "TTFT p99 0.1 s" in page and "TTFT p50 2x" not in page


def test_pictures_of_designs_that_are_gone_go_and_other_files_stay(call, kept, results, tmp_path):
    kept(*pair(), run("splitwise-ha", 16.0, 0.7))
    (tmp_path / "tighter.yaml").write_text(TIGHT)
    folder = results / "quick start" / "report"
    for options in (["--slo", tmp_path / "tighter.yaml"], []):
        assert call("report", "quick start", "--detail", "none", "--format", "png", "pdf", "svg", *options)[0] == 0
    assert {"tightest-conv.png", "tightest-conv.pdf", "tightest-conv.svg"} <= names(folder)
    others = {name for name in names(folder) if name.startswith("report-tighter")}
    former = ("provisioning-gone-conv.png", "batches.pdf", "timeline.svg")  # of a version that left no mark
    for name in (*former, "mine.png", "slowdown-of-mine.txt"):
        (folder / name).write_bytes(b"here before")
    status, out, _ = call("report", "quick start", "--detail", "none", "--format", "html")
    assert names(folder) == {"report.html", "mine.png", "slowdown-of-mine.txt", *others}
    assert (status, "were removed: " in out) == (0, True)


def test_in_a_folder_of_the_user_s_only_pictures_of_the_same_report_go(call, kept, tmp_path):
    kept(*pair(), run("splitwise-ha", 16.0, 0.7))
    kept(*pair(), run("splitwise-ha", 16.0, 0.7), name="mine")
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "slowdown-by-hand.png").write_bytes(b"drawn by hand")
    assert call("report", "mine", "--detail", "none", "--format", "png", "--out", folder)[0] == 0
    drawn = names(folder)
    assert call("report", "quick start", "--detail", "none", "--out", folder)[0] == 0
    assert names(folder) == {*drawn, "report.html"}
    assert call("report", "mine", "--detail", "none", "--out", folder)[0] == 0
    assert names(folder) == {"report.html", "slowdown-by-hand.png"}


@pytest.mark.parametrize("link", ["", "report"])
def test_nothing_is_written_through_a_link_in_the_results(link, call, kept, results, tmp_path):
    kept(*pair())
    elsewhere = tmp_path / "elsewhere"
    sweep = results / "quick start"
    if link:
        elsewhere.mkdir()
        (sweep / link).symlink_to(elsewhere)
    else:
        sweep.rename(elsewhere)
        sweep.symlink_to(elsewhere)
    before = sorted(path for path in elsewhere.rglob("*"))
    status, out, err = call("report", "quick start", "--detail", "none")
    assert (status, err.count("\n"), out, "is a symbolic link" in err) == (1, 1, "", True), err
    assert sorted(path for path in elsewhere.rglob("*")) == before


def test_the_page_names_the_commands_of_all_starts(call, kept, results, sweep):
    kept(*pair())
    commands = ["python -m sweep x.yaml --limit 1", "python -m sweep x.yaml rate=8", "python -m sweep x.yaml --limit 1"]
    with Journal(results / "quick start") as journal:
        keys = sorted(journal.keys())
        for command in commands:
            started = dataclasses.replace(sweep, name="quick start", command=command)
            journal.write_sweep(started, keys, {}, lambda one, other: one == other)
    assert journal.info().starts == (sweep.command, commands[1], commands[0])  # each once, by its latest start
    assert call("report", "quick start", "--detail", "none")[0] == 0
    page = (results / "quick start" / "report" / "report.html").read_text()
    made = page.partition("How it was made")[2]
    assert made.index(commands[1]) < made.index(commands[0])


def test_settings_that_are_not_ours_are_one_line_of_a_report_that_is_made(call, kept, results):
    kept(run("splitwise-ha", 8.0, 0.5, overrides=("cluster=../../elsewhere/evil",)))
    status, _, err = call("report", "quick start")
    page = (results / "quick start" / "report" / "report.html").read_text()
    assert (status, err) == (0, "")
    reason = "it could not be run again (cluster=&#39;../../elsewhere/evil&#39;: no such choice"
    assert page.count(reason) == 2  # for the batches and for the timeline
    assert "Queue and memory over time" in page


def test_a_report_of_a_sweep_that_is_not_in_mlflow_is_a_file_all_the_same(call, kept, results, tmp_path):
    kept(*pair())
    status, out, _ = call("report", "quick start", "--detail", "none", "--out", tmp_path / "mine")
    assert (status, "not in MLflow" in out) == (0, True)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--detail", "zzz"], "no run has this name or key"),
        (["--slo", "missing.yaml"], "missing.yaml"),
        (["--out", "FILE"], "is not a folder"),
    ],
)
def test_an_option_that_cannot_be_is_one_line_and_status_2(options, reason, call, kept, tmp_path):
    kept(*pair())
    (tmp_path / "FILE").write_text("")
    told = [str(tmp_path / "FILE") if option == "FILE" else option for option in options]
    status, _, err = call("report", "quick start", "--detail", "none", *told)
    assert (status, err.count("\n"), reason in err) == (2, 1, True)


def test_runs_are_found_by_name_and_key_with_and_without_their_sweep(call, kept):
    better, worse = kept(*pair())
    kept(run("other", 8.0), name="mine")
    spellings = [
        (better.name, worse.name),
        (f"quick start:{better.name}", worse.name),
        (f"quick start:{better.key}", worse.key),
        (worse.name, f"quick start:{better.name}"),
    ]
    told = [call("compare", *two, "--format", "json") for two in spellings]
    assert {status for status, _, _ in told} == {0}
    assert {json.loads(out)["better"]["key"] for _, out, _ in told} == {better.key}


def test_runs_of_two_sweeps_are_compared(call, kept):
    kept(*pair())
    kept(run("other", 8.0, 0.5), name="mine")
    status, out, _ = call("compare", "quick start:baseline-h100 4P+2T conv 8 rps", "mine:other 4P+2T conv 8 rps")
    assert status == 0
    text = " ".join(out.split())  # lines end where the screen does
    assert text.startswith("other 4P+2T conv 8 rps beats baseline-h100 4P+2T conv 8 rps: it is within the SLO")
    assert "A: other" in out and "preempted" in out


def test_a_failed_run_can_be_compared_with(call, kept):
    kept(run("a", 8.0), failed("b", 8.0))
    status, out, _ = call("compare", "a 4P+2T conv 8 rps", "b 4P+2T conv 8 rps")
    assert (status, "it ran to its end" in out) == (0, True)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("splitwise-ha 4P+2T conv 8 rps", "splitwise-ha 4P+2T conv 8 rps", "is the same run as the first"),
        ("splitwise-h", "x", "did you mean 'splitwise-ha 4P+2T conv 8 rps'?"),
        ("quick start:", "x", "no run has this name or key"),
        ("quikc start:a", "x", "did you mean 'quick start'?"),
        ("0000", "x", "runs have it"),
    ],
)
def test_runs_that_cannot_be_told_are_one_line_and_status_2(first, second, reason, call, kept):
    kept(*pair())
    status, _, err = call("compare", first, second)
    assert (status, err.count("\n"), reason in err) == (2, 1, True), err


def test_without_results_there_is_nothing_to_compare(call):
    status, _, err = call("compare", "a", "b")
    assert (status, err.count("\n"), "no results in" in err) == (2, 1, True)
