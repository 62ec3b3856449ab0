"""`python -m sim_core`: SplitwiseSim's examples give its values, and bad input ends in one line."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from configs.compose import CONFIG_DIR
from tests.forked import run_module

ROOT = CONFIG_DIR.parent
HEADER = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"
BASELINE = ["applications.0.scheduler=token_jsq", "cluster=half_half", "cluster.servers.0.count=0",
            "cluster.servers.1.count=1", "start_state=baseline", "performance_model=db",
            "trace.filename=test_trace", "debug=True", "seed=0"]  # fmt: skip
SPLITWISE_HA = ["applications.0.scheduler=mixed_pool", "cluster=half_half", "cluster.servers.0.count=1",
                "cluster.servers.1.count=1", "start_state=splitwise", "start_state.split_type=heterogeneous",
                "performance_model=db", "trace.filename=test_trace", "debug=True", "seed=0"]  # fmt: skip


def run(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    """A run in the project's folder, with its results in `folder`."""
    return run_module("sim_core", *overrides, f"hydra.run.dir={folder}", cwd=ROOT)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def column(rows: list[dict[str, str]], name: str) -> list[float]:
    return [round(float(row[name]), 6) for row in rows]


def test_the_baseline_example_gives_the_published_values(tmp_path: Path) -> None:
    done = run(tmp_path, *BASELINE)
    assert done.returncode == 0, done.stderr
    requests = table(tmp_path / "detailed" / "0.csv")
    assert column(requests, "response_times") == [1.744743, 0.499255, 0.781873]
    assert column(requests, "ttft_times") == [0.649598, 0.251964, 0.251964]
    assert "3 completed, 0 rejected, 0 unfinished" in done.stdout
    assert str(tmp_path) in done.stdout


def test_the_splitwise_example_gives_the_published_values(tmp_path: Path) -> None:
    done = run(tmp_path, *SPLITWISE_HA)
    assert done.returncode == 0, done.stderr
    requests = table(tmp_path / "detailed" / "0.csv")
    assert column(requests, "response_times") == [2.199226, 0.622873, 1.003019]
    assert column(requests, "nth_token_overheads") == [0.076563, 0.038281, 0.038281]
    nodes = table(tmp_path / "request_nodes.csv")
    assert [node["node_type"] for node in nodes[:3]] == ["PROMPT", "TOKEN", "KVCacheTransfer"]
    assert [node["runner"] for node in nodes[:3]] == ["h100-80gb_1", "a100-80gb_0", "DummyLink"]


def test_all_of_splitwisesims_files_are_there_with_its_columns_first(tmp_path: Path) -> None:
    assert run(tmp_path, *SPLITWISE_HA).returncode == 0
    summary = (tmp_path / "summary.csv").read_text().splitlines()[0].split(",")
    assert summary[:3] == ["application_id", "request_ids_mean", "request_ids_std"]
    assert summary[12:16] == ["response_times_mean", "response_times_std", "response_times_min", "response_times_max"]
    detailed = (tmp_path / "detailed" / "0.csv").read_text().splitlines()[0]
    assert detailed.startswith("request_ids,response_times,queue_times,ttft_times,tbt_times,nth_token_overheads,"
                               "prompt_sizes,token_sizes,tpot_times")  # fmt: skip
    alloc = table(tmp_path / "detailed" / "0_alloc.csv")
    assert list(alloc[0])[:2] == ["instance_names", "utilizations"]
    assert [row["instance_names"] for row in alloc] == ["a100-80gb", "h100-80gb"]
    log = table(tmp_path / "instances" / "0" / "1.csv")
    assert list(log[0]) == [
        "name", "tag", "iteration_start", "iteration_end", "batch_size", "prompt_tasks_in_batch", "memory",
        "pending_requests", "pending_tasks", "blocked_tasks", "pending_prompts", "earliest_request_id",
        "memory_allocs_size", "num_contiguous_iterations", "batch_tokens", "pending_tokens",
        "iteration_tokens",
    ]  # fmt: skip
    assert [(row["name"], row["tag"], row["batch_tokens"]) for row in log] == [
        ("h100-80gb_1", "prompt", "4096"), ("h100-80gb_1", "prompt", "2048"), ("h100-80gb_1", "prompt", "2048")
    ]  # fmt: skip


def test_results_are_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    overrides = [*SPLITWISE_HA, "trace.filename=rr_conv_6_20s"]
    files = ["summary.csv", "detailed/0.csv", "detailed/0_alloc.csv", "request_nodes.csv", "instances/0/0.csv"]
    contents = []
    for seed in ("0", "1", "4711"):
        command = [sys.executable, "-m", "sim_core", *overrides, f"hydra.run.dir={tmp_path / seed}"]
        environment = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        contents.append([(tmp_path / seed / name).read_bytes() for name in files])
    assert contents[0] == contents[1] == contents[2]
    assert len(contents[0][1].splitlines()) > 50


def test_the_default_configuration_runs(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert column(table(tmp_path / "detailed" / "0.csv"), "ttft_times") == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", ["2024_05_10", "1e3", "null"])
def test_a_trace_and_a_folder_are_called_what_is_written(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.csv").write_text(HEADER + "0,2,0,1,1,10,5\n")
    named = [f"trace.dir={tmp_path}", f"trace.filename={name}", f"output_dir={name}"]
    done = run_module("sim_core", *named, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"trace {name}" in done.stdout
    assert (tmp_path / name / "summary.csv").exists()


@pytest.mark.parametrize("module", [["sim_core"], ["sweep", "experiments/quickstart.yaml", "--dry-run"]])
def test_a_reader_that_has_seen_enough_is_no_error(module: list[str], tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    override = [f"hydra.run.dir={tmp_path}"] if module == ["sim_core"] else []
    command = [sys.executable, "-m", *module, *override]
    done = subprocess.run(command, cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


BAD = {
    "unknown key": (["cluster.servers.0.counts=3"],
                    ["cluster.servers.0.counts", "did you mean 'cluster.servers.0.count'"]),
    "unknown scheduler": (["applications.0.scheduler=token_jsqq"],
                          ["'token_jsqq'", "did you mean 'token_jsq'", "mixed_pool"]),
    "unknown group choice": (["start_state=baselin"], ["'baselin'", "did you mean 'baseline'"]),
    "a list for a group": (["applications=[{application_id: 0}]"], ["a group takes the name of one of its files"]),
    "bad grammar": (["cluster=[half"], ["cluster"]),
    "a further application": (["+applications.1={application_id: 1}"],
                              ["+ adds no entry to a list", "applications=duo"]),
    "an application less": (["~applications.0"], ["~ takes no entry from a list (applications has: 0)"]),
    "a number of any length": (["seed=" + "9" * 5000], ["cannot read the override 'seed=999", "4300 digits"]),
    "brackets without end": (["seed=" + "[" * 500 + "]" * 500], ["cannot read the override 'seed=[[["]),
    "a debug that is neither": (["debug=off"], ["debug='off': must be true or false"]),
    "times of 0": (["performance_model.prompt_time=0"], ["performance_model.prompt_time=0: must be more than 0"]),
    "no override at all": (["--config-name", "config", "seed"], ["cannot read the override 'seed'"]),
    "options that exclude one another": (["--multirun", "--cfg", "job"], ["Only one of", "--multirun, --cfg"]),
    "negative count": (["cluster.servers.0.count=-1"], ["cluster.servers.0.count=-1", "at least 0"]),
    "count of a half": (["cluster.servers.0.count=0.5"], ["cluster.servers.0.count=0.5", "whole number"]),
    "no machine at all": (["cluster.servers.0.count=0"], ["cluster.servers", "no machine"]),
    "no machine for a role": (["cluster=half_half", "cluster.servers.1.count=0", "start_state=splitwise",
                               "start_state.split_type=heterogeneous", "applications.0.scheduler=mixed_pool"],
                              ["prompt", "mixed_pool"]),
    "more roles than machines": (["cluster=half_half", "start_state=splitwise", "start_state.prompt.num_instances=9",
                                  "applications.0.scheduler=mixed_pool"], ["start_state.prompt.num_instances=9"]),
    "unknown split": (["start_state=splitwise", "start_state.split_type=hetero"], ["'hetero'", "'heterogeneous'"]),
    "model too large": (["start_state=splitwise", "start_state.prompt.tensor_parallelism=1",
                         "applications.0.scheduler=mixed_pool"], ["bloom-176b does not fit"]),
    "not measured": (["performance_model=db", "applications.0.model_architecture=opt-66b",
                      "applications.0.model_size=opt-66b-fp16"],
                     ["no measurements of opt-66b (one of: bloom-176b, llama2-70b)"]),
    "not measured there": (["performance_model=db", "start_state.instance.tensor_parallelism=7"],
                           ["bloom-176b on a100-80gb with tensor parallelism 7", "parallelism 8'?"]),
    "no such table": (["performance_model=db", "performance_model.db_path=data/no.csv"], ["data/no.csv"]),
    "not a number": (["performance_model.prompt_time=nan"], ["performance_model.prompt_time"]),
    "missing trace": (["trace.filename=rr_konv_70"], ["rr_konv_70", "conv"]),
    "trace out of its folder": (["trace.filename=../../etc/passwd"], ["../../etc/passwd"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_status_2(name: str, tmp_path: Path) -> None:
    overrides, words = BAD[name]
    done = run(tmp_path, *overrides)
    assert done.returncode == 2, done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr


BAD_TRACES = {
    "empty file": ("", ["trace.csv"]),
    "header alone": (HEADER, ["trace.csv"]),
    "missing column": ("request_id,arrival_timestamp,prompt_size\n0,1,10\n", ["token_size"]),
    "NaN": (HEADER + "0,2,0,1,1,10,5\n1,2,0,nan,1,10,5\n", ["row 2", "arrival_timestamp"]),
    "negative time": (HEADER + "0,2,0,-1,1,10,5\n", ["row 1", "arrival_timestamp", "-1"]),
    "zero tokens": (HEADER + "0,2,0,1,1,10,0\n", ["row 1", "token_size"]),
    "duplicate id": (HEADER + "0,2,0,1,1,10,5\n0,2,0,2,1,10,5\n", ["row 2", "request_id"]),
    "unknown application": (HEADER + "0,2,7,1,1,10,5\n", ["application 7"]),
}


@pytest.mark.parametrize("name", BAD_TRACES)
def test_a_bad_trace_is_one_line_and_status_2(name: str, tmp_path: Path) -> None:
    content, words = BAD_TRACES[name]
    (tmp_path / "trace.csv").write_text(content)
    done = run(tmp_path / "out", f"trace.dir={tmp_path}", "trace.filename=trace")
    assert done.returncode == 2, done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_an_unsorted_trace_is_sorted_with_a_warning(tmp_path: Path) -> None:
    (tmp_path / "trace.csv").write_text(HEADER + "0,2,0,5,1,10,5\n1,2,0,1,1,10,5\n")
    done = run(tmp_path / "out", f"trace.dir={tmp_path}", "trace.filename=trace")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("warning: ") and "sorted" in done.stderr
    assert column(table(tmp_path / "out" / "detailed" / "0.csv"), "request_ids") == [1.0, 0.0]


def test_a_refused_run_leaves_no_folder_but_takes_none_with_results_away(tmp_path: Path) -> None:
    def start(*overrides: str) -> int:
        return run_module("sim_core", "output_dir=results/${seed}", *overrides, cwd=tmp_path).returncode

    assert start("seed=-1") == 2
    assert not list(tmp_path.iterdir())
    assert start("seed=1") == 0
    results = set(tmp_path.rglob("*.csv"))
    assert results
    assert start("seed=1", "cluster.servers.0.count=-1") == 2
    assert set(tmp_path.rglob("*.csv")) == results


@pytest.mark.parametrize(("model", "says_so"), [("constant", True), ("db", False)])
def test_a_run_with_constant_times_says_so_first(tmp_path: Path, model: str, says_so: bool) -> None:
    done = run(tmp_path, *BASELINE[:4], "start_state=baseline", "trace.filename=test_trace",
               f"performance_model={model}")  # fmt: skip
    first = done.stdout.splitlines()[0]
    assert ("constants for testing and no hardware's" in first and "performance_model=db" in first) == says_so
    assert done.stderr == ""
