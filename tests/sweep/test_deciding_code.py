"""The code that decides outcomes: besides the simulator's that of the figures, and none that reads configurations."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import sim_core
from sim_core import Code
from sync.results.code import FIGURES, deciding_code
from tests.sim_core import worlds

PROJECT = Path(sim_core.__file__).parents[1]
SPEC = worlds.spec("jsq")


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the files of the simulator and of the figures."""
    folder = tmp_path_factory.mktemp("project")
    for package in ("sim_core", "sync"):
        shutil.copytree(PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def digest(folder: Path) -> str:
    return Code(folder / "sim_core", FIGURES).digest_for(SPEC)


def digest_after(folder: Path, file: str, old: str, new: str) -> str:
    """The digest of the copy with this one change, which is undone."""
    path = folder / file
    text = path.read_text()
    assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
    path.write_text(text.replace(old, new))
    try:
        return digest(folder)
    finally:
        path.write_text(text)


def test_the_digest_of_a_copy_is_the_same_and_covers_the_figures(copied: Path) -> None:
    assert digest(copied) == deciding_code().digest_for(SPEC) != Code().digest_for(SPEC)
    added = deciding_code().parts_for(SPEC).keys() - Code().parts_for(SPEC).keys()
    figures = {f"sync.results.{name}" for name in ("measure", "metrics", "provenance", "statistics")}
    assert added == {*figures, "sim_core.reference"}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("sync/results/measure.py", "outputs - 1\n", "outputs - 2\n"),
        ("sync/results/statistics.py", "return fsum(values) / len(values)", "return sum(values) / len(values)"),
        ("sync/results/metrics.py", '"p95"', '"p96"'),
        ("sim_core/reference.py", '"a100-80gb"', '"h100-80gb"'),
        ("sim_core/engine.py", "calls += 1", "calls += 2"),
    ],
)
def test_a_changed_formula_changes_the_key(copied: Path, file: str, old: str, new: str) -> None:
    assert digest_after(copied, file, old, new) != digest(copied)


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("sync/results/measure.py", '"""How the run ended, and what became of its requests."""', '"""Said better."""'),
        ("sync/results/statistics.py", '"""The arithmetic mean of at least one value."""', '"""The mean."""'),
        ("sync/results/figures.py", "GROWTH = 0.01", "GROWTH = 0.02"),  # is worked out anew by the SLO
        ("sim_core/performance/constant.py", '"prompt_time", "token_time"', '"prompt_seconds", "token_seconds"'),
        ("sim_core/batching/splitwise.py", '"max_batch_tokens", 1', '"max_batch_tokens", 2'),
        ("sim_core/performance/measurements.py", "len(by_tokens) < 2", "len(by_tokens) < 3"),
        ("sim_core/section.py", "MOST = 10**18", "MOST = 10**17"),
    ],
)
def test_a_docstring_and_the_reading_of_a_configuration_change_no_key(
    copied: Path, file: str, old: str, new: str
) -> None:
    assert digest_after(copied, file, old, new) == digest(copied)
