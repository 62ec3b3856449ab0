"""A start that changes which finished runs count says so before it runs, and no point counts twice."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sweep.command import main
from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import project_root
from sweep.versions import warning_of
from sync import load_sweep
from sync.results.journal import Journal

Writer = Callable[..., Path]


class Sweeps:
    """Runs experiments in this process, and returns what is said of other versions."""

    def __init__(self, write: Writer, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.results, self._write, self._capsys = results, write, capsys

    def run(self, text: str, *extra: str) -> str:
        file = self._write(text)
        assert main([str(file), "--local", "--sink", "none", "--results", str(self.results), *extra]) == 0
        lines = self._capsys.readouterr().err.splitlines()
        return "\n".join(line for line in lines if line.startswith("warning: "))

    @property
    def folder(self) -> Path:
        return self.results / "tiny"


@pytest.fixture
def sweeps(write_experiment: Writer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Sweeps:
    return Sweeps(write_experiment, tmp_path / "results", capsys)


def test_another_experiment_of_the_same_name_is_told_with_what_changed_and_what_counts(
    sweeps: Sweeps, tiny: str
) -> None:
    assert sweeps.run(tiny) == ""
    other = tiny.replace("rate: 1, 2, 3, 4", "rate: 4, 5").replace("  start_state: baseline\n", "")
    said = sweeps.run(other, "--dry-run")
    assert said == (
        f"warning: {sweeps.folder} has results of another experiment of this name (changed: overrides.start_state"
        " baseline -> not set, axes.rate 1, 2, 3, 4 -> 4, 5). Of its finished runs 0 count in this one, and 4 are left"
        " out of answers that do not say --all. To keep both, give this one another name; --fresh moves the old runs"
        f" to {sweeps.folder}/earlier."
    )
    other = tiny.replace("rate: 1, 2, 3, 4", "rate: 4, 5")
    said = sweeps.run(other)
    assert "(changed: axes.rate 1, 2, 3, 4 -> 4, 5). Of its finished runs 1 count in this one, and 3 are left" in said
    assert len(load_sweep("tiny", sweeps.results).runs) == 2
    assert sweeps.run(other) == "", "said again of what no longer counts"
    assert sweeps.run(tiny, "--fresh") == ""


def test_more_points_of_the_same_experiment_are_nothing_to_tell(sweeps: Sweeps, tiny: str) -> None:
    assert [sweeps.run(tiny, *extra) for extra in ([], ["rate=5"], ["--limit", "1"], ["seed=1"])] == [""] * 4
    assert len(load_sweep("tiny", sweeps.results).runs) == 9
    described = tiny.replace("one machine, seconds of traffic", "said better")
    assert sweeps.run(described) == ""


def test_a_setting_that_makes_no_other_design_is_told_and_each_point_counts_once(sweeps: Sweeps, tiny: str) -> None:
    sweeps.run(tiny)
    said = sweeps.run(tiny, "stop_at_backlog_s=60", "rate=3,4,5")
    assert said == (
        f"warning: {sweeps.folder} has 2 finished runs of these points with other settings (changed: stop_at_backlog_s"
        " not set -> 60). Each stops counting when the point's new run has finished; 0 finished runs of other points"
        " stay. To keep both, choose another folder by --results; --fresh moves the old runs to"
        f" {sweeps.folder}/earlier."
    )
    sweep = load_sweep("tiny", sweeps.results)
    names = list(sweep.runs.sort_values("rate")["name"])
    assert names == [f"one-h100 1xH100{stop} conv {rate} rps" for stop, rate in
                     (("", 1), ("", 2), (" stop@60s", 3), (" stop@60s", 4), (" stop@60s", 5))]  # fmt: skip
    assert set(sweep.runs["design"]) == {"one-h100 1xH100"}
    assert (sweep.superseded, sweep.left_out) == (2, 0)
    assert sweeps.run(tiny, "stop_at_backlog_s=60", "rate=3,4,5") == ""
    assert "(changed: stop_at_backlog_s 60 -> not set)" in sweeps.run(tiny)
    counted = set(load_sweep("tiny", sweeps.results).runs["name"])
    assert counted == {*names[:2], names[4], "one-h100 1xH100 conv 3 rps", "one-h100 1xH100 conv 4 rps"}


def test_another_scheduler_on_the_command_line_is_told(sweeps: Sweeps, tiny: str) -> None:
    sweeps.run(tiny, "rate=1")
    said = sweeps.run(tiny, "rate=1", "applications.0.scheduler=jsq")
    assert "has 1 finished run of these points with other settings" in said
    assert "(changed: applications.0.scheduler token_jsq -> jsq)" in said


def test_limits_of_a_backlog_as_an_axis_are_points_of_their_own(tiny: str) -> None:
    points = expand(parse_experiment(tiny, "x.yaml"), ["rate=1", "stop_at_backlog_s=30,60"], project_root())
    assert [point.name for point in points] == [
        "one-h100 1xH100 stop_at_backlog_s=30 conv 1 rps",
        "one-h100 1xH100 stop_at_backlog_s=60 conv 1 rps",
    ]
    assert len({point.point_id for point in points}) == 2


def test_runs_by_other_code_are_told_as_such(sweeps: Sweeps, tiny: str) -> None:
    sweeps.run(tiny, "rate=1")
    (point,) = expand(parse_experiment(tiny, "x.yaml"), ["rate=1"], project_root())
    (entry,) = (sweeps.folder / "points").glob("*.json")
    outcome = Journal(sweeps.folder).outcomes()[point.key]
    with Journal(sweeps.folder) as journal:
        journal.write(replace(outcome, key="0" * 64))
    entry.unlink()
    facts = json.loads((sweeps.folder / "sweep.json").read_text().replace(point.key, "0" * 64))
    (sweeps.folder / "sweep.json").write_text(json.dumps(facts))
    said = warning_of(Journal(sweeps.folder), [point], tiny)
    assert "has 1 finished run of these points with other settings (changed: the code that decides results)" in said
