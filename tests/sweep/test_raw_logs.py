from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sweep.experiment.point import project_root
from sweep.launch.raw_logs import raw_logs_dropped

RAW = b"[2026-01-02 10:20:30,748 W 25320 25320] gcs_client.cc:210: Failed to get cluster ID\n"
FATAL = b"[2026-01-02 10:20:30,748 C 25320 25320] node.cc:1: Check failed\n"


def test_raw_logs_are_dropped_and_everything_else_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with raw_logs_dropped():
        os.write(2, RAW + b"ours\n" + RAW + FATAL + b"no end of line")
    os.write(2, b"\n" + RAW)
    assert capfd.readouterr().err == f"ours\n{FATAL.decode()}no end of line\n{RAW.decode()}"


def test_the_last_words_of_a_process_that_ends_on_the_spot_are_shown() -> None:
    script = "import os\nfrom sweep.launch.raw_logs import raw_logs_dropped\n"
    script += "with raw_logs_dropped():\n    os.write(2, b'last words'); os._exit(3)"
    ended = subprocess.run([sys.executable, "-c", script], cwd=project_root(), capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (3, b"last words")
