"""Builds of the core that fail, are interrupted or run twice at once, and what is installed.

A stand-in for mypyc writes two tiny extensions, as mypyc itself takes a minute. Where there is no C compiler, `true`
stands in for it, and makes nothing.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from sim_core.compilation import LIBRARY, PURE, RECORD

ROOT = Path(__file__).resolve().parents[1]
STAND_IN = """
import os, signal, time
from pathlib import Path
from setuptools import Extension

SOURCE = '''
#include <Python.h>
static struct PyModuleDef module = {{PyModuleDef_HEAD_INIT, "{0}", NULL, -1, NULL}};
PyMODINIT_FUNC PyInit_{0}(void) {{ return PyModule_Create(&module); }}
'''

def mypycify(paths, **options):
    with open("builds", "a") as file:
        file.write("one\\n")
    if "INTERRUPT" in os.environ:
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(float(os.environ.get("TAKES_S", 0)))
    names = ("LIBRARY", "sim_core.event")
    for name in names:
        Path("build", f"{name}.c").write_text(SOURCE.format(name.rpartition(".")[2]))
    return [Extension(name, [f"build/{name}.c"]) for name in names]
""".replace("LIBRARY", LIBRARY)
HEADER = Path(sysconfig.get_path("include"), "Python.h")
COMPILER = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
CAN_COMPILE = HEADER.exists() and shutil.which(COMPILER[0]) is not None
SLOWER = "It runs as plain Python, at a quarter of the speed."
COMPILING = "Compiling the simulator's core, once, which takes about a minute: it runs four times as fast then."


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What a build needs of the project, not compiled, and the stand-in for mypyc."""
    compiled = shutil.ignore_patterns("__pycache__", "*.so", RECORD)
    shutil.copytree(ROOT / "sim_core", tmp_path / "sim_core", ignore=compiled)
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    check = 'Path(sysconfig.get_path("include"), "Python.h").exists()'
    text = (ROOT / "setup.py").read_text()
    assert check in text
    (tmp_path / "setup.py").write_text(text.replace(check, "True"))  # the stand-ins need no headers
    for name, text in {"mypyc/build.py": STAND_IN, "mypyc/__init__.py": "", "mypy/__init__.py": "",
                       "mypy/version.py": "__version__ = '0'"}.items():  # fmt: skip
        (tmp_path / "stand-in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "stand-in" / name).write_text(text)
    return tmp_path


def start(checkout: Path, **environment: str) -> subprocess.Popen[str]:
    variables = {PURE: "0", "PYTHONPATH": str(checkout / "stand-in"), **({} if CAN_COMPILE else {"CC": "true"})}
    command = [sys.executable, "-W", "ignore", "setup.py", "-q", "compiled"]
    return subprocess.Popen(command, cwd=checkout, env=os.environ | variables | environment, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip


def build(checkout: Path, **environment: str) -> tuple[int, list[str]]:
    """The exit code of a build, and the lines that it printed."""
    process = start(checkout, **environment)
    printed, _ = process.communicate()
    return process.returncode, printed.splitlines()


def builds(checkout: Path) -> int:
    return len((checkout / "builds").read_text().splitlines())


def form_in(checkout: Path) -> str:
    code = "from importlib.util import *; s = spec_from_file_location('c', 'sim_core/compilation.py');"
    code += "c = module_from_spec(s); s.loader.exec_module(c); print(c.form().text)"
    return subprocess.run([sys.executable, "-c", code], cwd=checkout, env=os.environ | {PURE: "0"}, text=True,
                          capture_output=True, check=True).stdout.strip()  # fmt: skip


def test_a_build_compiles_once(checkout: Path) -> None:
    code, printed = build(checkout)
    assert (code, printed[0], len(printed)) == (0, COMPILING, 2)
    if CAN_COMPILE:
        assert printed[1].startswith("Compiled in ")
        assert form_in(checkout) == "compiled by mypyc 0"
        assert build(checkout) == (0, [])
        assert builds(checkout) == 1


def test_a_compiler_that_fails_is_one_line_and_the_core_runs_plain(checkout: Path) -> None:
    failing = shutil.which("false")
    reason = f"command '{failing}' failed with exit code 1, see build/compiled.log"
    code, printed = build(checkout, CC="false")
    assert (code, printed) == (0, [COMPILING, f"The simulator's core is not compiled: {reason}. {SLOWER}"])
    assert form_in(checkout) == "plain Python: it is not compiled (make compiled)"


def test_an_interrupted_build_is_one_line_and_the_next_one_compiles(checkout: Path) -> None:
    (checkout / "sim_core" / RECORD).write_text("of a former build")
    code, printed = build(checkout, INTERRUPT="1")
    assert (code, printed) == (
        130, [COMPILING, f"The simulator's core is not compiled: it was interrupted. {SLOWER}"],
    )  # fmt: skip
    assert not (checkout / "sim_core" / RECORD).exists()
    assert form_in(checkout).startswith("plain Python: ")
    if CAN_COMPILE:
        assert build(checkout)[1][-1].startswith("Compiled in ")
        assert form_in(checkout) == "compiled by mypyc 0"


def test_of_two_builds_at_once_the_second_waits_and_finds_the_core_compiled(checkout: Path) -> None:
    both = [start(checkout, TAKES_S="1") for _ in range(2)]
    printed = sorted(process.communicate()[0].splitlines() for process in both)
    assert [process.returncode for process in both] == [0, 0]
    assert printed[0][0] == "Another process compiles the simulator's core: waiting for it."
    assert printed[1][0] == COMPILING
    if CAN_COMPILE:
        assert len(printed[0]) == builds(checkout) == 1


def test_a_folder_that_nothing_can_be_written_to_is_one_line(checkout: Path) -> None:
    (checkout / "build").write_text("no folder")
    code, printed = build(checkout)
    reason = f"[Errno 17] File exists: '{checkout / 'build'}'"
    assert (code, printed) == (0, [f"The simulator's core is not compiled: {reason}. {SLOWER}"])


def compile_options(checkout: Path, **environment: str) -> list[list[str]]:
    """The options of each call of the compiler in a build, in which a script that notes them stands in for it."""
    script = checkout / "cc"
    script.write_text(f'#!/bin/sh\necho "$@" >> {checkout}/calls\n')
    script.chmod(0o755)
    build(checkout, CC=str(script), LDSHARED=str(script), **environment)
    return [line.split() for line in (checkout / "calls").read_text().splitlines()]


def test_whatever_cflags_say_the_compiler_keeps_to_exact_arithmetic(checkout: Path) -> None:
    calls = compile_options(checkout, CFLAGS="-ffast-math -ffp-contract=fast")
    assert sum("-c" in call for call in calls) == 2
    for call in calls:
        assert [option for option in call if "fast-math" in option][-1] == "-fno-fast-math"
        assert [option for option in call if "fp-contract" in option][-1] == "-ffp-contract=off"


def test_a_product_and_a_sum_are_compiled_to_two_instructions(checkout: Path) -> None:
    options = [option for option in compile_options(checkout)[0] if option.startswith("-f") and option != "-flto"]
    assert "-ffp-contract=off" in options
    if not CAN_COMPILE:
        return
    source, assembly = checkout / "sum.c", checkout / "sum.s"
    source.write_text("double f(double a, double b, double c) { return a * b + c; }\n")
    processor = ["-mfma"] if platform.machine() in ("x86_64", "AMD64") else []

    def compiled(*more: str) -> str:
        command = [*COMPILER, "-O3", *processor, *options, *more, "-S", str(source), "-o", str(assembly)]
        subprocess.run(command, check=True)
        return assembly.read_text()

    assert "fmadd" not in compiled()
    assert "fmadd" in compiled("-ffp-contract=fast")


@pytest.mark.slow  # copies the whole project
def test_installed_are_all_packages_with_their_files_and_nothing_else(checkout: Path) -> None:
    packages = ("sim_core", "sweep", "configs", "sync", "traces", "data", "experiments")
    for name in packages[1:]:
        shutil.copytree(ROOT / name, checkout / name, ignore=shutil.ignore_patterns("__pycache__"))
    (checkout / "sim_core" / RECORD).write_text("of a build in this folder")
    command = [sys.executable, "-W", "ignore", "setup.py", "-q", "build", "--build-lib", "installed"]
    done = subprocess.run(
        command, cwd=checkout, env=os.environ | {PURE: "1"}, text=True, capture_output=True, check=True
    )
    assert done.stdout == f"The simulator's core is not compiled: {PURE} is set. {SLOWER}\n"
    files = (path for path in (checkout / "installed").rglob("*") if path.is_file())
    tracked = subprocess.run(["git", "ls-files", *packages], cwd=ROOT, text=True, capture_output=True, check=True)
    expected = {name for name in tracked.stdout.splitlines() if not name.endswith(".md")}
    assert {path.relative_to(checkout / "installed").as_posix() for path in files} == expected
