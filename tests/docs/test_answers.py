"""What README and the help texts promise of the demo and of the first example is what the commands print."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.command import main as sweep
from sync.__main__ import main as sync
from tests.docs.pages import ROOT, blocks
from tests.forked import run_module
from traces.__main__ import main as traces

HELPS = ("show", "answers", "compare", "export")  # report draws for long, the others need MLflow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the project's folder after the demo, with traces of ten seconds and without MLflow."""
    place = tmp_path_factory.mktemp("demo")
    (place / "experiments").symlink_to(ROOT / "experiments")
    short = "trace.filename=rr_${workload}_${rate}_10s"
    options = ["--local", "--sink", "none", "--results", str(place / "results")]
    assert sweep([str(ROOT / "experiments" / "quickstart.yaml"), short, *options]) == 0
    return place


def examples(command: str) -> list[list[str]]:
    """The arguments of the examples in the help of one of sync's commands."""
    text = run_module("sync", command, "--help", cwd=ROOT).stdout
    lines = [re.split(r" {2,}", line.strip())[0] for line in text.splitlines() if "python -m sync" in line]
    return [shlex.split(line.partition(">")[0])[3:] for line in lines if line.startswith("python -m sync")]


@pytest.mark.parametrize("command", HELPS)
def test_the_examples_in_the_help_of_a_command_work_after_the_demo(
    command: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    found = examples(command)
    assert len(found) >= 3
    for arguments in found:
        shutil.rmtree("mine", ignore_errors=True)
        assert sync(arguments) == 0, (arguments, capsys.readouterr().err)
        assert capsys.readouterr().out


def test_the_first_example_of_readme_is_the_experiment_and_answers_as_quoted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, readme = ROOT / "experiments" / "how-many.yaml", (ROOT / "README.md").read_text()
    assert blocks(ROOT / "README.md", "yaml")[0] == file.read_text()
    # Of the 51 clusters those that the answer names, and the smaller neighbour of each.
    fewer = file.read_text()
    for ranges, kept in (("range(6, 16)", "9, 10"), ("range(3, 8)", "4, 5"), ("range(1, 7)", "2, 3")):
        assert ranges in fewer
        fewer = fewer.replace(ranges, kept)
    fewer = fewer.replace("range(1, 5)", "2, 3").replace("range(1, 4)", "1, 2")
    (tmp_path / "how-many.yaml").write_text(fewer)
    options = ["--local", "--sink", "none", "--results", str(tmp_path / "results")]
    assert sweep([str(tmp_path / "how-many.yaml"), *options]) == 0
    capsys.readouterr()
    monkeypatch.setenv("COLUMNS", "80")
    assert sync(["--results", str(tmp_path / "results"), "answers", "how-many"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    quoted = " ".join(re.findall(r"^> (To carry.*\n(?:> .*\n)*)", readme, re.MULTILINE)[0].replace("> ", "").split())
    assert said.startswith(f"conv: {quoted}")


def test_the_recipe_of_workloads_md_is_generated_by_the_command_of_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (recipe,) = [text for text in blocks(ROOT / "docs" / "workloads.md", "yaml") if "load.yaml" in text]
    (tmp_path / "load.yaml").write_text(recipe)
    monkeypatch.chdir(tmp_path)
    assert traces(["generate", "load.yaml", "--seed", "3"]) == 0
    assert [path.name for path in tmp_path.glob("*.csv")] == ["load.csv"]


def test_the_picture_of_the_demo_says_in_one_line_what_is_missing(tmp_path: Path) -> None:
    picture = str(ROOT / "docs" / "quickstart_picture.py")
    for flags, reason in ((["-S", "-E"], "the package matplotlib is not installed"), ([], "no results of that sweep")):
        done = subprocess.run([sys.executable, *flags, picture, "x.png"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode != 0
        assert reason in done.stderr
        assert len(done.stderr.splitlines()) == 1
