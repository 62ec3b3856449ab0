"""Keeps off the screen what Ray's C++ libraries write there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SCREEN = 2  # the file descriptor: these libraries know nothing of sys.stderr
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
    """Within this block standard error goes without the lines of Ray's raw logs, fatal ones excepted.

    A process of its own does it: these libraries may end this one on the spot, and their last words are to be seen.
    """
    sys.stderr.flush()
    command = [sys.executable, "-ISc", _FILTER]
    # In a session of its own, so that Ctrl-C is not for it.
    sieve = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    assert sieve.stdin is not None
    screen = os.dup(_SCREEN)
    os.dup2(sieve.stdin.fileno(), _SCREEN)
    sieve.stdin.close()
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(screen, _SCREEN)
        os.close(screen)
        with suppress(subprocess.TimeoutExpired):  # when a process started meanwhile has standard error from us
            sieve.wait(_PATIENCE_S)
