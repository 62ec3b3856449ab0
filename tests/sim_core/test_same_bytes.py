"""240 small runs give the recorded bytes, in the form of the core that runs here and as plain Python.

The digests in `digests.json` were recorded where both forms agreed. So they hold the core to them also where it is not
compiled, in other versions of Python, and over time. After a change of results that is meant, record them anew with
`python benchmarks/same_bytes.py --record`; without options the command compares the two forms in many more runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.same_bytes import RECORDED, RECORDED_RANDOM, ROOT, runs
from sim_core.compilation import PURE
from sim_core.errors import SpecWarning
from sync.results.measure import MeasuredRun
from tests.runs import measured
from tests.sim_core.small_runs import digest

GROUPS = ["grid", "random", "closed"]


@pytest.fixture(scope="module")
def recorded() -> dict[str, str]:
    digests: dict[str, str] = json.loads(RECORDED.read_text())
    return digests


@pytest.fixture(scope="module")
def results() -> dict[str, MeasuredRun]:
    with warnings.catch_warnings(action="ignore", category=SpecWarning):
        return {name: measured(*run) for name, run in runs(GROUPS, RECORDED_RANDOM)}


def test_the_core_of_this_process_gives_the_recorded_bytes(
    results: dict[str, MeasuredRun], recorded: dict[str, str]
) -> None:
    assert {name: digest(result) for name, result in results.items()} == recorded


def test_the_plain_core_gives_the_recorded_bytes(recorded: dict[str, str]) -> None:
    command = [sys.executable, "benchmarks/same_bytes.py", "--digests", "--random", str(RECORDED_RANDOM), *GROUPS]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | {PURE: "1"}, text=True, capture_output=True, check=True)
    assert json.loads(done.stdout) == recorded


def test_no_two_of_the_runs_have_the_same_result(recorded: dict[str, str]) -> None:
    assert len(recorded) == len(set(recorded.values())) == 90 + RECORDED_RANDOM + RECORDED_RANDOM // 2


def test_among_the_runs_are_all_ends_and_all_that_can_happen_to_a_request(results: dict[str, MeasuredRun]) -> None:
    many = list(results.values())
    for what in ("completed", "rejected", "unfinished", "standstill", "stopped_s", "cut_at_s", "iterations_beyond"):
        assert sum(bool(getattr(result, what)) for result in many) >= 2, what
    assert sum(result.origin_s > 0 for result in many) >= 3
    assert sum(result.requests["preemptions"].any() for result in many) >= 10
    assert sum(not np.isnan(result.requests["transfer_end_s"]).all() for result in many) >= 50
    assert sum(result.requests["application_id"].any() for result in many) >= 10


def test_the_last_bit_of_one_number_changes_the_digest(results: dict[str, MeasuredRun]) -> None:
    result = results["random 1"]
    column = result.requests["ttft_s"].copy()
    column[-1] = np.nextafter(column[-1], np.inf)
    assert digest(replace(result, requests={**result.requests, "ttft_s": column})) != digest(result)
