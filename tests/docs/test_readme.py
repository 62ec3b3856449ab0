"""The Python in README.md runs as it stands, in a folder that has what its commands leave behind."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas
import pytest

from configs.compose import Composer
from sim_core import Trace, simulate, spec_from_config
from sync.results.measure import measure
from tests.docs.pages import ROOT, blocks
from traces import TraceRef, load

README = ROOT / "README.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the project's folder after README's sweep `my-first`, of which two of 150 points were run."""
    place = tmp_path_factory.mktemp("readme")
    (place / "data").symlink_to(ROOT / "data")
    (experiment,) = [block for block in blocks(README, "yaml") if block.startswith("name: my-first\n")]
    (place / "my-first.yaml").write_text(experiment)
    command = [sys.executable, "-m", "sweep", str(place / "my-first.yaml"), "--local", "--sink", "none"]
    command += ["--limit", "2", "--results", str(place / "results")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=240)
    return place


def run_block(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the one Python block of README that contains `words`; the names that it leaves."""
    (text,) = [block for block in blocks(README, "python") if words in block]
    (folder / "block.py").write_text(text)
    monkeypatch.chdir(folder)
    return runpy.run_path("block.py")


def test_the_blocks_of_the_tests_below_are_all_that_there_are() -> None:
    assert len(blocks(README, "python")) == 2


def test_results_are_loaded_as_tables(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = run_block("load_sweep", folder, monkeypatch)["sweep"]
    assert list(sweep.runs["design"]) == ["baseline-h100 8xH100"] * 2
    assert list(sweep.runs["rate"]) == [12, 14]
    assert (sweep.superseded, sweep.left_out) == (0, 0)


def test_a_spec_in_plain_python_gives_the_results_of_the_same_configuration(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = run_block("SimSpec", folder, monkeypatch)
    requests, trace = names["requests"], load(TraceRef("rr_conv_2_2min", "traces/samples", 0), ROOT)
    assert isinstance(trace, Trace)
    assert len(requests) == len(trace) > 200
    overrides = ("cluster=dgx-h100", "cluster.servers.1.count=2", "start_state=baseline",
                 "applications.0.scheduler=jsq", "performance_model=db")  # fmt: skip
    spec = spec_from_config(Composer().resolved(overrides), ROOT)
    pandas.testing.assert_frame_equal(requests, pandas.DataFrame(measure(simulate(spec, trace), spec).requests))
