"""Mutated files are used or refused in one line, soon, in little memory, with nothing written elsewhere.

    FUZZ_SEED=1000000 FUZZ_CASES=20000 pytest tests/fuzz   tries others, and more

A fault names its seed: `python -m tests.fuzz.child KIND SEED 1` makes it again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.kinds import KINDS

ROOT = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("FUZZ_SEED", "0"))
CASES = int(os.environ.get("FUZZ_CASES", "800"))
MOST_MEMORY_MIB = 1200
SECONDS_A_CASE = 0.5  # on average, on a slow machine that does other work; a single one may take ten


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_file_is_used_or_refused_in_a_line(kind: str, tmp_path: Path) -> None:
    print(f"{CASES} cases from seed {SEED}")  # pytest shows it with a fault
    command = [sys.executable, "-m", "tests.fuzz.child", kind, str(SEED), str(CASES)]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT), "MY_SECRET_TOKEN": "sesame-sesame"}
    child = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60 + CASES * SECONDS_A_CASE
    )
    assert child.returncode == 0, child.stderr[-2000:]
    found = json.loads(child.stdout.splitlines()[-1])
    print(found)
    assert found["faults"] == []
    assert found["accepted"] + found["refused"] == CASES
    assert found["accepted"] > 0 and found["refused"] > 0
    assert found["memory_mib"] < MOST_MEMORY_MIB
