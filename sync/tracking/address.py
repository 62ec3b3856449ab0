"""Which MLflow store: MLFLOW_TRACKING_URI, or SQLite below the results folder; and how to open its interface. Knows
addresses, not MLflow."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sim_core.errors import SpecError, choices
from sync.results.privacy import has_password, mask_uri
from sync.results.sweep import RESULTS

VARIABLE = "MLFLOW_TRACKING_URI"
SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")
DATABASE = "mlflow.db"  # below the results
PORT = 5000  # of the interface: MLflow's own choice


def tracking_uri(results: Path, environ: Mapping[str, str] | None = None) -> str:
    """The store's address: that of the environment, else the SQLite file `results`/mlflow.db, absolute. Raises
    SpecError for an address that cannot be an MLflow store's."""
    uri = (os.environ if environ is None else environ).get(VARIABLE, "").strip()
    if not uri:
        return sqlite_uri(results / DATABASE)
    scheme = uri.partition(":")[0].partition("+")[0] if "://" in uri else ""
    if scheme not in SERVERS + DATABASES:
        reason = f"not an address of an MLflow store{choices(scheme or 'a path', (*SERVERS, *DATABASES))}"
        raise SpecError(reason, key=VARIABLE, value=mask_uri(uri))
    # Absolute: a relative path would be another file in another working folder.
    path = sqlite_path(uri)
    return sqlite_uri(path) if path is not None else uri


def sqlite_uri(path: Path) -> str:
    """The address of the SQLite file at `path`, absolute, and escaped where it must be."""
    return _address(str(path.absolute()))


def short_path(path: Path) -> Path:
    """A path to show: relative where it is below the working folder."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _address(path: str) -> str:
    # SQLAlchemy undoes escapes. MLflow does not, and would make a folder with the escaped name for an address that
    # begins with sqlite:///. So escape only where it is needed, and begin the address differently then.
    escaped = path.replace("%", "%25").replace("?", "%3F")
    return f"sqlite:///{path}" if escaped == path else f"sqlite+pysqlite:///{escaped}"


def sqlite_path(uri: str) -> Path | None:
    """The file behind an SQLite address, None for another store or one in memory."""
    scheme, _, rest = uri.partition("://")
    path = unquote(rest.partition("?")[0].removeprefix("/"))
    if scheme.partition("+")[0] != "sqlite" or not rest.startswith("/") or path in ("", ":memory:"):
        return None
    return Path(path)


def is_server(uri: str) -> bool:
    """Whether `uri` is a tracking server's (which keeps artifacts by its own rules), not a database's."""
    return uri.partition(":")[0] in SERVERS


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
        parts = urlsplit(tracking_uri)
        server = mask_uri(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())  # without the user
        address = f"{server.rstrip('/')}/{page}" if page else server
        return f"{Path(sys.executable).name} -m webbrowser {shlex.quote(address)}"
    variable, options = _store_in_words(tracking_uri)
    return f"{variable}{_program()} -m sync{options} ui"


def _store_in_words(tracking_uri: str) -> tuple[str, str]:
    """What the command line of `python -m sync` needs to find the store: a variable before it, options behind it. An
    address with a password came from the environment, so the reader's shell has it, too."""
    if has_password(tracking_uri):
        return "", ""
    path = sqlite_path(tracking_uri)
    if path is None or path.name != DATABASE:
        return f"{VARIABLE}={shlex.quote(tracking_uri)} ", ""
    folder = short_path(path.parent)
    return "", "" if folder == RESULTS else f" --results {shlex.quote(str(folder))}"


def _program() -> str:
    """This Python for the reader's shell: `python` where the shell finds it by that name, else by its path."""
    found = shutil.which("python")
    if found is not None and Path(found) == Path(sys.executable).with_name("python"):
        return "python"
    return shlex.quote(str(short_path(Path(sys.executable))))
