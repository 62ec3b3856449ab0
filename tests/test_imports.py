"""Imports go one way. The contracts are in pyproject.toml; here they are checked, and shown to notice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("sim_core", "sweep", "configs", "sync", "traces")
LINT = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", LINT], cwd=folder, capture_output=True, text=True)


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    """The packages as empty files under the project's own contracts, with the imports that are allowed."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "import_contracts.py", tmp_path / "tests")
    files = {f"{package}/__init__.py": "" for package in PACKAGES} | {
        "sim_core/engine.py": "import heapq",
        "sim_core/clock.py": "import sim_core.engine",
        "sim_core/__main__.py": "import sweep.single.command",
        "configs/compose.py": "import hydra, sim_core",
        "configs/silicon/facade.py": "import aiconfigurator_core, sim_core",
        "traces/workload.py": "import numpy, sim_core, configs.compose",
        "sync/results/journal.py": "import json",
        "sync/analysis/standing.py": "import sync.results.journal",
        "sync/report/page.py": "import sync.analysis.standing, traces.workload",
        "sync/tracking/store.py": "import mlflow, sync.report.page",
        "sync/files/splitwisesim.py": "import sync.results.journal",
        "sync/load.py": "import sync.tracking.store",
        "sync/commands/show.py": "import sync.load",
        "sync/__main__.py": "import sync.commands.show",
        "sweep/experiment/point.py": "import configs.compose, traces.workload",
        "sweep/launch/ray_launcher.py": "import ray, sweep.experiment.point",
        "sweep/planner/base.py": "import sweep.experiment.point, sync.results.journal",
        "sweep/former/keys.py": "import sweep.experiment.point, sync.results.journal",
        "sweep/service.py": "import sweep.launch.ray_launcher, sync.tracking.store",
        "sweep/planned.py": "import sweep.planner.base, sweep.service",
        "sweep/single/command.py": "import hydra, sweep.experiment.point, sweep.calibrate.runs, sim_core.engine",
        "sweep/command.py": "import sweep.service",
        "sweep/__main__.py": "import sweep.command",
        **dict.fromkeys(("sweep/closing.py", "sweep/options.py", "sweep/progress.py", "sweep/results_table.py"), ""),
        **dict.fromkeys(("sweep/status.py", "sweep/tally.py", "sweep/versions.py", "sweep/points_json.py"), ""),
        "sweep/calibrate/runs.py": "import sweep.experiment.point, sync.report.page",
        "sweep/planner/searches.py": "import sweep.tally, sweep.experiment.point",
        "sweep/questions.py": "import sweep.planner.searches",
        "sweep/running.py": "import sweep.service",
        "sweep/searching.py": "import sweep.running, sweep.planner.searches",
        "sweep/planning.py": "import sweep.questions, sweep.searching",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).with_name("__init__.py").touch()
        (tmp_path / name).write_text(text)
    return tmp_path


def test_the_project_keeps_its_contracts() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_allowed_imports_keep_the_contracts(skeleton: Path) -> None:
    result = lint(skeleton)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "8 kept, 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("where", "what", "contract"),
    [
        ("sim_core/engine.py", "import numpy", "the simulator stands on the standard library alone"),
        ("sim_core/engine.py", "import a_package_nobody_has", "the simulator stands on the standard library alone"),
        ("sim_core/engine.py", "def f():\n    import omegaconf", "the simulator stands on the standard library alone"),
        ("sim_core/engine.py", "import configs.compose", "the simulator stands on the standard library alone"),
        ("sim_core/engine.py", "import sweep.single.command", "the simulator stands on the standard library alone"),
        ("sim_core/engine.py", "import traces.workload", "the floors"),
        ("traces/workload.py", "from sweep import service", "the floors"),
        ("sync/results/journal.py", "import sweep.service", "the floors"),
        ("configs/compose.py", "import traces.workload", "the floors"),
        ("sync/results/journal.py", "import sync.tracking.store", "the rooms of sync"),
        ("sync/analysis/standing.py", "def f():\n    import sync.report.page", "the rooms of sync"),
        ("sync/files/splitwisesim.py", "import sync.tracking.store", "the rooms of sync"),
        ("sync/odd.py", "", "the rooms of sync"),
        ("sweep/experiment/point.py", "import sweep.launch.ray_launcher", "the rooms of sweep"),
        ("sweep/launch/worker.py", "import sweep.service", "the rooms of sweep"),
        ("sweep/launch/worker.py", "import sweep.planner.base", "the rooms of sweep"),
        ("sweep/odd.py", "", "the rooms of sweep"),
        ("sweep/service.py", "from ray.exceptions import RayError", "one file imports ray"),
        ("sync/load.py", "def f():\n    import mlflow", "one file imports mlflow"),
        ("configs/silicon/tables.py", "import aiconfigurator_core.sdk", "one file imports aiconfigurator_core"),
        ("sweep/service.py", "def f():\n    import aiconfigurator_core", "one file imports aiconfigurator_core"),
        ("sweep/service.py", "from mlflow import MlflowClient", "one file imports mlflow"),
        (
            "sim_core/engine.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import sim_core.clock",
            "no circles",
        ),
    ],
)
def test_a_forbidden_import_breaks_its_contract(skeleton: Path, where: str, what: str, contract: str) -> None:
    (skeleton / where).write_text(what + "\n")
    result = lint(skeleton)
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{contract} BROKEN" in " ".join(result.stdout.split())


def test_importing_the_simulator_loads_no_third_party_module() -> None:
    script = """
import importlib, pkgutil, sys
before = set(sys.modules)
import sim_core
for module in pkgutil.walk_packages(sim_core.__path__, "sim_core."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
assert "sim_core" in loaded
print(*sorted(loaded - sys.stdlib_module_names - {"sim_core", "sim_core__mypyc"}))
"""
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert (result.returncode, result.stdout.strip()) == (0, ""), result.stdout + result.stderr


def test_importing_the_simulator_loads_nothing_that_only_some_of_its_work_needs() -> None:
    program = "import sys, sim_core; print({'csv', 'hashlib', 'json', 'pathlib', 'statistics'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
