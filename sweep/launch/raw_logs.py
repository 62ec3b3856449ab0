"""Keeps the raw log lines of Ray's C++ libraries off the screen."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SCREEN = 2  # the file descriptor: the C++ libraries do not use sys.stderr
_PATIENCE_S = 2.0
_FILTER = r"""
import re, sys
raw = re.compile(rb"\[\d{4}-\d\d-\d\d [\d:,]+ [IWE] \d+ \d+\] ")
for line in sys.stdin.buffer:
    if not raw.match(line):
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
"""


@contextmanager
def raw_logs_dropped() -> Iterator[None]:
    """Within this block lines of Ray's raw logs are removed from standard error, except fatal ones.

    A separate process filters: the libraries may abort this process, and their last lines must still be shown.
    """
    sys.stderr.flush()
    command = [sys.executable, "-ISc", _FILTER]
    # A session of its own keeps Ctrl-C from ending the filter.
    filtering = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    assert filtering.stdin is not None
    screen = os.dup(_SCREEN)
    os.dup2(filtering.stdin.fileno(), _SCREEN)
    filtering.stdin.close()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(screen, _SCREEN)
        os.close(screen)
        with suppress(subprocess.TimeoutExpired):  # a process started in this block may still hold the pipe
            filtering.wait(_PATIENCE_S)
