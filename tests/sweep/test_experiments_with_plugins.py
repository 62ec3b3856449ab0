"""Experiments with policies of a user's own: `plugins:` and `--plugin`, from the file to the results, and back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import sweep
from configs.stored import own_settings
from sim_core.errors import PluginError, SimError, SpecError
from sweep.command import main
from sweep.experiment.expand import Grid
from sweep.experiment.file import parse_experiment, read_experiment
from sweep.experiment.plugins import with_plugins
from sweep.experiment.point import Point, project_root
from sync.load import load_sweep
from sync.report.iterations import again
from sync.results.outcome import Outcome
from sync.results.privacy import Scrubber
from sync.results.sweep import Sweep
from sync.tracking.artifacts import files
from sync.tracking.fields import tags

ROOT = project_root()
TURN = """\
from dataclasses import dataclass

from sim_core.scheduling.base import Placement, Scheduler


@dataclass(frozen=True)
class TurnOptions:
    first: int = 0


class Turn(Scheduler):
    \"\"\"As the project's round_robin, from another replica on.\"\"\"

    Options = TurnOptions

    def __init__(self, start):
        super().__init__(start)
        self.next = self.options.first

    def place(self, request, view):
        if request.index == 3 and self.options.first == 2:
            return None
        if request.index == 4 and self.options.first == 3:
            return {}["missing"]
        replica = view.replicas[self.next % len(view.replicas)]
        self.next += 1
        return Placement(replica, replica)


SCHEDULERS = {"turn": Turn}
"""
EXPERIMENT = """\
name: turns
plugins: [turn.py]
overrides:
  cluster: half_half
  performance_model: db
  start_state: baseline
  trace.filename: rr_conv_2_5s
  cluster.servers.1.count: 2
systems:
  own: {overrides: {applications.0.scheduler: round_robin}}
  mine:
    overrides: {applications.0.scheduler: turn}
    axes: {orchestrator_repo.schedulers.turn.first: [0]}
"""
Run = Callable[..., int]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the experiment and its plugin."""
    (tmp_path / "turn.py").write_text(TURN)
    (tmp_path / "turns.yaml").write_text(EXPERIMENT)
    return tmp_path


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line in that folder, in this process."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def call(*arguments: str) -> int:
        options = [] if arguments[-1] == "--dry-run" else ["--local", "--sink", "none"]
        return main([*arguments, *options])

    return call


def points_of(file: Path, *overrides: str) -> dict[str, Point]:
    experiment = with_plugins(read_experiment(file), [], lambda line: None)
    return {point.system: point for point in Grid(experiment, overrides, ROOT).points()}


def results(folder: Path) -> Sweep:
    return load_sweep("turns", folder / "results", "journal", everything=True)


def by_system(sweep: Sweep) -> Mapping[str, Outcome]:
    return {outcome.system: outcome for outcome in sweep.outcomes.values()}


def test_a_sweep_runs_a_plugins_policy_and_its_results_say_what_ran(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("turns.yaml") == 0
    said = capsys.readouterr().err
    plugin = points_of(folder / "turns.yaml")["mine"].spec.plugins[0]
    assert said.count(f"runs code of turn.py (sha256 {plugin.sha256[:16]})\n") == 1
    outcomes = by_system(results(folder))
    assert outcomes["mine"].plugins == {"turn.py": plugin.sha256}
    assert outcomes["own"].plugins == {}
    assert outcomes["mine"].summary == outcomes["own"].summary
    info = results(folder).source.info()
    assert info is not None
    assert info.plugins == {plugin.sha256: {"file": "turn.py", "text": TURN}}


def test_finished_points_are_not_run_again_until_the_plugin_that_they_use_changes(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("turns.yaml") == 0
    (folder / "turn.py").write_text(TURN.replace("round_robin, from", "round_robin,\n    from"))
    assert run("turns.yaml") == 0
    assert "2 completed (2 of them finished before)" in capsys.readouterr().out
    (folder / "turn.py").write_text(TURN.replace("self.next += 1", "self.next += 2"))
    assert run("turns.yaml") == 0
    assert "2 completed (1 of them finished before)" in capsys.readouterr().out
    info = results(folder).source.info()
    assert info is not None
    assert [kept["file"] for kept in info.plugins.values()] == ["turn.py"] * 3


def test_a_plugin_of_the_command_line_works_as_one_of_the_experiment(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "turns.yaml").write_text(EXPERIMENT.replace("plugins: [turn.py]\n", ""))
    assert run("turns.yaml", "--dry-run") == 2
    assert "orchestrator_repo.schedulers.turn.first='0': unknown key" in capsys.readouterr().err
    assert main(["turns.yaml", "--plugin", "turn.py", "--dry-run", "--format", "json"]) == 0
    printed, said = capsys.readouterr()
    assert said.startswith("runs code of turn.py (sha256 ")
    assert [sorted(point["plugins"]) for point in json.loads(printed)] == [[], ["turn.py"]]
    (folder / "turns.yaml").write_text(EXPERIMENT)
    assert run("turns.yaml", "--plugin", str(folder / "turn.py"), "--dry-run") == 0  # the same one twice
    assert capsys.readouterr().err.count("runs code of") == 1


def test_a_point_whose_policy_fails_is_one_line_with_the_place_and_the_sweep_goes_on(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("turns.yaml", "orchestrator_repo.schedulers.turn.first=1,2,3") == 1
    printed = " ".join(capsys.readouterr().out.split())
    lines = TURN.splitlines()
    place, missing = (1 + next(n for n, line in enumerate(lines) if part in line) for part in ("def place", "missing"))
    assert f"turn.py, line {place}: Turn.place returned None: it must return a Placement" in printed
    assert f"turn.py, line {missing}: KeyError: 'missing'" in printed
    assert "2 failed" in printed
    assert "python -m sweep turns.yaml" in printed


def test_one_point_can_be_looked_into(run: Run, folder: Path) -> None:
    assert run("turns.yaml", "--point", "1", "--debug") == 0
    (written,) = (folder / "results" / "turns" / "debug").iterdir()
    assert (written / "trace.perfetto.json").stat().st_size > 1000


LEADING_OUT = {
    "..": ("../turn.py", "leads out of the experiment file's folder"),
    "absolute": ("{elsewhere}", "leads out of the experiment file's folder"),
    "link": ("link.py", "leads out of the experiment file's folder"),
    "hidden": (".hidden/turn.py", "leads to a hidden file"),
}


@pytest.mark.parametrize("way", LEADING_OUT)
def test_an_experiments_plugins_cannot_leave_its_folder(
    way: str, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "turn.py"
    for path in (elsewhere, folder.parent / "turn.py", folder / ".hidden" / "turn.py"):
        path.parent.mkdir(exist_ok=True)
        path.write_text("raise RuntimeError('this must not run')\n")
    (folder / "link.py").symlink_to(elsewhere)
    name, reason = LEADING_OUT[way]
    name = name.format(elsewhere=elsewhere)
    (folder / "turns.yaml").write_text(EXPERIMENT.replace("[turn.py]", f"[{name}]"))
    said: list[str] = []
    with pytest.raises(SpecError) as raised:
        with_plugins(read_experiment(folder / "turns.yaml"), [], said.append)
    assert str(raised.value).startswith(f"{folder / 'turns.yaml'}: plugins='{name}': {reason}")
    assert f"say --plugin {folder / name} on the command line" in str(raised.value)
    assert said == []
    with pytest.raises(PluginError, match="this must not run"):  # the command line may name any file
        with_plugins(read_experiment(folder / "turns.yaml"), [folder / name], said.append)
    assert len(said) == 1


@pytest.mark.parametrize("written", ["turn.py", "[1]", "{a: turn.py}", "['']", '["a\\nb.py"]'])
def test_plugins_are_a_list_of_files(written: str, folder: Path) -> None:
    with pytest.raises(SpecError, match="plugins="):
        read_experiment_of(EXPERIMENT.replace("[turn.py]", written), folder)


def read_experiment_of(text: str, folder: Path) -> object:
    (folder / "turns.yaml").write_text(text)
    return read_experiment(folder / "turns.yaml")


def test_an_experiment_without_a_file_names_no_plugins() -> None:
    with pytest.raises(SpecError, match="name them by --plugin"):
        with_plugins(parse_experiment(EXPERIMENT, ""), [], lambda line: None)


def test_reading_an_experiment_runs_no_code(folder: Path) -> None:
    (folder / "turn.py").write_text("raise RuntimeError('this must not run')\n")
    assert read_experiment(folder / "turns.yaml").plugin_files == ("turn.py",)


def test_a_mistake_in_a_plugin_is_one_line_before_anything_runs(
    run: Run, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "turn.py").write_text(TURN.replace("class Turn(Scheduler):", "class Turn:"))
    for arguments in (["turns.yaml"], ["turns.yaml", "--dry-run"]):
        assert run(*arguments) == 2
        said, error = capsys.readouterr().err.splitlines()
        assert said.startswith("runs code of turn.py")
        assert error.startswith("error: turn.py, line ")
        assert "Turn must be a class that inherits from sim_core.scheduling.base.Scheduler" in error
    assert not (folder / "results").exists()


def test_what_results_say_of_a_plugin_is_never_run(run: Run, folder: Path) -> None:
    assert run("turns.yaml") == 0
    outcome = by_system(results(folder))["mine"]
    reason = again(outcome, None)
    assert isinstance(reason, str)
    assert reason.startswith(f"it was not run again: it uses turn.py (sha256 {outcome.plugins['turn.py'][:16]})")
    assert "python -m sim_core --plugin turn.py cluster=half_half" in reason
    stripped = again(replace(outcome, plugins={}), None)  # by somebody who hides it
    assert isinstance(stripped, str)
    assert "no scheduler of that name is built in" in stripped
    with pytest.raises(SpecError, match=r"start_state='mine': no such choice"):
        own_settings(["start_state=mine"])


def test_mlflow_tells_the_plugins_of_a_run_and_how_to_make_it_again(run: Run, folder: Path) -> None:
    assert run("turns.yaml") == 0
    sweep = results(folder)
    outcome, info = by_system(sweep)["mine"], sweep.source.info()
    assert info is not None
    scrub = Scrubber(os.environ)
    told = tags(outcome, info, scrub, {})
    assert told["plugins"] == f"turn.py (sha256 {outcome.plugins['turn.py'][:16]})"
    assert told["reproduce"].startswith("python -m sim_core --plugin turn.py cluster=half_half ")
    assert b"--plugin turn.py" in files(outcome, scrub)["reproduce.sh"]
    assert "plugins" not in tags(by_system(sweep)["own"], info, scrub, {})


@pytest.mark.slow  # two searches
def test_a_question_may_name_policies_of_a_plugin(folder: Path) -> None:
    words = {"most": "rate", "budget": "dgx-h100=1", "designs": "baseline-h100", "duration": "20s", "width": "40%"}
    asked = {"scheduler": "turn", "plugins": [folder / "turn.py"], "results": folder / "results"}
    with pytest.raises(SimError, match="scheduler='turn': unknown name"):
        sweep.plan(**words, scheduler="turn", results=folder / "results")  # type: ignore[arg-type]
    (found,) = sweep.plan(**words, **asked).found  # type: ignore[arg-type]
    (known,) = sweep.plan(**words, scheduler="round_robin", results=folder / "results").found  # type: ignore[arg-type]
    assert found.rate is not None
    assert found.rate == known.rate
