"""What is typed on a command line: the name of an experiment, commands and options, some of them misspelled."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sim_core.errors import SpecError
from sweep.command import main as sweep
from sweep.experiment.find import find_experiment
from sweep.experiment.point import project_root
from sweep.single.command import main as single_run
from sync.__main__ import main as sync
from traces.__main__ import main as traces

ROOT = project_root()


@pytest.mark.parametrize("typed", ["quickstart", "quickstart.yaml"])
def test_a_name_is_that_of_an_experiment_of_the_project_from_any_folder(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    assert find_experiment(Path(typed), ROOT) == Path("experiments/quickstart.yaml")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quickstart").mkdir()  # a folder of results, perhaps
    assert find_experiment(Path(typed), ROOT) == ROOT / "experiments/quickstart.yaml"


def test_a_file_in_this_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quickstart.yaml").touch()
    assert find_experiment(Path("quickstart"), ROOT) == Path("quickstart.yaml")
    Path("quickstart").touch()
    assert find_experiment(Path("quickstart"), ROOT) == Path("quickstart")


def test_a_path_with_a_folder_is_left_as_it_is() -> None:
    assert find_experiment(Path("elsewhere/quickstart"), ROOT) == Path("elsewhere/quickstart")


@pytest.mark.parametrize(
    ("typed", "nearest"),
    [("quickstrat", "quickstart"), ("mime", "mine"), ("isocst.yaml", "isocost"), ("staus", "status")],
)
def test_a_name_that_nothing_has_is_refused_with_the_nearest(
    typed: str, nearest: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").touch()
    with pytest.raises(SpecError, match=f"^{typed}: no such experiment: .*; did you mean '{nearest}'") as caught:
        find_experiment(Path(typed), ROOT, ["status"])
    assert "(one of: mine, concurrency, costopt, " in str(caught.value)


def test_the_command_runs_an_experiment_by_its_name_and_says_which_file_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sweep(["quickstart", "--dry-run", "--limit", "1"]) == 0
    output = capsys.readouterr()
    assert "1 of 24 points; nothing was started" in output.out
    assert f"experiment: {ROOT}/experiments/quickstart.yaml" in output.err


@pytest.mark.parametrize("typed", [["status", "--results", "none"], ["--results", "none", "status"]])
def test_the_results_folder_stands_before_or_after_the_command(
    typed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sweep(typed) == 0
    assert capsys.readouterr().out == "no sweeps in none\n"
    command = ["list" if argument == "status" else argument for argument in typed]
    assert sync(command) == 0
    assert capsys.readouterr().out == "no sweeps in none\n"


@pytest.mark.parametrize(
    ("main", "typed", "hint"),
    [
        (sweep, "quickstart --dryrun", "--dryrun: no such option; did you mean --dry-run?"),
        (sweep, "quickstart --format jsno --dry-run", "'jsno'; did you mean 'json'?"),
        (sweep, "status --reslts none", "--reslts: no such option; did you mean --results?"),
        (sync, "lst", "'lst'; did you mean 'list'?"),
        (sync, "--reslts none list", "--reslts: no such option; did you mean --results?"),
        (sync, "show quickstart --wheer rate=1", "--wheer: no such option; did you mean --where?"),
        (traces, "genrate rr_conv_2", "'genrate'; did you mean 'generate'?"),
        (traces, "generate rr_conv_2 --sede 3", "--sede: no such option; did you mean --seed?"),
        (single_run, "--multirn seed=0,1", "--multirn: no such option; did you mean --multirun?"),
        (single_run, "--cfg jbo", "'jbo'; did you mean 'job'?"),
    ],
)
def test_a_misspelled_command_or_option_ends_in_one_line_with_the_nearest(
    main: object, typed: str, hint: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    monkeypatch.setattr(sys, "argv", ["command", *typed.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    output = capsys.readouterr()
    assert (ended.value.code, output.out, output.err.count("\n")) == (2, "", 1)
    assert output.err.startswith("error: ") and hint in output.err
