from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pandas as pd
import pytest
import yaml

from sweep.experiment.expand import Grid
from sweep.experiment.file import read_experiment
from sweep.launch.worker import run_point
from sync.report import iterations
from sync.report.iterations import again
from tests.sync.report.made import run

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def outcome():
    """A short run of a cluster that splits phases."""
    grid = Grid(read_experiment(ROOT / "experiments" / "quickstart.yaml"), ["trace.filename=rr_conv_4_10s"], ROOT)
    point = next(point for point in grid.points(None, lambda *_: None) if point.system == "splitwise-ha")
    return run_point(point, ROOT)


@pytest.fixture(scope="module")
def recorded(outcome):
    return pd.read_parquet(io.BytesIO(outcome.requests_parquet))


def test_a_run_made_again_is_the_same_run_with_its_iterations(outcome, recorded):
    made = again(outcome, recorded)
    assert not isinstance(made, str)
    assert "the times of all its requests are those of the sweep's run" in made.note
    table = made.table
    assert set(table["role"]) == {"prompt", "token"}
    assert (table["end_s"] > table["start_s"]).all()
    assert table["prompts"].sum() == len(recorded)  # each prompt is in one iteration
    assert table["end_s"].max() == pytest.approx(outcome.summary["run/end_s"])
    decodes = table[table["prompts"] == 0]
    assert (decodes["iterations"] * decodes["requests"]).sum() == (recorded["output_tokens"] - 1).sum()


def test_other_requests_than_the_recorded_ones_are_noticed(outcome, recorded):
    made = again(outcome, recorded.assign(ttft_s=recorded["ttft_s"] + 1e-6))
    assert not isinstance(made, str) and "its requests differ" in made.note


def test_without_recorded_requests_the_content_key_says_whether_it_is_the_run(outcome):
    for known, verb in ((outcome, "is"), (dataclasses.replace(outcome, key="0" * 64), "is not")):
        made = again(known, None)
        assert not isinstance(made, str) and f"its content key {verb} that of the sweep's run" in made.note


def test_a_run_whose_source_kept_no_configuration_is_composed_from_its_settings(outcome, recorded):
    kept, composed = again(outcome, recorded), again(dataclasses.replace(outcome, config_yaml=""), recorded)
    assert not isinstance(kept, str) and not isinstance(composed, str)
    pd.testing.assert_frame_equal(kept.table, composed.table)


FOREIGN = """# @package _global_
hydra:
  job_logging: {version: 1, handlers: {file: {class: logging.FileHandler, filename: FOLDER/rc, mode: a}}}
trace: {filename: rr_conv_2_10s}
"""


def test_settings_that_are_not_our_own_run_nothing_and_read_no_configuration_from_elsewhere(tmp_path):
    (tmp_path / "evil.yaml").write_text(FOREIGN.replace("FOLDER", str(tmp_path)))
    path = "../" * 12 + str(tmp_path / "evil")[1:]
    for setting, reason in (
        (f"+experiment={path}", "no such choice"),
        (f"cluster={path}", "no such choice"),
        (f"hydra.searchpath=[file://{tmp_path}]", "hydra.searchpath"),
        (f"hydra.run.dir={tmp_path / 'run'}", "hydra.run.dir"),
        ("+hydra.job_logging.version=1", "hydra.job_logging"),
        (f"output_dir={tmp_path / 'run'}", "output_dir"),
        ("tracking=mlflow", "tracking"),
        ("hydra/job_logging=default", "hydra"),
        ("+evil@_global_=evil", "package"),
    ):
        made = again(run("a", 8.0, overrides=("cluster=half_half", setting)), None)
        assert isinstance(made, str), setting
        assert made.startswith("it could not be run again (") and reason in made and "\n" not in made, made
    assert [path.name for path in tmp_path.iterdir()] == ["evil.yaml"]


@pytest.mark.parametrize("section", ["cluster", "hardware_repo", "applications", "start_state", "trace", "router"])
@pytest.mark.parametrize("value", [None, True, 10**30, "text", [], [[]], {"a": 1}])
def test_a_kept_configuration_of_odd_values_is_a_reason_in_one_line(outcome, section, value):
    config = yaml.safe_load(outcome.config_yaml) | {section: value}
    made = again(dataclasses.replace(outcome, config_yaml=yaml.safe_dump(config)), None)
    assert isinstance(made, str) and made.startswith("it could not be run again (") and "\n" not in made


def test_a_kept_configuration_that_stands_for_more_than_memory_holds_is_a_reason_at_once():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    made = again(run("a", 8.0, config_yaml="\n".join(lines)), None)
    assert isinstance(made, str) and made.startswith("it could not be run again (") and len(made) < 300


def test_a_kept_configuration_runs_no_code(tmp_path):
    config = f"a: !!python/object/apply:os.mkdir [{tmp_path / 'made'}]\n"
    reason = again(run("a", 8.0, config_yaml=config), None)
    assert isinstance(reason, str) and reason.startswith("it could not be run again (")
    settings = ("+hydra.callbacks.x._target_=os.mkdir", f"+hydra.callbacks.x.path={tmp_path / 'made'}")
    again(run("a", 8.0, overrides=settings), None)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"overrides": ("cluster=quarter",)}, "half_half"),
        ({"config_yaml": "just text"}, "is missing"),
        ({"config_yaml": "a: [\n"}, "expected"),
    ],
)
def test_a_run_that_cannot_be_made_again_has_a_reason_in_one_line(changes, reason):
    found = again(run("a", 8.0, **changes), None)
    assert isinstance(found, str)
    assert found.startswith("it could not be run again (") and "\n" not in found and reason in found


def test_a_run_that_takes_too_long_is_given_up(outcome, monkeypatch):
    monkeypatch.setattr(iterations, "_LONGEST_S", -1.0)
    assert again(outcome, None) == "running it again took more than -1 s"
