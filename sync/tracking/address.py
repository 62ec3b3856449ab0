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
    """The store's address: the environment's, else `results`/mlflow.db, absolute.

    Raises SpecError for an address that no MLflow store answers to.
    """
    given = (os.environ if environ is None else environ).get(VARIABLE, "").strip()
    if not given:
        return sqlite_uri(results / "mlflow.db")
    scheme = given.partition(":")[0].partition("+")[0] if "://" in given else ""
    if scheme not in SERVERS + DATABASES:
        reason = f"not an address of an MLflow store{choices(scheme or 'a path', (*SERVERS, *DATABASES))}"
        raise SpecError(reason, key=VARIABLE, value=mask_uri(given))
    # A relative SQLite path means another file as soon as somebody changes the working folder.
    path = sqlite_path(given)
    return sqlite_uri(path) if path is not None else given


def sqlite_uri(path: Path) -> str:
    """The address of the SQLite file at `path`, absolute, and escaped where it must be."""
    return _address(str(path.absolute()))


def short_sqlite_uri(path: Path) -> str:
    """As `sqlite_uri`, for a person: relative where the file is below the working folder."""
    return _address(str(path.relative_to(Path.cwd()))) if path.is_relative_to(Path.cwd()) else sqlite_uri(path)


def _address(path: str) -> str:
    # SQLAlchemy takes escapes back; MLflow does not, and makes the folder that it then sees in an address that begins
    # with sqlite:///. So only what must be is escaped, and then the address begins otherwise.
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
