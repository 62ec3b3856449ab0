"""The example of docs/plugins.md, run as a reader would run it: the file, the experiment and the commands of the page.

Slow: the commands run in processes of their own.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from sim_core.plugins import read_plugin
from sync.load import load_sweep
from tests.docs.pages import ROOT, blocks, commands

PAGE = ROOT / "docs" / "plugins.md"
pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of the page."""
    (plugin,) = blocks(PAGE, "python")
    (experiment,) = blocks(PAGE, "yaml")
    (tmp_path / "my_policy.py").write_text(plugin)
    (tmp_path / "my.yaml").write_text(experiment)
    return tmp_path


def run(folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", program, *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_commands_of_the_page_do_what_it_says(folder: Path) -> None:
    single, sweep = (command for command in commands(PAGE) if not command.in_text)
    done = run(folder, single.program, *single.arguments)
    assert done.returncode == 0, done.stderr
    shown = next(text for text in blocks(PAGE, "") if shlex.join(single.arguments) in text).splitlines()
    said = shown[1].partition("…")[0]
    assert done.stderr.startswith(said)
    assert shown[2] in done.stdout.splitlines()
    done = run(folder, sweep.program, *sweep.arguments, "--local", "--sink", "none")
    assert done.returncode == 0, done.stderr
    outcomes = load_sweep("my-policy", folder / "results", "journal").outcomes.values()
    assert [sorted(outcome.plugins) for outcome in outcomes] == [["my_policy.py"]] * 3
    assert len({tuple(outcome.summary.values()) for outcome in outcomes}) == 3


def test_an_error_that_the_page_shows_is_the_one_that_is_printed(folder: Path) -> None:
    file = folder / "my_policy.py"
    file.write_text(file.read_text().replace("def place(", "def put("))
    done = run(folder, "sim_core", "--plugin", "my_policy.py")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] in PAGE.read_text()


def test_the_example_is_in_the_projects_style(folder: Path) -> None:
    assert read_plugin(folder / "my_policy.py").file == "my_policy.py"
    for tool in (["ruff", "check", "--ignore", "I001,INP001"], ["ruff", "format", "--check"]):
        command = ["-m", *tool, "--no-cache", "--config", str(ROOT / "pyproject.toml"), "my_policy.py"]
        done = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
