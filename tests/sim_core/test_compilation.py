"""The core gives the same bytes compiled and as plain Python, and a compiled form that does not count is not used."""

from __future__ import annotations

import ast
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sim_core import compilation
from sim_core.compilation import LIBRARY, MODULES, PURE, RECORD, form, record_of

ROOT = Path(__file__).resolve().parents[2]
TELL = "from sim_core.compilation import form; import sim_core.engine; print(form().text, sim_core.engine.__file__)"
DIGEST = """
from hashlib import sha256
from configs.compose import Composer
from pathlib import Path
from sim_core import SimError, spec_from_config, simulate
from sim_core.scheduling import SCHEDULERS
from sync.results.measure import measure
from traces.workload import TraceRef, load
digest = sha256()
trace = load(TraceRef("rr_conv_12_20s", "data/traces", 0), Path("."))
for name, policy in SCHEDULERS.items():
    for start in ("splitwise",) if policy.splits else ("baseline", "orca", "unallocated"):
        chosen = [f"applications.0.scheduler={name}", f"start_state={start}", "cluster=half_half"]
        chosen.append("performance_model=db")
        try:
            spec = spec_from_config(Composer().resolved(chosen), Path("."))
        except SimError as error:
            digest.update(str(error).encode())
            continue
        result = simulate(spec, trace)
        for column in result.requests.values():
            digest.update(column.tobytes())
        digest.update(repr((result.unserved, result.instances, result.events, measure(result, spec).summary)).encode())
print(digest.hexdigest())
"""


def python(code: str, folder: Path = ROOT, pure: str = "0") -> str:
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=os.environ | {PURE: pure}, text=True,
                          capture_output=True, check=True)  # fmt: skip
    return done.stdout.strip()


def is_built() -> bool:
    return bool(list(ROOT.glob(f"{LIBRARY}.*")))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package, with what is compiled of it."""
    shutil.copytree(ROOT / "sim_core", tmp_path / "sim_core", ignore=shutil.ignore_patterns("__pycache__"))
    for library in ROOT.glob(f"{LIBRARY}.*"):
        shutil.copy(library, tmp_path)
    return tmp_path


def test_compiled_and_plain_give_the_same_bytes() -> None:
    assert python(DIGEST) == python(DIGEST, pure="1")


def test_the_variable_asks_for_the_plain_core() -> None:
    told, file = python(TELL, pure="1").rsplit(" ", 1)
    assert told == f"plain Python: {PURE} is set"
    assert file.endswith("engine.py")


def test_a_compiled_core_is_used_as_it_was_built(copy: Path) -> None:
    told, file = python(TELL, copy).rsplit(" ", 1)
    assert told.startswith("compiled by mypyc" if is_built() else "plain Python: it is not compiled")
    assert file.endswith(".so" if is_built() else ".py")


@pytest.mark.parametrize("module", ["event", "scheduling/mixed_pool"])
def test_a_source_that_has_changed_since_is_noticed_and_the_sources_are_used(copy: Path, module: str) -> None:
    with (copy / "sim_core" / f"{module}.py").open("a") as file:
        file.write("# changed\n")
    told, found = python(TELL, copy).rsplit(" ", 1)
    reason = "its sources have changed since it was compiled" if is_built() else "it is not compiled"
    assert told == f"plain Python: {reason} (make compiled)"
    assert found.endswith("engine.py")


def test_a_compiled_core_that_does_not_load_is_left_aside(copy: Path) -> None:
    for library in copy.glob(f"{LIBRARY}.*"):
        library.write_bytes(b"of another machine")
    told, found = python(TELL, copy).rsplit(" ", 1)
    assert told.startswith("plain Python: its compiled form does not load" if is_built() else "plain Python: it is not")
    assert found.endswith("engine.py")


def test_a_record_that_is_missing_or_broken_means_plain(copy: Path) -> None:
    (copy / "sim_core" / RECORD).write_bytes(b"\xff\x00")
    assert python(TELL, copy).startswith("plain Python: ")
    (copy / "sim_core" / RECORD).unlink()
    assert python(TELL, copy).startswith("plain Python: ")


def test_a_run_says_which_form_it_was() -> None:
    version = subprocess.run([sys.executable, "-m", "sim_core", "--version"], cwd=ROOT, text=True, capture_output=True,
                             check=True)  # fmt: skip
    assert form().text in version.stdout


def test_keys_do_not_depend_on_the_form() -> None:
    code = "from sync.results.code import deciding_code; print(sorted(deciding_code().all_parts().items()))"
    assert python(code) == python(code, pure="1")


def test_without_a_compiler_setup_says_so_in_one_line() -> None:
    command = [sys.executable, "-W", "ignore", "setup.py", "-q", "compiled"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {"CC": "no-such-cc", PURE: "0"}, text=True,
                          capture_output=True, check=True)  # fmt: skip
    assert done.stdout == (
        "The simulator's core is not compiled: there is no C compiler (no-such-cc). "
        "It runs as plain Python, at a quarter of the speed.\n"
    )


def test_what_is_compiled_has_a_source_and_no_form_of_its_own() -> None:
    assert len(record_of("compiler")) == 1 + len(MODULES)
    assert "sim_core.event_plain" not in MODULES
    assert compilation.__file__.endswith(".py")


def test_numbers_of_compiled_modules_are_constants_that_fit_a_word() -> None:
    """Compiled, each use of a number without `Final` is a look-up in a dictionary; one that does not fit is slow."""
    wrong = []
    for name in MODULES:
        tree = ast.parse((ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8"))
        values = vars(importlib.import_module(name))
        for node in tree.body:
            if not isinstance(node, ast.Assign | ast.AnnAssign):
                continue
            is_constant = isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation) == "Final"
            for target in [node.target] if isinstance(node, ast.AnnAssign) else node.targets:
                value = values[target.id] if isinstance(target, ast.Name) else None
                fits = not isinstance(value, int) or -(1 << 62) <= value < 1 << 62
                if isinstance(value, int | float) and not (is_constant and fits):
                    wrong.append(f"{name}.{ast.unparse(target)}")
    assert wrong == []
