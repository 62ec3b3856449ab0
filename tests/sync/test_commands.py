"""`python -m sync`: what its commands do to real folders and a real store."""

from __future__ import annotations

import argparse
import csv
import fcntl
import hashlib
import io
import json
import socket
from array import array
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from sim_core.trace import Trace
from sweep.experiment.expand import Grid
from sweep.experiment.file import read_experiment
from sync import load_sweep
from sync.__main__ import main
from sync.commands import COMMANDS
from sync.files.splitwisesim import write_outputs
from sync.results.parquet import encode_requests
from sync.tracking.address import tracking_uri
from tests.runs import measured
from tests.sync.stores import deliver, in_mlflow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def journal(results, sweep, outcome):
    """Keeps outcomes as a sweep's journal does; returns them."""

    def keep(*made):
        points = results / sweep.name / "points"
        points.mkdir(parents=True, exist_ok=True)
        for one in made:
            table = one.requests_parquet
            entry = {"format": 1, "parquet_sha256": hashlib.sha256(table).hexdigest(), "outcome": one.to_json_dict()}
            (points / f"{one.key}.json").write_text(json.dumps(entry))
            if table:
                (points / f"{one.key}.parquet").write_bytes(table)
        told = {**sweep.to_json_dict(), "keys": [one.key for one in made]}
        (points.parent / "sweep.json").write_text(json.dumps(told))
        return made

    return keep


@pytest.fixture
def run(results, capsys):
    """The exit status of a command and the lines it wrote."""

    def call(*argv):
        capsys.readouterr()
        status = main(["--results", str(results), *map(str, argv)])
        told = capsys.readouterr()
        return status, told.out + told.err

    return call


def command_names():
    subparsers = argparse.ArgumentParser().add_subparsers()
    for command in COMMANDS:
        command.add_parser(subparsers)
    return list(subparsers.choices)


@pytest.mark.parametrize("command", [[], *([name] for name in command_names())])
def test_help_teaches(command, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "usage: python -m sync" in capsys.readouterr().out


# -- verify and replay -------------------------------------------------------------------------------------------------


def test_verify_finds_what_is_the_same_the_same(results, sweep, outcome, journal, run):
    deliver(results, sweep, *journal(outcome(1), outcome(2)))
    told = "2 of 2 points are in MLflow: 0 missing, 0 doubled, 0 different, 0 half written\n"
    assert run("verify", "quick start", "--tables") == (0, told)


def test_verify_without_a_store_misses_everything_and_makes_none(tmp_path, results, outcome, journal, run):
    journal(outcome(1))
    (results / "mlflow.db").unlink()
    status, told = run("verify", "quick start")
    assert (status, told.partition(":")[0]) == (1, "0 of 1 points are in MLflow")
    assert not (results / "mlflow.db").exists()


def test_replay_delivers_what_is_missing_and_nothing_twice(results, sweep, outcome, journal, run):
    made = journal(*map(outcome, range(1, 6)))
    deliver(results, sweep, made[1], made[3])
    assert run("verify", "quick start")[0] == 1
    before = {stored.key: stored for stored in in_mlflow(results)}
    status, told = run("replay", "quick start")
    same = "5 of 5 points are in MLflow: 0 missing, 0 doubled, 0 different, 0 half written\n"
    assert (status, told) == (0, f"3 points delivered, 0 brought up to date\n{same}")
    after = {stored.key: stored for stored in in_mlflow(results)}
    assert sorted(after) == sorted(one.key for one in made)
    assert all(after[key] == stored for key, stored in before.items())
    assert run("replay", "quick start") == (0, f"0 points delivered, 0 brought up to date\n{same}")
    assert len(in_mlflow(results)) == 5


def test_replay_to_the_former_local_sink_is_refused_with_what_to_use_instead(results, outcome, journal, run):
    journal(outcome(1))
    status, told = run("replay", "quick start", "--sink", "local")
    assert (status, told.count("\n")) == (2, 1)
    assert "export SWEEP --to FOLDER --format parquet" in told


def test_replay_waits_for_nobody_who_is_writing(results, outcome, journal, run):
    journal(outcome(1))
    with (results / "quick start" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711")
        lock.flush()
        status, told = run("replay", "quick start")
    assert (status, told.count("\n")) == (1, 1)
    assert "(process 4711) is writing here" in told


def test_replay_leaves_out_a_torn_table_and_says_so(results, outcome, journal, run):
    journal(outcome(1), outcome(2))
    (results / "quick start" / "points" / f"{outcome(1).key}.parquet").write_bytes(b"torn")
    status, told = run("replay", "quick start")
    assert status == 1
    assert f"warning: {outcome(1).key[:10]} in the journal is torn" in told
    assert [stored.key for stored in in_mlflow(results)] == [outcome(2).key]


@pytest.mark.parametrize("command", ["replay", "verify"])
def test_a_server_that_does_not_answer_is_one_line_without_its_password(command, outcome, journal, run, monkeypatch):
    journal(outcome(1))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:s3cret-pass@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    status, told = run(command, "quick start")
    assert (status, told) == (1, "error: http://ann:***@127.0.0.1:9 does not answer (ConnectionError)\n")


@pytest.mark.parametrize("command", ["replay", "verify"])
def test_a_database_that_is_none_is_one_line(command, results, outcome, journal, run):
    journal(outcome(1))
    (results / "mlflow.db").write_text("not what SQLite writes")
    status, told = run(command, "quick start")
    assert (status, told) == (1, f"error: {tracking_uri(results)} cannot be used: file is not a database\n")


def client_and_runs(results):
    client = MlflowClient(tracking_uri(results))
    experiment = client.get_experiment_by_name("quick start").experiment_id
    runs = client.search_runs([experiment], "tags.superseded != ''")  # not the sweep's report
    return client, experiment, {run.data.tags["config.hash"]: run for run in runs}


def test_verify_names_each_point_that_is_not_alike_and_why(results, sweep, outcome, journal, run):
    made = journal(*map(outcome, range(1, 6)))
    deliver(results, sweep, *made[:4])
    client, experiment, runs = client_and_runs(results)
    client.log_metric(runs[made[0].key].info.run_id, "ttft/p99_s", 9.0)  # by hand
    client.set_terminated(runs[made[1].key].info.run_id, "RUNNING")
    client.create_run(experiment, tags={"config.hash": made[2].key})
    deliver(results, sweep, outcome(9))
    status, told = run("verify", "quick start")
    assert status == 1
    first, *lines = told.splitlines()
    assert first.startswith("3 of 5 points are in MLflow: 2 missing, 0 doubled, 1 different, 2 half written; 1 runs")
    assert f"  {made[0].key[:10]} {made[0].name}: other figures: ttft/p99_s" in lines
    assert f"  {made[4].key[:10]} {made[4].name}: missing" in lines


def test_verify_counts_doubles(results, sweep, outcome, journal, run):
    (made,) = journal(outcome(1))
    deliver(results, sweep, made)
    client, experiment, runs = client_and_runs(results)
    twin = client.create_run(experiment, tags=dict(runs[made.key].data.tags))
    client.set_terminated(twin.info.run_id)
    assert "1 doubled" in run("verify", "quick start")[1]
    assert run("replay", "quick start")[0] == 1, "removes nothing unasked"
    assert run("replay", "quick start", "--prune")[0] == 0
    assert run("verify", "quick start")[0] == 0


def test_verify_of_tables_notices_one_that_was_changed(results, sweep, outcome, journal, run):
    (made,) = journal(outcome(1))
    deliver(results, sweep, made)
    (table,) = (results / "mlartifacts").rglob("requests.parquet")
    table.write_bytes(b"PAR1")
    assert run("verify", "quick start")[0] == 0
    assert "another table of requests" in run("verify", "quick start", "--tables")[1]


# -- prune -------------------------------------------------------------------------------------------------------------


def test_what_is_superseded_or_broken_off_is_listed_and_removed_only_when_told(results, sweep, outcome, journal, run):
    old = outcome(7, rate=9.0, trace="t", started_at="2026-01-01T00:00:00+00:00")
    journal(old)
    new = outcome(8, rate=9.0, trace="t", started_at="2026-01-02T00:00:00+00:00")
    made = journal(new, outcome(1))
    deliver(results, sweep, old, *made)
    client, experiment, _ = client_and_runs(results)
    client.create_run(experiment, tags={"config.hash": "e" * 64})
    points = results / "quick start" / "points"
    (points / "half.json.tmp").write_text("{")
    assert run("verify", "quick start", "--prune")[0] == 1, "a run is half written"
    told = run("verify", "quick start", "--prune")[1]
    assert "3 files (0.0 MB) and 2 runs in MLflow could go: `replay --prune` removes them" in told
    assert f"  {points / 'half.json.tmp'}\n" in told
    assert len(list(points.iterdir())) == 7
    assert "2 files (0.0 MB) and 2 runs in MLflow removed" in run("replay", "quick start", "--prune")[1]
    assert {path.stem for path in points.iterdir()} == {new.key, outcome(1).key}
    assert sorted(stored.key for stored in in_mlflow(results)) == sorted([new.key, outcome(1).key])
    status, told = run("verify", "quick start", "--prune")
    assert (status, "0 files (0.0 MB) and 0 runs" in told) == (0, True)


def test_a_run_that_was_changed_in_mlflow_is_delivered_anew_only_when_told(results, sweep, outcome, journal, run):
    (made,) = journal(outcome(1))
    deliver(results, sweep, made)
    client, _, runs = client_and_runs(results)
    client.log_metric(runs[made.key].info.run_id, "ttft/p99_s", 9.0)
    assert run("replay", "quick start")[0] == 1
    assert runs[made.key].info.run_id in run("verify", "quick start", "--prune")[1]
    status, told = run("replay", "quick start", "--prune")
    assert (status, "0 points delivered, 1 brought up to date" in told) == (0, True)
    (stored,) = in_mlflow(results)
    assert stored.metrics["ttft/p99_s"] == 1.5


def test_copies_of_files_that_a_server_has_are_removed_when_told(results, sweep, outcome, run, monkeypatch):
    deliver(results, sweep, outcome(1))
    elsewhere = property(lambda _: False, lambda *_: None)  # as for a store that is not in the results
    monkeypatch.setattr("sync.tracking.store.MlflowStore._is_in_results", elsewhere, raising=False)
    monkeypatch.setattr("sync.tracking.store.MlflowStore._keeps_here", lambda *_: False)
    stored = load_sweep("quick start", results)
    assert len(stored.requests(outcome(1).key)) == 4
    (copy,) = (results / ".mlflow-cache").rglob("*.parquet")
    assert str(copy) in run("verify", "quick start", "--prune")[1]
    assert "2 files" in run("replay", "quick start", "--prune")[1]
    assert not list((results / ".mlflow-cache").iterdir())
    assert len(stored.requests(outcome(1).key)) == 4


def test_of_a_column_of_many_values_the_nearest_is_named(results, outcome, journal, run):
    journal(*(outcome(number, rate=float(number)) for number in range(1, 13)))
    assert run("show", "quick start", "--where", "rate=7.6") == (
        2, "error: where='rate=7.6': no run meets these conditions; did you mean rate=8?\n"
    )  # fmt: skip


def test_a_sweep_where_a_run_belongs_and_a_run_where_a_sweep_belongs_are_told(results, outcome, journal, run):
    journal(outcome(1), outcome(2))
    status, told = run("compare", "quick start", "1")
    assert status == 2 and "RUN='quick start': is a sweep; name one of its runs: quick start:RUN" in told
    status, told = run("show", "quick start:a b")
    assert status == 2 and "here the run stands behind the sweep: quick start 'a b'" in told


def test_replay_of_an_unknown_sweep_names_the_nearest(results, outcome, journal, run):
    journal(outcome(1))
    status, told = run("replay", "quik start", "--prune")
    assert (status, "did you mean 'quick start'" in told) == (2, True)


@pytest.mark.parametrize("arguments", [[], ["quick start"], ["quick start", "--yes"]])
def test_the_former_command_prune_says_what_to_type_now(run, arguments):
    status, told = run("prune", *arguments)
    assert (status, told.count("\n")) == (2, 1)
    assert "`verify SWEEP --prune` for the list, `replay SWEEP --prune` to remove" in told


# -- export ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def simulated(results, outcome, journal):
    """A run that the simulator made, and its result."""
    grid = Grid(read_experiment(ROOT / "experiments" / "quickstart.yaml"), [], ROOT)
    spec = next(p.spec for p in grid.points(None, lambda *_: None) if p.system == "splitwise-ha")
    columns = [array("q", range(60)), array("q", [0] * 60), array("d", [n * 0.01 for n in range(60)])]
    sizes = [array("q", [500 + n for n in range(59)] + [10**7]), array("q", [1 + n for n in range(60)])]
    trace = Trace("t", *columns, *sizes, array("q", [1] * 60))
    result = measured(spec, trace)
    journal(outcome(1, summary=dict(result.summary), requests_parquet=encode_requests(result, spec, trace)))
    return result


def test_splitwisesim_s_files_of_a_sweep_are_those_of_a_single_run(simulated, results, run, tmp_path):
    target = tmp_path / "mine"
    assert run("export", "quick start", "--to", target, "--format", "splitwisesim")[0] == 0
    write_outputs(simulated, tmp_path / "single")
    (folder,) = (path for path in target.iterdir() if path.is_dir())
    assert folder.name == "splitwise-ha-3P+2T-conv-1-rps-00000000"
    wanted = {p.relative_to(tmp_path / "single"): p.read_bytes() for p in (tmp_path / "single").rglob("*.csv")}
    assert {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*.csv")} == wanted
    assert len(wanted) == 5


def test_a_table_of_older_code_has_no_splitwisesim_files_and_leaves_no_half_export(
    outcome, journal, run, tmp_path, results
):
    journal(outcome(1))
    target = tmp_path / "mine"
    status, told = run("export", "quick start", "--to", target, "--format", "splitwisesim")
    assert (status, target.exists()) == (2, False)
    assert "which instances there were" in told
    assert [path for path in tmp_path.iterdir() if path != results] == []


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_export_has_a_row_a_run_and_the_requests_of_each(form, outcome, journal, run, tmp_path):
    failed = outcome(3, status="failed", error="no memory", summary={}, requests_parquet=b"")
    journal(outcome(1), outcome(2), failed)
    target = tmp_path / "a" / "mine"
    assert run("export", "quick start", "--to", target, "--format", form) == (
        0,
        f"3 runs (1 of them left no requests) in {target}\n",
    )
    read = pd.read_csv if form == "csv" else pd.read_parquet
    assert len(read(target / f"runs.{form}")) == 3
    assert [len(read(path)) for path in (target / "requests").iterdir()] == [4, 4]


def test_an_export_of_some_runs_is_of_those(outcome, journal, run, tmp_path):
    journal(outcome(1), outcome(2), outcome(3, system="baseline"))
    run("export", "quick start", "--to", tmp_path / "mine", "--where", "system=splitwise-ha", "rate=2,3")
    assert pd.read_csv(tmp_path / "mine" / "runs.csv")["index"].tolist() == [2]


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("sytem=a", "did you mean 'system'? (`python -m sync show 'quick start' --columns` lists them)"),
        ("system", "is not COLUMN=VALUE"),
        ("rate=99", "where='rate=99': no run meets these conditions: rate is none of these; did you mean '1'?"),
        ("system=splitwise-hb", "did you mean 'splitwise-ha'?"),
    ],
)
def test_a_condition_that_cannot_be_met_is_one_line_and_status_2(where, reason, outcome, journal, run, tmp_path):
    journal(outcome(1))
    status, told = run("export", "quick start", "--to", tmp_path / "mine", "--where", where)
    assert (status, told.count("\n")) == (2, 1)
    assert reason in told


def test_a_condition_on_a_column_that_has_one_is_refused_and_not_forgotten(outcome, journal, run):
    journal(outcome(1), outcome(2))
    status, told = run("show", "quick start", "--where", "rate=1", "--where", "rate=2")
    assert (status, told.count("\n"), "write rate=VALUE,VALUE" in told) == (2, 1, True)
    status, told = run("show", "quick start", "--where", "rate=1,2", "--where", "system=splitwise-ha", "seed=7")
    assert (status, outcome(2).name in told) == (0, True)


FORMULAS = ("=cmd|' /C calc'!A0", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1")


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_spreadsheet_takes_no_text_of_an_export_for_a_formula(formula, outcome, journal, run, tmp_path):
    table = pa.table({"request_id": [0, 1, 2, 3], "ttft_s": [-0.5, 1.0, 2.0, 3.0], formula: [1.0, -2.0, 3.0, 4.0]})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    odd = {"name": formula, "system": formula, "axes": {"x": formula, formula: -4}, "error": formula}
    journal(outcome(1, **odd, requests_parquet=sink.getvalue()), outcome(2, axes={"x": "-7", formula: 5}))
    assert run("export", "quick start", "--to", tmp_path / "mine")[0] == 0
    files = [tmp_path / "mine" / "runs.csv", *(tmp_path / "mine" / "requests").iterdir()]
    assert len(files) == 3
    for file in files:
        for row in csv.reader(file.open(newline="")):
            assert [cell for cell in row if cell[:1] in "=+@\t\r\n＝" and cell] == []
            assert all(cell.replace(".", "").isdigit() for cell in (cell[1:] for cell in row if cell[:1] == "-"))
    runs = pd.read_csv(files[0])
    assert runs["name"][0] == f"'{formula}".replace("\t", "\\t").replace("\r", "\\r")
    assert (runs["cost"][0], runs["axis/x"][1]) == (100.5, "-7"), "numbers stay numbers"


def test_show_prints_csv_without_formulas_and_control_signs(outcome, journal, run):
    journal(outcome(1, name="=1+1", system="\x1b[31m"))
    status, told = run("show", "quick start", "--format", "csv")
    assert (status, told.splitlines()[1].startswith("'=1+1,\\x1b[31m,")) == (0, True)


def test_show_has_the_hits_of_prefix_caches_where_a_run_has_any(outcome, journal, run):
    journal(outcome(1))
    assert "hits" not in run("show", "quick start")[1]
    figures = {"cache/hit_rate": 0.25, "cache/bound_rate": 0.4375, "cache/hit_tokens": 4.0}
    journal(outcome(1), outcome(2, summary=outcome(2).summary | figures))
    told = run("show", "quick start")[1]
    assert "hits at most" in told.replace("\n", " ")
    assert "0.25" in told
    assert "0.438" in told


@pytest.mark.parametrize(
    "command", [["list"], ["show", "quick start"], ["answers", "quick start"], ["compare", "0", "1"]]
)
def test_names_from_a_journal_are_neither_markup_nor_commands_of_a_screen(command, outcome, journal, run):
    odd = "[/nope] \x1b]0;title\x07 [red]x\u202e"
    system = {"system": odd, "design": odd, "workload": odd}
    journal(outcome(1, name=odd, index=0, **system), outcome(2, index=1, status="failed", error=odd, **system))
    status, told = run(*command)
    assert status == 0
    assert told.replace("\n", "").isprintable()
    assert command == ["list"] or "[/nope]" in told


def test_runs_are_chosen_by_any_of_their_names(outcome, journal, run, tmp_path):
    journal(outcome(1), outcome(2), outcome(3))
    chosen = [outcome(1).name, "3/s splitwise-ha 3P+2T conv"]
    _, told = run("show", "quick start", *chosen)
    assert [outcome(number).name in told for number in (1, 2, 3)] == [True, False, True]
    assert run("export", "quick start", *chosen, "--to", tmp_path / "mine")[0] == 0
    assert pd.read_csv(tmp_path / "mine" / "runs.csv")["index"].tolist() == [1, 3]
    status, told = run("show", "quick start", "splitwise-ha 3P+2T conv 4 rps")
    assert (status, "did you mean 'splitwise-ha 3P+2T conv" in told, told.count("\n")) == (2, True, 1)


def test_replay_of_some_runs_delivers_those_alone(results, sweep, outcome, journal, run):
    journal(outcome(1), outcome(2), outcome(3))
    status, told = run("replay", "quick start", "2", "3/s splitwise-ha 3P+2T conv")
    assert (status, "2 points delivered" in told) == (0, True)
    assert "2 of 2 points are in MLflow" in run("verify", "quick start", "2", "3")[1]
    assert run("verify", "quick start", "1")[0] == 1
    status, told = run("replay", "quick start", "2", "--prune")
    assert (status, "is for whole sweeps" in told) == (2, True)


@pytest.mark.parametrize("form", ["csv", "splitwisesim"])
@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing"])
def test_a_torn_table_is_one_line_that_names_it_and_leaves_no_export(form, content, outcome, journal, run, tmp_path):
    journal(outcome(1))
    (path,) = tmp_path.rglob(f"{outcome(1).key}.parquet")
    path.write_bytes(content)
    status, told = run("export", "quick start", "--to", tmp_path / "mine", "--format", form)
    assert (status, told.count("\n"), (tmp_path / "mine").exists()) == (2, 1, False)
    assert f"{path}, is torn" in told


def test_a_full_disk_is_said_and_leaves_no_export(outcome, journal, run, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    journal(outcome(1))
    monkeypatch.setattr("shutil.copyfile", full)
    status, told = run("export", "quick start", "--to", tmp_path / "mine", "--format", "parquet")
    reason = f"--to='{tmp_path / 'mine'}': cannot be written: No space left on device"
    assert (status, told, (tmp_path / "mine").exists()) == (1, f"error: {reason}\n", False)


def test_an_export_overwrites_nothing(outcome, journal, run, results):
    journal(outcome(1))
    status, told = run("export", "quick start", "--to", results)
    assert (status, "is there already" in told) == (2, True)


@pytest.mark.parametrize("name", ["../../etc", "a/b\\c", "...", "x" * 300, "\n"])
def test_a_run_s_name_cannot_leave_the_folder_of_an_export(name, outcome, journal, run, tmp_path):
    journal(outcome(1, name=name))
    assert run("export", "quick start", "--to", tmp_path / "mine")[0] == 0
    (path,) = (tmp_path / "mine" / "requests").iterdir()
    assert path.name.endswith("-00000000.csv")


def test_a_folder_that_may_not_be_read_is_not_an_empty_one(outcome, journal, run, results, monkeypatch):
    journal(outcome(1))
    refuse(monkeypatch, results / "quick start" / "points")
    for command in (["list"], ["show", "quick start"]):
        status, told = run(*command)
        assert (status, told) == (1, f"error: {results}/quick start/points: Permission denied\n")
    refuse(monkeypatch, results)
    assert run("list") == (1, f"error: {results}: Permission denied\n")


def refuse(monkeypatch, folder):
    """No listing of `folder`, also for root, whom permissions do not stop."""
    real = Path.iterdir

    def iterdir(path):
        if path == folder:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)


def test_a_list_of_nothing_says_so(run, results):
    assert run("list") == (0, f"no sweeps in {results}\n")


def test_a_port_that_cannot_be_served_on_is_one_line(run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run("ui", "--port", port) == (
            2,
            f"error: --port={port}: cannot be used (Address already in use); name another\n",
        )
    assert run("ui", "--port", 70000) == (2, "error: --port=70000: must be from 1 to 65535\n")
