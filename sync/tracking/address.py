"""Which MLflow store: MLFLOW_TRACKING_URI, or SQLite below the results folder. Knows addresses, not MLflow."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote

from sim_core.errors import SpecError, choices
from sync.results.privacy import mask_uri

VARIABLE = "MLFLOW_TRACKING_URI"
SERVERS = ("http", "https")
DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def tracking_uri(results: Path, environ: Mapping[str, str] | None = None) -> str:
    """The store's address: that of the environment, else the SQLite file `results`/mlflow.db, absolute.

    Raises SpecError for an address that cannot be an MLflow store's.
    """
    uri = (os.environ if environ is None else environ).get(VARIABLE, "").strip()
    if not uri:
        return sqlite_uri(results / "mlflow.db")
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


def short_sqlite_uri(path: Path) -> str:
    """The address to show: as `sqlite_uri`, but relative where the file is below the working folder."""
    return _address(str(path.relative_to(Path.cwd()))) if path.is_relative_to(Path.cwd()) else sqlite_uri(path)


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
