"""The command that opens MLflow's interface on the results, and the address to open."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from urllib.parse import urlsplit

from sync.results.privacy import has_password, mask_uri
from sync.tracking.address import VARIABLE, is_server, short_sqlite_uri, sqlite_path

PORT = 5000  # MLflow's own choice


def local_address(port: int = PORT) -> str:
    """Where the interface answers on this machine."""
    return f"http://127.0.0.1:{port}/"


def ui_lines(tracking_uri: str, page: str | None = None) -> list[str]:
    """Lines to show: what to type, and the address to open then; `page` is the part behind the server's."""
    command = ui_command(tracking_uri, page)
    return [command] if is_server(tracking_uri) else [command, f"then open {local_address()}{page or ''}"]


def ui_command(tracking_uri: str, page: str | None = None) -> str:
    """A line for the shell. What it starts listens on loopback only, and no password is in it."""
    if is_server(tracking_uri):
        address = f"{_without_user(tracking_uri).rstrip('/')}/{page}" if page else _without_user(tracking_uri)
        return f"{Path(sys.executable).name} -m webbrowser {shlex.quote(address)}"
    return f"{_program()} ui --backend-store-uri {_store(tracking_uri)} --host 127.0.0.1"


def ui_arguments(port: int) -> list[str]:
    """The arguments that start the interface with this interpreter; the address goes by the environment."""
    return [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]


def _without_user(uri: str) -> str:
    parts = urlsplit(uri)
    return mask_uri(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())


def _store(uri: str) -> str:
    # An address with a password came from the environment, so the reader's shell has it there, too.
    if has_password(uri):
        return f'"${VARIABLE}"'
    path = sqlite_path(uri)
    return shlex.quote(uri if path is None else short_sqlite_uri(path))


def _program() -> str:
    """`mlflow` for the reader's shell: by its name where the shell finds it, else this environment's, by its path."""
    own = Path(sys.executable).parent / "mlflow"
    found = shutil.which("mlflow")
    if not own.exists() or (found is not None and Path(found) == own):
        return "mlflow"
    shown = own.relative_to(Path.cwd()) if own.is_relative_to(Path.cwd()) else own
    return shlex.quote(str(shown))
