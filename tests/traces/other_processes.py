"""Python programs in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def assert_same_in_all(program: str) -> None:
    """`program` prints the same, whatever the seed of hashes."""
    assert len({printed(program, hash_seed) for hash_seed in ("0", "77")}) == 1


def printed(program: str, hash_seed: str) -> str:
    """What `program` prints where the hashes of texts are seeded so."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
