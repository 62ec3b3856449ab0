"""CONTRIBUTING.md's worked examples, added to a copy of the project as a reader would add them.

Slow: the commands and the tests of the families run in processes of their own, on the copy.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("sim_core", "sweep", "sync", "configs", "traces", "data", "tests", "pyproject.toml", "CONTRIBUTING.md")
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS: list[tuple[str, str, str]] = BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text())
COMMANDS = [text.partition("\n") for kind, _, text in BLOCKS if kind == "console"]
FAMILIES = (
    "tests/sim_core/test_schedulers.py", "tests/sim_core/test_instances.py", "tests/sim_core/test_start_states.py",
    "tests/sim_core/test_performance_models.py", "tests/sim_core/test_standstill.py", "tests/sim_core/test_perfetto.py",
    "tests/configs/test_groups.py", "tests/traces/test_formats.py", "tests/traces/test_time_unit.py",
)  # fmt: skip
# Tests that look at a table, or a folder of `configs/`, as a whole.
WHOLE = ("tests/sim_core/test_code_identity.py", "tests/configs/test_compose.py", "tests/configs/test_multirun.py")
OF_WHOLE = ("two_policies", "parts_of_a_run", "ranking", "names_the_place", "sets_the_mode", "configuration_file")

pytestmark = pytest.mark.slow


def add_to_table(path: Path, lines: list[str]) -> None:
    """Add an entry's line at the end of the table, and its import, where it has one, behind the last one there."""
    imports, entries = lines[:-1], lines[-1:]
    text = path.read_text().splitlines()
    starts = [number for number, line in enumerate(text) if re.match(r"[A-Z_]+: .* = \w*[({]$", line)]
    end = next(number for number in range(starts[0], len(text)) if text[number] in (")", "}"))
    text[end:end] = entries
    before = max(number for number, line in enumerate(text[: starts[0]]) if line.startswith(("from ", "import ")))
    text[before:before] = imports
    path.write_text("\n".join(text) + "\n")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with all examples of CONTRIBUTING.md in it."""
    folder = tmp_path_factory.mktemp("contributing")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder)
    for _, name, content in BLOCKS:
        if name.endswith("__init__.py"):
            add_to_table(folder / name, content.splitlines())
        elif name:
            assert not (folder / name).exists(), f"{name} is there already"
            (folder / name).write_text(content)
    return folder


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, check=False)


def test_every_family_has_an_example() -> None:
    families = {str(Path(name).parent) for _, name, _ in BLOCKS if name.endswith("__init__.py")}
    assert families == {
        "sim_core/scheduling", "sim_core/batching", "sim_core/performance", "sim_core/start_state", "traces/formats"
    }  # fmt: skip
    assert len(COMMANDS) == 6


@pytest.mark.parametrize(("command", "_", "output"), COMMANDS, ids=[command for command, _, _ in COMMANDS])
def test_an_examples_command_prints_what_is_written_below_it(command: str, _: str, output: str, copy: Path) -> None:
    prompt, python, *arguments = shlex.split(command)
    assert (prompt, python) == ("$", "python")
    done = run(copy, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(output), done.stdout


def test_the_tests_of_the_families_run_over_the_examples_and_pass(copy: Path) -> None:
    names = {Path(name).stem for _, name, _ in BLOCKS if name and not name.endswith("__init__.py")}
    names |= {"GENTLE"}
    tests = ["-k", " or ".join([*sorted(names), *OF_WHOLE]), *FAMILIES, *WHOLE]
    done = run(copy, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-m", "not slow", *tests)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in names:
        assert re.search(rf"^PASSED .*\[.*{name}.*\]", done.stdout, re.MULTILINE), f"no test ran over {name}"
    for name in OF_WHOLE:
        assert re.search(rf"^PASSED .*{name}", done.stdout, re.MULTILINE), f"no test {name} ran"


def test_the_examples_are_in_the_projects_style(copy: Path) -> None:
    written = [name for _, name, _ in BLOCKS if name.endswith(".py")]
    for tool in (["ruff", "check", "--ignore", "I001"], ["ruff", "format", "--check"]):
        files = [name for name in written if not name.endswith("__init__.py")]
        done = run(copy, "-m", *tool, "--no-cache", *(written if tool[1] == "check" else files))
        assert done.returncode == 0, done.stdout + done.stderr
