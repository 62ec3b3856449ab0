"""A command that is started in another environment than .venv says in one line what to type."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sim_core import environment
from sim_core.environment import told_what_is_missing

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = ("sim_core", "sweep", "sync", "traces")
# What an old Python reads before the check: `__init__.py` up to its first line, and the commands' own modules.
FILES = [f"{name}/{file}.py" for name in COMMANDS for file in ("__init__", "__main__")]
OLD = """
import runpy, sys
sys.version_info = (3, 10, 13, "final", 0)
sys.argv[0] = "-m"
runpy._run_module_as_main(sys.argv[1])
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Python without the packages that are installed beside it, in the project's folder."""
    return subprocess.run([sys.executable, "-S", *arguments], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_without_its_packages_says_in_one_line_what_to_type(name: str) -> None:
    done = run("-m", name, "--help")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    reason, advice = done.stderr.split(": type `")
    assert re.fullmatch(
        rf"error: the package (hydra|rich|yaml) is not installed for {re.escape(sys.executable)}", reason
    )
    assert advice.startswith(("make demo`", "source .venv/bin/activate` first, or .venv/bin/python -m " + name))


@pytest.mark.parametrize("name", COMMANDS)
def test_an_older_python_is_refused_in_one_line(name: str) -> None:
    done = run("-c", OLD, name, "--help")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: this project needs Python 3.11 or newer, and ")
    assert " is Python 3.10.13: type `" in done.stderr


def test_an_older_python_that_imports_the_simulator_gets_an_error_with_the_reason() -> None:
    done = run("-c", "import sys; sys.version_info = (3, 10, 13); import sim_core")
    assert done.returncode == 1
    assert "\nImportError: this project needs Python 3.11 or newer" in done.stderr


@pytest.mark.parametrize("file", ["sim_core/environment.py", *FILES])
def test_what_an_old_python_reads_has_the_syntax_of_python_3_6(file: str) -> None:
    tree = ast.parse((ROOT / file).read_text(), feature_version=(3, 6))
    futures = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert not futures  # `annotations` came with 3.7


@pytest.mark.parametrize(
    ("files", "prefix", "expected"),
    [
        ((), "", "type `make demo` in {root} to install what is needed into {root}/.venv"),
        (("python",), "/usr", "type `source {root}/.venv/bin/activate` first, or {root}/.venv/bin/python ..."),
        (("python",), "{root}/.venv", "type `rm {root}/.venv/.installed` and `make demo`"),
    ],
)
def test_the_advice_depends_on_what_is_installed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    files: tuple[str, ...],
    prefix: str,
    expected: str,
) -> None:
    for name in files:
        (tmp_path / ".venv/bin").mkdir(parents=True)
        (tmp_path / ".venv/bin" / name).touch()
    monkeypatch.setattr(environment, "_ROOT", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", prefix.format(root=tmp_path))
    with pytest.raises(SystemExit) as ended, told_what_is_missing():
        raise ModuleNotFoundError("No module named 'rich'", name="rich.console")
    assert ended.value.code == 2
    reason = f"error: the package rich is not installed for {sys.executable}: "
    assert capsys.readouterr().err.startswith(reason + expected.format(root=tmp_path))


def test_a_package_of_another_version_is_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), told_what_is_missing():
        from rich import nothing_of_this_name  # type: ignore[attr-defined]  # noqa: F401
    assert "the package rich that " in (error := capsys.readouterr().err)
    assert "is not the one in requirements.lock (cannot import name 'nothing_of_this_name' from 'rich'" in error


@pytest.mark.parametrize("module", ["sweep.nothing", "sim_core.nothing", "configs.nothing"])
def test_a_module_of_the_project_that_is_missing_keeps_its_traceback(module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=module), told_what_is_missing():
        __import__(module)


def test_ctrl_c_while_a_command_is_loaded_ends_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, told_what_is_missing():
        raise KeyboardInterrupt
    assert (ended.value.code, capsys.readouterr().err) == (130, "interrupted before anything ran\n")
