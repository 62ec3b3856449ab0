"""A run's folder, as SplitwiseSim's notebooks read it: paths, columns, and what is in them."""

from __future__ import annotations

import csv
import errno
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from configs.compose import CONFIG_DIR
from sim_core.errors import OutputError
from sync.files.splitwisesim import write_outputs
from tests.forked import run_module
from tests.runs import measured
from tests.sim_core import worlds

ROOT = CONFIG_DIR.parent
SPLIT = ["cluster=half_half", "start_state=splitwise", "start_state.split_type=heterogeneous",
         "applications.0.scheduler=mixed_pool", "performance_model=db"]  # fmt: skip
WHOLE = ["cluster=half_half", "start_state=baseline", "applications.0.scheduler=token_jsq", "performance_model=db"]
METRICS = ["request_ids", "response_times", "queue_times", "ttft_times", "tbt_times", "nth_token_overheads",
           "prompt_sizes", "token_sizes"]  # fmt: skip
STATISTICS = ["mean", "std", "min", "max", "median", "p50", "p90", "p95", "p99", "p999", "geomean"]


def run(folder: Path, *overrides: str) -> Path:
    """Run in `folder`, as its users do, and return the folder of the one run in it."""
    done = run_module("sim_core", *overrides, cwd=folder)
    assert done.returncode == 0, done.stderr
    (summary,) = folder.glob("results/**/summary.csv")
    return summary.parent


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tmp_path_factory.mktemp("split"), *SPLIT, "trace.filename=rr_conv_6_30s", "seed=3", "debug=True")


def logs(folder: Path) -> list[pd.DataFrame]:
    return [pd.read_csv(path) for path in sorted((folder / "instances" / "0").glob("*.csv"))]


def test_the_folder_tells_seed_state_trace_counts_model_and_scheduler(split: Path) -> None:
    assert split.parts[-7:] == ("results", "3", "splitwise_1_1", "rr_conv_6_30s", "1_1", "bloom-176b", "mixed_pool")


def test_the_summary_has_eleven_statistics_of_every_metric_as_numpy_has_them(split: Path) -> None:
    summary, detailed = pd.read_csv(split / "summary.csv"), pd.read_csv(split / "detailed" / "0.csv")
    assert list(summary)[:89] == ["application_id", *(f"{m}_{s}" for m in METRICS for s in STATISTICS)]
    for metric in METRICS:
        values = detailed[metric].to_numpy(dtype=float)
        expected = {
            "mean": values.mean(), "std": values.std(), "min": values.min(), "max": values.max(),
            "median": np.median(values), "p50": np.percentile(values, 50), "p90": np.percentile(values, 90),
            "p95": np.percentile(values, 95), "p99": np.percentile(values, 99), "p999": np.percentile(values, 99.9),
            "geomean": np.exp(np.log(values).mean()) if values.min() > 0 else 0.0,
        }  # fmt: skip
        for name, value in expected.items():
            assert summary.at[0, f"{metric}_{name}"] == pytest.approx(value, rel=1e-9, abs=1e-12), (metric, name)


def test_a_statistic_of_no_request_is_empty(tmp_path: Path) -> None:
    folder = run(tmp_path, *WHOLE, "trace.filename=rr_conv_1_30s", "end_time=0.001")
    assert pd.read_csv(folder / "detailed" / "0.csv").empty
    assert pd.read_csv(folder / "summary.csv")[[f"{m}_mean" for m in METRICS]].isna().all(axis=None)


def test_times_of_a_request_follow_from_its_nodes(split: Path) -> None:
    detailed = pd.read_csv(split / "detailed" / "0.csv").set_index("request_ids").sort_index()
    nodes = pd.read_csv(split / "request_nodes.csv")
    assert list(nodes) == ["request_id", "request_type", "node_id", "node_type", "runner", "start_timestamp",
                           "completion_timestamp"]  # fmt: skip
    assert set(nodes["request_type"]) == {2}
    assert dict(zip(nodes["node_id"], nodes["node_type"], strict=True)) == {
        0: "PROMPT", 1: "TOKEN", 2: "KVCacheTransfer"
    }  # fmt: skip
    by_kind = {kind: part.set_index("request_id").sort_index() for kind, part in nodes.groupby("node_type")}
    prompt, token, transfer = (by_kind[kind] for kind in ("PROMPT", "TOKEN", "KVCacheTransfer"))
    arrival = detailed["arrival_timestamps"]
    pd.testing.assert_series_equal(prompt["start_timestamp"] - arrival, detailed["queue_times"], check_names=False)
    pd.testing.assert_series_equal(prompt["completion_timestamp"] - arrival, detailed["ttft_times"], check_names=False)
    pd.testing.assert_series_equal(token["completion_timestamp"] - arrival, detailed["response_times"],
                                   check_names=False)  # fmt: skip
    overhead = token["start_timestamp"] - prompt["completion_timestamp"]
    pd.testing.assert_series_equal(overhead, detailed["nth_token_overheads"], check_names=False)
    tbt = (detailed["response_times"] - detailed["ttft_times"]) / detailed["token_sizes"]
    pd.testing.assert_series_equal(tbt, detailed["tbt_times"], check_names=False)
    assert set(transfer["runner"]) == {"DummyLink"}
    assert set(prompt["runner"]) | set(token["runner"]) == {"a100-80gb_0", "h100-80gb_1"}
    elsewhere = prompt["runner"] != token["runner"]
    assert set(transfer.index) == set(elsewhere[elsewhere].index)


def test_an_iteration_log_covers_every_prompt_and_token_once(split: Path) -> None:
    detailed, rows = pd.read_csv(split / "detailed" / "0.csv"), pd.concat(logs(split))
    assert rows["prompt_tasks_in_batch"].sum() == len(detailed)
    decodes = (rows["batch_size"] - rows["prompt_tasks_in_batch"]) * rows["num_contiguous_iterations"]
    assert decodes.sum() == (detailed["token_sizes"] - 1).sum()
    assert (rows.loc[rows["prompt_tasks_in_batch"] > 0, "num_contiguous_iterations"] == 1).all()


def test_runs_of_iterations_do_not_overlap_and_make_up_the_utilisation(split: Path) -> None:
    alloc = pd.read_csv(split / "detailed" / "0_alloc.csv")
    assert list(alloc)[:2] == ["instance_names", "utilizations"]
    ends = []
    for rows in logs(split):
        assert (rows["iteration_start"].iloc[1:].to_numpy() >= rows["iteration_end"].iloc[:-1] - 1e-9).all()
        ends.append((rows["iteration_end"] - rows["iteration_start"]).sum())
    end_s = max(rows["iteration_end"].max() for rows in logs(split))
    assert alloc["utilizations"].tolist() == pytest.approx([busy_s / end_s for busy_s in ends])
    first_s = pd.read_csv(split / "detailed" / "0.csv")["arrival_timestamps"].min()
    assert first_s > 0  # SplitwiseSim's share is of the time since 0, ours of that since the first arrival
    assert alloc["busy_fraction"].tolist() == pytest.approx([busy_s / (end_s - first_s) for busy_s in ends])


def test_memory_in_the_log_is_the_weights_and_the_cache_of_those_in_it(split: Path) -> None:
    # bloom-176b: 2 * 14336 hidden * 70 layers * 2 bytes a token; a prompt alone holds its tokens and the next one
    per_token, weights = 2 * 14336 * 70 * 2, None
    for rows in logs(split):
        alone = rows[(rows["memory_allocs_size"] == 2) & (rows["prompt_tasks_in_batch"] == 1)]
        found = set(alone["memory"] - per_token * (alone["iteration_tokens"] + 1))
        assert len(found) <= 1
        weights = weights or found
    assert weights


def test_the_log_names_roles_and_says_none_where_there_is_no_role(split: Path, tmp_path: Path) -> None:
    assert [set(rows["tag"]) for rows in logs(split)] == [{"token"}, {"prompt"}]
    folder = run(tmp_path, *WHOLE, "trace.filename=test_trace", "debug=True")
    lines = (folder / "instances" / "0" / "0.csv").read_text().splitlines()
    assert lines[1].startswith("a100-80gb_0,None,")


def test_batch_tokens_are_counted_for_splitwise_and_zero_for_orca_as_there(split: Path, tmp_path: Path) -> None:
    for rows in logs(split):
        assert (rows["batch_tokens"] == rows["iteration_tokens"]).all()
    orca = [*WHOLE, "start_state=orca", "trace.filename=test_trace", "debug=True"]
    rows = pd.concat(logs(run(tmp_path, *orca)))
    assert set(rows["batch_tokens"]) == {0}
    assert (rows["iteration_tokens"] >= rows["batch_size"]).all()


def test_utilisation_leaves_out_the_busy_time_that_the_end_cuts_short_and_busy_fraction_has_it(tmp_path: Path) -> None:
    one = [*WHOLE, "cluster.servers.1.count=0", "trace.filename=rr_conv_6_30s", "end_time=20"]
    alloc = pd.read_csv(run(tmp_path, *one) / "detailed" / "0_alloc.csv")
    assert alloc.at[0, "busy_fraction"] > 0.9  # far over capacity
    assert alloc.at[0, "utilizations"] < alloc.at[0, "busy_fraction"]


def test_a_full_disk_leaves_no_half_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = measured(worlds.spec("token_jsq"), worlds.trace([(0.0, 5, 3), (1.0, 6, 4)]))

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def writerow(self, row: Any) -> None:
            self.file.write("half of a ")

        def writerows(self, rows: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(csv, "writer", Full)
    with pytest.raises(OutputError, match=r"0\.csv: cannot be written: No space left on device"):
        write_outputs(result, tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
