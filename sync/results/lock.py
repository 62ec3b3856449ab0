"""The lock of a journal: a file that holds the number of the process that writes there."""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from sync.results.inside import open_inside, open_lock

_ATTEMPTS, _PAUSE_S = 4, 0.1
_LONGEST_NUMBER = 20  # digits of a process


def hold_lock(path: Path) -> BinaryIO | None:
    """The locked file, which is made where it is not there: the lock goes with it, also when the process is killed.
    None: another process has it. Raises OSError."""
    lock = open_lock(path)
    if not _locked(lock):
        lock.close()
        return None
    lock.truncate(0)
    lock.write(str(os.getpid()).encode())
    lock.flush()
    return lock


def lock_holder(path: Path) -> str | None:
    """The process that holds the lock at this moment, `unknown` where the file does not say; None: nobody does."""
    with suppress(OSError), open_inside(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            written = lock.read(_LONGEST_NUMBER).decode("ascii", "replace").strip()
            return written if re.fullmatch("[0-9]+", written) else "unknown"
    return None


def _locked(file: BinaryIO) -> bool:
    """Whether it could be locked. Not given up at the first refusal: `lock_holder` asks by trying."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_S)
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False
