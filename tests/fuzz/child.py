"""`python -m tests.fuzz.child KIND SEED CASES`: uses mutations of a kind's example, and prints what came of it as JSON.

A process of its own, since it watches every file that is opened for writing and every process that is started, and
measures its memory. A case may be used (`accepted`) or refused by one of our errors (`refused`); all else is a fault.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import warnings
from pathlib import Path
from types import FrameType
from typing import Any

from sim_core.errors import SimError
from tests.fuzz.kinds import KINDS, Believed

LONGEST_S = 10.0
LONGEST_TEXT = 3200  # characters of a message
MOST_FAULTS = 20  # reported of one kind
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod")
_STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "socket.bind")


class Hang(BaseException):
    """A case took longer than `LONGEST_S`; no `except Exception` of ours can swallow it."""


class Watch:
    """Notes each file that is written outside a folder, and each process or connection that is started."""

    def __init__(self, folder: Path) -> None:
        self._inside = str(folder)
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _STARTS:
            self.seen.append(f"{event} {arguments[:2]}")
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITES:
            self._check(event, arguments[0])
        elif event in _CHANGES:
            for path in arguments[: 2 if event in ("os.rename", "os.symlink", "os.link") else 1]:
                self._check(event, path)

    def _check(self, event: str, path: object) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            name = str(Path(os.fsdecode(path)).resolve())
            if not name.startswith(self._inside) and name != os.devnull and "__pycache__" not in name:
                self.seen.append(f"{event} {name}")


def _alarm(signum: int, frame: FrameType | None) -> None:
    raise Hang


def run(name: str, seed: int, cases: int) -> dict[str, Any]:
    """The counts of a kind's cases, and its first faults with the seeds that make them again."""
    signal.signal(signal.SIGALRM, _alarm)
    warnings.simplefilter("ignore")
    counts = {"accepted": 0, "refused": 0}
    faults: list[str] = []
    longest_s = 0.0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        os.chdir(folder)
        kind = KINDS[name](folder)
        watch = Watch(folder)
        for case in range(seed, seed + cases):
            begin = time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
            try:
                fault = _fault(kind.use, case, counts)
            except Hang:
                fault = f"took longer than {LONGEST_S:g} s"
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            longest_s = max(longest_s, time.monotonic() - begin)
            if watch.seen:
                fault, watch.seen = f"{fault or ''} did {watch.seen[:3]}", []
            if fault and len(faults) < MOST_FAULTS:
                faults.append(f"seed {case}: {fault}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {**counts, "faults": faults, "memory_mib": memory, "longest_s": round(longest_s, 2)}


def _fault(use: Any, case: int, counts: dict[str, int]) -> str | None:
    """What is wrong with the way in which a case was taken; None if nothing is."""
    try:
        use(random.Random(case))
    except SimError as error:
        text = str(error)
        counts["refused"] += 1
        if not text or not text.isprintable() or len(text) > LONGEST_TEXT:
            return f"an error that is no line: {text[:200]!r}"
    except Believed as error:
        return f"believed: {error}"
    except Exception as error:
        trace, places = error.__traceback__, []
        while trace:
            places.append(f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}")
            trace = trace.tb_next
        return f"{type(error).__name__}: {str(error)[:150]!r} at {' '.join(places[-5:])}"
    else:
        counts["accepted"] += 1
    return None


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
