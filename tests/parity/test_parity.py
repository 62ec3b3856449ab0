"""SplitwiseSim's results, request by request: each folder under cases/ is one run of it.

`case.json` holds the overrides, `trace.csv` the input, `expected.csv.gz` what SplitwiseSim made of it.
"""

from __future__ import annotations

import csv
import gzip
import json
import math
from pathlib import Path

import pytest

from configs.compose import CONFIG_DIR, Composer
from sim_core import spec_from_config
from sync.files.splitwisesim import write_outputs
from tests.runs import measured
from traces.workload import TraceRef, load

CASES = sorted(path.parent for path in (Path(__file__).parent / "cases").glob("*/case.json"))
NODES = {"PROMPT": "prompt", "TOKEN": "token", "KVCacheTransfer": "kv"}
TOLERANCE = 1e-9  # relative, and in seconds near zero


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer()


def run(case: Path, composer: Composer, folder: Path) -> dict[int, dict[str, str]]:
    """Simulate a case and read back, from the files, what SplitwiseSim's own files would say."""
    overrides = json.loads((case / "case.json").read_text())["overrides"]
    spec = spec_from_config(composer.resolved(overrides), CONFIG_DIR.parent)
    write_outputs(measured(spec, load(TraceRef("trace", str(case), spec.seed), CONFIG_DIR.parent)), folder)
    with (folder / "detailed" / "0.csv").open(newline="") as file:
        rows = {int(row["request_ids"]): dict(row) for row in csv.DictReader(file)}
    with (folder / "request_nodes.csv").open(newline="") as file:
        for node in csv.DictReader(file):
            row, kind = rows[int(node["request_id"])], NODES[node["node_type"]]
            row[f"{kind}_runner"] = node["runner"]
            row[f"{kind}_start"], row[f"{kind}_end"] = node["start_timestamp"], node["completion_timestamp"]
    return rows


def differences(expected: dict[str, str], actual: dict[str, str]) -> list[str]:
    found = []
    for name, want in expected.items():
        got = actual.get("request_ids" if name == "request_id" else name, "")
        if name.endswith("_runner") or not want or not got:
            same = want == got
        else:
            same = math.isclose(float(want), float(got), rel_tol=TOLERANCE, abs_tol=TOLERANCE)
        if not same:
            found.append(f"{name} {got}, SplitwiseSim {want}")
    return found


def test_the_cases_are_there() -> None:
    assert len(CASES) == 24


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_request_agrees_with_splitwisesim(case: Path, composer: Composer, tmp_path: Path) -> None:
    with gzip.open(case / "expected.csv.gz", "rt", newline="") as file:
        expected = {int(row["request_id"]): row for row in csv.DictReader(file)}
    actual = run(case, composer, tmp_path)
    assert actual.keys() == expected.keys()
    wrong = {request: found for request, row in expected.items() if (found := differences(row, actual[request]))}
    assert not wrong, f"{len(wrong)} requests differ, such as {dict(list(wrong.items())[:3])}"


def test_a_difference_is_noticed(composer: Composer, tmp_path: Path) -> None:
    case = next(path for path in CASES if path.name == "ha_mixed_conv")
    actual = run(case, composer, tmp_path)
    row = dict(actual[0], request_id="0")
    assert differences(row, actual[0]) == []
    assert differences(row | {"response_times": str(float(row["response_times"]) * (1 + 2e-9))}, actual[0])
    assert differences(row | {"token_runner": "a100-80gb_9"}, actual[0])
