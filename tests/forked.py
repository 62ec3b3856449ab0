"""Command lines such as `python -m sim_core ...` in processes of their own, without a second of imports in each.

A server process imports the packages once. For each command it forks a child that has its own arguments, folder,
environment and output, runs the module as `python -m` does, and ends as an interpreter ends. Tests whose subject is the
start of a process (what it imports, hash seeds, other Pythons, signals, launchers) start a real one instead.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LONGEST_S = 240  # after which a child is ended
_servers: list[subprocess.Popen[str]] = []  # none, or the one of this process; it ends when its input does


def run_module(
    module: str, *arguments: str, cwd: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """What `python -m module arguments` does in `cwd`. `environment` takes the place of this process's own."""
    if not _servers:
        surroundings = os.environ | {"PYTHONPATH": str(ROOT)}
        pipe = subprocess.PIPE
        _servers.append(
            subprocess.Popen([sys.executable, __file__], cwd=ROOT, env=surroundings, stdin=pipe, stdout=pipe, text=True)
        )
    (server,) = _servers
    assert server.stdin is not None and server.stdout is not None
    with tempfile.TemporaryDirectory() as folder:
        outputs = [str(Path(folder) / name) for name in ("stdout", "stderr")]
        task = {
            "module": module, "arguments": arguments, "cwd": str(cwd), "outputs": outputs,
            "environment": dict(os.environ if environment is None else environment),
        }  # fmt: skip
        server.stdin.write(json.dumps(task) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        return subprocess.CompletedProcess([module, *arguments], status, *(Path(name).read_text() for name in outputs))


def _tasks() -> dict[str, Any]:
    """Fork a child for each line of standard input, and print its exit status. In a child: return its task."""
    import sweep.single.command  # noqa: F401, imported once for all children

    for line in sys.stdin:
        child = os.fork()
        if not child:
            task: dict[str, Any] = json.loads(line)
            return task
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    raise SystemExit


def _become(task: Mapping[str, Any]) -> None:
    """Turn this process into what `run_module` was asked for, and run it."""
    signal.alarm(LONGEST_S)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, name in zip((1, 2), task["outputs"], strict=True):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
    os.chdir(task["cwd"])
    os.environ.clear()
    os.environ.update(task["environment"])
    sys.argv = [task["module"], *task["arguments"]]
    sys.path[0] = task["cwd"]
    runpy.run_module(task["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _become(_tasks())
