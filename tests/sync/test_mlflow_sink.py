from __future__ import annotations

import dataclasses
import io
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from sync import make_sink
from sync.results.curves import Derived, Series
from sync.results.slo import Slo
from sync.tracking.address import tracking_uri
from sync.tracking.store import MlflowStore, initialise_sqlite
from sync.tracking.tables import RunTables
from tests.summaries import summary
from tests.sync.stores import deliver, experiment_tags, in_mlflow, keep

ROOT = Path(__file__).parents[2]


@pytest.fixture
def open_umask():
    """New files are readable by everybody, unless who makes them sees to it."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def sink(results, sweep):
    made = make_sink("mlflow", results)
    made.open(sweep)
    yield made
    made.close()


def test_a_run_has_what_was_chosen_as_parameters_the_telling_ones_first(sink, results, outcome):
    sink.write(outcome(9))
    (run,) = in_mlflow(results)
    assert run.params == {
        "system": "splitwise-ha",
        "machines": "3 dgx-a100 + 2 dgx-h100",
        "scheduler": "mixed_pool",
        "rate": "9",
        "workload": "conv",
        "seed": "7",
        "trace": "rr_conv_9",
        "design": "splitwise-ha 3P+2T",
        "machines.dgx-a100": "3",
        "machines.dgx-h100": "2",
        "applications.0.scheduler": "mixed_pool",
        "cluster.servers.0.count": "3",
        "extra": "1",
    }


def test_a_run_has_its_summary_its_cost_and_its_power_as_metrics_in_sections(sink, results, outcome):
    sink.write(outcome(1))
    (run,) = in_mlflow(results)
    assert run.metrics == {
        **summary(),
        "ttft/p99_s": 1.5,
        "slo/within": 1.0,
        "slo/served_per_s": 1.0,
        "load/requests_per_s": 1.0,
        "run/completed": 4.0,
        "cost/dollars_per_hour": 100.5,
        "power/weight": 60.0,
        "run/cpu_s": 0.5,
        "run/wall_s": 2.0,
    }


def test_figures_that_nobody_compares_are_no_metrics_but_go_with_the_run(sink, results, outcome):
    rest = {"ttft/p95_s": 1.0, "e2e/max_s": 2.0, "run/events": 9.0, "application_1/tbt/max_s": 3.0}
    sink.write(outcome(1, summary={"ttft/p90_s": 0.5, **rest}))
    (run,) = in_mlflow(results)
    assert not rest.keys() & run.metrics.keys()
    assert json.loads(run.files["outcome.json"])["outcome"]["summary"] == {"ttft/p90_s": 0.5, **rest}
    assert pd.read_parquet(io.BytesIO(run.files["summary.parquet"]))["figure"].tolist() == ["ttft/p90_s", *rest]


def test_a_run_says_how_to_make_it_again(sink, results, outcome):
    sink.write(outcome(1))
    (run,) = in_mlflow(results)
    command = "python -m sim_core applications.0.scheduler=mixed_pool cluster.servers.0.count=3 +extra=1"
    assert run.tags["reproduce"] == command
    assert run.files["reproduce.sh"].decode() == f"# git checkout abc1234\n{command}\n"
    assert "git checkout abc1234\npython -m sim_core \\\n" in run.tags["mlflow.note.content"]


def test_a_run_has_its_trace_as_a_data_set_with_its_digest(sink, results, outcome):
    derived = Derived(trace={"digest": "d" * 64, "requests": 4})
    table = pa.table({"request_id": [1]}).replace_schema_metadata({"derived": derived.to_json()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    sink.write(outcome(1, requests_parquet=buffer.getvalue()))
    client = MlflowClient(tracking_uri(results))
    (run,) = client.search_runs([client.get_experiment_by_name("quick start").experiment_id])
    (given,) = run.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("rr_conv_1", "d" * 36)
    assert json.loads(given.dataset.profile) == {"requests": 4}
    assert json.loads(given.dataset.source) == {"trace": "rr_conv_1", "seed": 7, "identity": "recipe"}


def test_a_run_has_its_curves_as_stepped_metrics(sink, results, outcome):
    derived = Derived(series={"by_percentile/ttft_s": Series((50, 99), (1.0, 2.0))})
    table = pa.table({"request_id": [1]}).replace_schema_metadata({"derived": derived.to_json()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    sink.write(outcome(1, requests_parquet=buffer.getvalue()))
    client = MlflowClient(tracking_uri(results))
    (run,) = client.search_runs([client.get_experiment_by_name("quick start").experiment_id])
    history = client.get_metric_history(run.info.run_id, "by_percentile/ttft_s")
    assert [(point.step, point.value) for point in history] == [(50, 1.0), (99, 2.0)]


def test_a_figure_that_is_not_finite_is_left_out(sink, results, outcome):
    sink.write(outcome(1, summary={"ttft/p99_s": float("nan"), "e2e/p99_s": float("inf"), "tbt/p99_s": 0.1}))
    (run,) = in_mlflow(results)
    assert [name for name in run.metrics if name.endswith("p99_s")] == ["tbt/p99_s"]


def test_a_run_is_flat_and_tagged_with_sweep_key_commit_and_version(sink, results, outcome):
    sink.write(outcome(1))
    (run,) = in_mlflow(results)
    wanted = {
        "sweep.id": "5eed",
        "config.hash": outcome(1).key,
        "system": "splitwise-ha",
        "design": "splitwise-ha 3P+2T",
        "workload": "conv",
        "rate": "1",
        "seed": "7",
        "point.name": "splitwise-ha 3P+2T conv 1 rps",
        "verdict": "within SLO",
        "version": "0.1.0",
        "mlflow.source.git.commit": "abc1234",
        "mlflow.source.name": "python -m sweep experiments/quickstart.yaml",
        "mlflow.source.type": "LOCAL",
    }
    assert wanted.items() <= run.tags.items()
    assert run.tags["mlflow.user"]
    assert "mlflow.parentRunId" not in run.tags


def test_the_requests_are_a_parquet_file_and_the_configuration_is_yaml(sink, results, outcome):
    sink.write(outcome(1))
    (run,) = in_mlflow(results)
    assert set(run.files) == {"outcome.json", "requests.parquet", "summary.parquet", "config.yaml", "reproduce.sh"}
    assert pd.read_parquet(io.BytesIO(run.files["requests.parquet"]))["ttft_s"].tolist() == [0.5] * 4
    assert run.files["config.yaml"] == b"seed: 7\n"


def test_a_run_lasts_as_long_as_its_simulation(sink, results, outcome):
    sink.write(outcome(1))
    client = MlflowClient(tracking_uri(results))
    (run,) = client.search_runs([client.get_experiment_by_name("quick start").experiment_id])
    assert (run.info.start_time, run.info.end_time) == (1767323045000, 1767323047000)


def test_a_failed_point_is_a_failed_run_with_its_reason_as_tag_and_its_traceback_as_file(sink, results, outcome):
    sink.write(
        outcome(1, status="failed", error="no memory\nTraceback", summary={}, requests_parquet=b"", config_yaml="")
    )
    (run,) = in_mlflow(results)
    assert (run.status, run.tags["error"]) == ("failed", "no memory")
    assert run.tags["mlflow.note.content"].startswith("**Failed.**\n\nno memory\n\n")
    assert run.files["error.txt"] == b"no memory\nTraceback"
    assert set(run.files) == {"outcome.json", "error.txt", "reproduce.sh"}


def test_the_experiment_is_named_and_described_as_the_sweep_is_and_keeps_artifacts_below_the_results(sink, results):
    experiment = MlflowClient(tracking_uri(results)).get_experiment_by_name("quick start")
    assert "\n\nA small sweep.\n\n```yaml\nname: quick start\n```" in experiment.tags["mlflow.note.content"]
    assert experiment.artifact_location == (results / "mlartifacts" / "quick start").as_uri()


def test_the_page_names_the_saved_view_that_the_experiment_has(results, sweep):
    page = deliver(results, sweep)
    assert page.endswith("/runs?viewStateShareKey=designs&workflowType=machine_learning")
    view = json.loads(experiment_tags(results)["mlflow.sharedViewState.designs"])
    assert view["name"] == "Designs"
    assert json.loads(view["state"])["searchFilter"] == 'tags.superseded = "false"'


def test_a_run_names_its_model_its_iteration_times_and_its_horizon_and_the_description_too(results, sweep, outcome):
    deliver(results, sweep, outcome(1, model="bloom-176b", performance_model="db", horizon_s=120.0))
    (run,) = in_mlflow(results)
    wanted = {"model": "bloom-176b", "performance_model": "db", "horizon_s": "120"}
    assert wanted.items() <= run.params.items()
    assert {**wanted, "USD/h": "100.50", "TTFT": "1.50x p90"}.items() <= run.tags.items()
    told = experiment_tags(results)["mlflow.note.content"]
    assert "- Model: bloom-176b; iteration times: measured on machines" in told
    assert "- Machine dgx-a100: price and watts not recorded.\n- Machine dgx-h100:" in told
    assert "requests arrive over 2 min" in told


def test_the_description_counts_the_points_that_the_experiment_has_now(results, sweep, outcome):
    deliver(results, sweep, outcome(1), outcome(2), outcome(3))
    keep(results, sweep, outcome(1))  # the experiment as it is now asks for one of these
    deliver(results, sweep, outcome(1), outcome(4))
    assert experiment_tags(results)["mlflow.note.content"].startswith("**Partial: 1 of 3 points are done;")


def test_there_is_no_page_before_the_store_was_reached(results):
    assert make_sink("mlflow", results).page() is None


def test_the_description_tells_the_best_design_of_all_runs_there_are_also_of_earlier_starts(results, sweep, outcome):
    slow = summary("ttft_p90")
    deliver(results, sweep, outcome(1), outcome(2))
    deliver(results, sweep, outcome(3), outcome(4, summary=slow))
    told = experiment_tags(results)["mlflow.note.content"]
    assert told.startswith("**Most requests within the SLO (one seed, no interval):** splitwise-ha 3P+2T conv 3/s.")
    assert "4/s too slow: TTFT p90" in told


def test_a_changed_slo_judges_again_what_is_there_and_measures_nothing_anew(results, sweep, outcome):
    deliver(results, sweep, outcome(1))
    strict = dataclasses.replace(sweep, slo=Slo(seconds={"ttft": {"p99": 1.0}}))
    deliver(results, strict, outcome(1))
    (run,) = in_mlflow(results)
    assert run.tags["verdict"] == "too slow: TTFT p99"
    assert json.loads(run.tags["slo"]) == {"seconds": {"ttft": {"p99": 1.0}}}
    assert (run.metrics["slo/within"], run.metrics["slo/served_per_s"], run.metrics["ttft/p99_s"]) == (0.0, 0.0, 1.5)
    told = experiment_tags(results)["mlflow.note.content"]
    assert told.startswith("**Partial: 1 of 3 points are done;")
    assert "**No design is known to be within the SLO.**" in told
    deliver(results, sweep, outcome(1))
    (again,) = in_mlflow(results)
    assert (again.tags["verdict"], again.metrics["slo/within"]) == ("within SLO", 1.0)


def test_the_description_stays_while_a_sweep_is_under_way(results, sweep, outcome):
    deliver(results, sweep, outcome(1))
    make_sink("mlflow", results).open(sweep)
    assert "conv 1/s" in experiment_tags(results)["mlflow.note.content"]


def superseded(results):
    return {run.key: run.tags["superseded"] for run in in_mlflow(results)}


def again(made, **changes):
    """The same point by newer code."""
    return dataclasses.replace(made, key="e" + made.key[1:], **changes)


def test_a_point_that_was_run_again_by_newer_code_supersedes_its_elder(results, sweep, outcome):
    deliver(results, sweep, outcome(1), outcome(2))
    deliver(results, sweep, again(outcome(1)))
    assert superseded(results) == {outcome(1).key: "true", outcome(2).key: "false", again(outcome(1)).key: "false"}
    runs = {run.key: run for run in in_mlflow(results)}
    client = MlflowClient(tracking_uri(results))
    elder = client.get_run(runs[again(outcome(1)).key].tags["supersedes"])
    assert elder.data.tags["config.hash"] == outcome(1).key
    assert "1 run is superseded" in experiment_tags(results)["mlflow.note.content"]


def test_going_back_to_the_elder_code_makes_its_run_the_current_one_again(results, sweep, outcome):
    deliver(results, sweep, outcome(1))
    deliver(results, sweep, again(outcome(1)))
    deliver(results, sweep, outcome(1))
    assert superseded(results) == {outcome(1).key: "false", again(outcome(1)).key: "true"}


@pytest.mark.parametrize("change", [{"seed": 8}, {"trace": "rr_conv_1_10min"}, {"design": "splitwise-ha 4P+1T"}])
def test_another_seed_workload_or_design_is_another_point(results, sweep, outcome, change):
    deliver(results, sweep, outcome(1), again(outcome(1), **change))
    assert set(superseded(results).values()) == {"false"}


def test_a_failure_supersedes_nothing(results, sweep, outcome):
    deliver(results, sweep, outcome(1), again(outcome(1), status="failed", error="no memory", summary={}))
    assert set(superseded(results).values()) == {"false"}


def test_single_runs_with_other_settings_stand_side_by_side(results, sweep, outcome):
    single = dataclasses.replace(sweep, points=0)
    deliver(results, single, outcome(1), again(outcome(1), overrides=("model.latency=2",)))
    assert set(superseded(results).values()) == {"false"}


def test_marking_that_broke_off_is_made_up_for_by_the_next_write(results, sweep, outcome, monkeypatch):
    deliver(results, sweep, outcome(1))
    sink = make_sink("mlflow", results)
    sink.open(sweep)
    fail_once(monkeypatch, MlflowClient, "set_tag", done=False)
    with pytest.raises(ConnectionError):
        sink.write(again(outcome(1)))
    deliver(results, sweep, again(outcome(1)))
    assert superseded(results) == {outcome(1).key: "true", again(outcome(1)).key: "false"}


def test_runs_of_one_design_have_one_colour_also_in_later_sweeps_and_designs_differ(results, sweep, outcome):
    deliver(results, sweep, outcome(1), outcome(2, design="splitwise-hh 4P+1T"))
    deliver(results, sweep, outcome(3), outcome(4, design="baseline 4xH100"))
    colors = {run.key: run.tags["mlflow.runColor"] for run in in_mlflow(results)}
    assert colors[outcome(1).key] == colors[outcome(3).key]
    assert len(set(colors.values())) == 3


def test_a_run_s_name_has_its_rate_in_front_where_lists_do_not_cut_it(sink, results, outcome):
    sink.write(outcome(1))
    client = MlflowClient(tracking_uri(results))
    (run,) = client.search_runs([client.get_experiment_by_name("quick start").experiment_id])
    assert run.info.run_name == "1/s splitwise-ha 3P+2T conv"


def test_a_deleted_experiment_comes_back(results, sweep, outcome):
    make_sink("mlflow", results).open(sweep)
    client = MlflowClient(tracking_uri(results))
    client.delete_experiment(client.get_experiment_by_name("quick start").experiment_id)
    again = make_sink("mlflow", results)
    again.open(sweep)
    again.write(outcome(1))
    assert len(in_mlflow(results)) == 1


IN_TABLES = [(RunTables, "create"), (MlflowStore, "log_files"), (RunTables, "finish")]
BY_CLIENT = [(MlflowClient, name) for name in ("create_run", "log_inputs", "log_batch", "set_terminated")]
STEPS = [pytest.param(*step, id=f"{step[0].__name__}.{step[1]}") for step in IN_TABLES + BY_CLIENT]


def fail_once(monkeypatch, owner, step, *, done):
    """The next call of `step` raises: before it did anything, or after it was `done` (the answer got lost)."""
    if owner is MlflowClient:
        monkeypatch.setattr("sync.tracking.tables.SCHEMA", "another one")  # so that the client is asked
    real = getattr(owner, step)

    def failing(self, *args, **kwargs):
        monkeypatch.setattr(owner, step, real)
        if done:
            real(self, *args, **kwargs)
        raise ConnectionError("the server is gone")

    monkeypatch.setattr(owner, step, failing)


@pytest.mark.parametrize("fresh", [False, True], ids=["same sink", "next sweep"])
@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "step"), STEPS)
def test_a_write_that_broke_off_is_made_whole_by_the_next_and_never_doubled(
    results, sweep, outcome, monkeypatch, owner, step, done, fresh
):
    sink = make_sink("mlflow", results)
    fail_once(monkeypatch, owner, step, done=done)
    sink.open(sweep)
    with pytest.raises(ConnectionError):
        sink.write(outcome(1))
    if fresh:
        sink = make_sink("mlflow", results)
    sink.open(sweep)
    sink.write(outcome(1))
    (run,) = in_mlflow(results)
    assert (run.status, set(run.files)) == (
        "completed",
        {"outcome.json", "requests.parquet", "summary.parquet", "config.yaml", "reproduce.sh"},
    )
    assert run.metrics["ttft/p99_s"] == 1.5


@pytest.mark.parametrize(("owner", "step"), [step for step in STEPS if not step.values[1].startswith("create")])
def test_a_run_that_is_not_whole_is_not_finished(results, sweep, outcome, monkeypatch, owner, step):
    sink = make_sink("mlflow", results)
    fail_once(monkeypatch, owner, step, done=False)
    sink.open(sweep)
    with pytest.raises(ConnectionError):
        sink.write(outcome(1))
    assert [run.status for run in in_mlflow(results)] == ["RUNNING"]


SECRET = "s3cret-pass-phrase"


def test_neither_secrets_nor_home_paths_reach_tags_parameters_or_artifacts(results, sweep, outcome, monkeypatch, capfd):
    home = "/home/ann"
    monkeypatch.setenv("HOME", home)
    monkeypatch.setenv("OTHER_URI", f"postgresql://ann:{SECRET}@host/db")
    leak = f"{home}/traces http://ann:{SECRET}@host {SECRET}"
    sink = make_sink("mlflow", results)
    sink.open(type(sweep)(**(vars(sweep) | {"command": leak, "description": leak, "experiment_text": leak})))
    sink.write(
        outcome(1, status="failed", error=leak, overrides=(f"trace.dir={leak}",), config_yaml=leak, axes={"dir": leak})
    )
    (run,) = in_mlflow(results)
    client = MlflowClient(tracking_uri(results))
    experiment = client.get_experiment_by_name("quick start")
    seen = repr((run, experiment.tags, capfd.readouterr()))
    assert "~/traces http://ann:***@host ***" in seen
    assert SECRET not in seen
    assert home not in seen


def test_the_screen_shows_one_line_that_the_database_is_made_and_no_telemetry_is_sent(tmp_path):
    """In a process of its own, where mlflow is imported for the first time and the database made."""
    script = (
        "import sys; from pathlib import Path; from sync import SweepInfo, make_sink\n"
        "assert 'mlflow' not in sys.modules\n"
        "sink = make_sink('mlflow', Path('results'))\n"
        "sink.open(SweepInfo(name='x', description='', sweep_id='1', experiment_text='', points=1, command='c'))\n"
        "from mlflow.environment_variables import MLFLOW_DISABLE_TELEMETRY\n"
        "assert MLFLOW_DISABLE_TELEMETRY.get()\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_") and not k.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT), "MLFLOW_HTTP_REQUEST_TIMEOUT": "5"},
        capture_output=True,
        text=True,
        check=False,
    )
    said = "making the MLflow database results/mlflow.db: takes some seconds, once\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, "", said)
    assert {path.name for path in (tmp_path / "results").iterdir()} <= {
        *("mlflow.db", "mlflow.db-wal", "mlflow.db-shm", "mlflow.db.lock")
    }


def test_a_new_database_uses_write_ahead_logging(template):
    with sqlite3.connect(template) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def modes_below(folder):
    """The modes of files and of folders that are there, by kind."""
    paths = [folder, *folder.rglob("*")]
    return {(path.is_dir(), path.stat().st_mode & 0o777) for path in paths}


@pytest.mark.usefixtures("open_umask")
def test_the_database_and_the_artifacts_are_their_owner_s_alone(tmp_path, sweep, outcome, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    deliver(tmp_path / "results", sweep, outcome(1))
    assert modes_below(tmp_path / "results") == {(True, 0o700), (False, 0o600)}


@pytest.mark.usefixtures("open_umask")
def test_a_database_is_never_readable_by_others_while_it_is_made(tmp_path, monkeypatch):
    real, seen = sqlite3.connect, []

    def connect(path, *args, **kwargs):
        made = real(path, *args, **kwargs)
        seen.append(Path(path).stat().st_mode & 0o777)
        return made

    monkeypatch.setattr(sqlite3, "connect", connect)
    monkeypatch.setattr(
        "mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore",
        lambda *_: SimpleNamespace(engine=SimpleNamespace(dispose=lambda: None)),
    )
    initialise_sqlite(tmp_path / "results" / "mlflow.db", tmp_path / "artifacts")
    assert seen == [0o600]


@pytest.mark.usefixtures("open_umask")
def test_a_database_that_is_there_keeps_its_mode(results, sweep, outcome):
    (results / "mlflow.db").chmod(0o640)
    deliver(results, sweep, outcome(1))
    assert (results / "mlflow.db").stat().st_mode & 0o777 == 0o640


def test_nothing_is_said_about_a_database_that_exists(results, sweep, capfd):
    deliver(results, sweep)
    assert capfd.readouterr() == ("", "")


def test_a_database_that_exists_is_left_alone(tmp_path):
    path = tmp_path / "mlflow.db"
    path.write_bytes(b"somebody's")
    initialise_sqlite(path, tmp_path / "artifacts")
    assert path.read_bytes() == b"somebody's"


def test_a_database_whose_making_broke_off_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr("mlflow.store.tracking.sqlalchemy_store.SqlAlchemyStore", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        initialise_sqlite(tmp_path / "mlflow.db", tmp_path / "artifacts")
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db.lock"]


def tables(results, sweep, made):
    """The table of requests as the journal has it, and as the run in MLflow has it."""
    (artifact,) = (results / "mlartifacts").rglob("requests.parquet")
    return results / sweep.name / "points" / f"{made.key}.parquet", artifact


def test_the_table_of_requests_is_on_the_disk_once(results, sweep, outcome):
    keep(results, sweep, outcome(1))
    deliver(results, sweep, outcome(1))
    kept, artifact = tables(results, sweep, outcome(1))
    assert kept.samefile(artifact)
    kept.unlink()
    assert artifact.read_bytes() == outcome(1).requests_parquet


def test_only_the_owner_s_own_file_with_the_same_bytes_becomes_the_artifact(results, sweep, outcome, tmp_path):
    same = outcome(1).requests_parquet

    def other_bytes(kept: Path) -> None:
        kept.write_bytes(same[:-1] + b"?")

    def fewer_bytes(kept: Path) -> None:
        kept.write_bytes(b"")

    def readable_by_others(kept: Path) -> None:
        kept.chmod(0o644)

    def link(kept: Path) -> None:
        (tmp_path / "elsewhere").write_bytes(same)
        kept.unlink()
        kept.symlink_to(tmp_path / "elsewhere")

    keep(results, sweep, outcome(1))
    kept = results / sweep.name / "points" / f"{outcome(1).key}.parquet"
    for number, change in enumerate((other_bytes, fewer_bytes, readable_by_others, link)):
        kept.unlink()
        kept.touch(0o600)
        kept.write_bytes(same)
        change(kept)
        deliver(results, dataclasses.replace(sweep, sweep_id=f"again {number}"), outcome(1))
        (artifact,) = (results / "mlartifacts").rglob("requests.parquet")
        assert artifact.read_bytes() == same
        assert artifact.stat().st_nlink == 1
        for run in MlflowClient(tracking_uri(results)).search_runs(["1"]):
            MlflowClient(tracking_uri(results)).delete_run(run.info.run_id)
        artifact.unlink()


def test_where_files_cannot_have_two_names_the_table_is_written_again(results, sweep, outcome, monkeypatch):
    def refuse(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    keep(results, sweep, outcome(1))
    deliver(results, sweep, outcome(1))
    kept, artifact = tables(results, sweep, outcome(1))
    assert not kept.samefile(artifact)
    assert artifact.read_bytes() == kept.read_bytes()
    assert not list(artifact.parent.glob("*.tmp"))
