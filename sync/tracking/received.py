"""What a database in a results folder may say: it may have come with them from somebody else.

Such a database can name any place for the files of runs: on another machine, where MLflow would send the user's token
and results, or any folder here. And it can hold SQL of its own, which may never end. So files are looked for below the
results alone, and a database with views, or with triggers on tables in use, is not opened.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sim_core.errors import OutputError
from sim_core.regular_file import not_regular
from sync.results.inside import is_file, refuse_links
from sync.tracking.address import VARIABLE, short_path

_BESIDE = ("", "-wal", "-shm", "-journal")  # the database, and the files that SQLite keeps beside it
# MLflow's one trigger is on a table that is not used here.
_OWN_SQL = """SELECT type, name FROM sqlite_master WHERE type = 'view' OR (type = 'trigger' AND tbl_name <> 'secrets')
OR sql LIKE 'CREATE VIRTUAL%' LIMIT 1"""

_PLACES = {"experiments": "artifact_location", "runs": "artifact_uri", "logged_models": "artifact_location"}
_SERVED = "mlflow-artifacts:"  # by the interface itself, from below the results


def check_database(path: Path) -> None:
    """Raise OutputError for a database that is a link or no file, or that holds SQL of its own. Raises sqlite3.Error
    for one that cannot be read."""
    for name in _BESIDE:
        place = path.with_name(path.name + name)
        if place.is_symlink():
            reason = "is a symbolic link; inside a results folder links are not followed"
            raise OutputError(f"{reason} ({VARIABLE} may name the database)", source=str(short_path(place)))
        if reason := not_regular(place):
            raise OutputError(reason, source=str(short_path(place)))
    if path.exists():
        with closing(sqlite3.connect(path)) as database:
            found = database.execute(_OWN_SQL).fetchone()
        if found:
            reason = (
                f"has a {found[0]} of its own ({found[1]!r}), which MLflow's databases do not have; remove the file"
            )
            raise OutputError(reason, source=str(short_path(path)))


def check_places(path: Path, artifacts: Path) -> None:
    """Raise OutputError where the database has files anywhere else than in a folder called as `artifacts` is: MLflow's
    interface would fetch them from there, for everybody who can reach it."""
    if not path.exists():
        return
    with closing(sqlite3.connect(path)) as database:
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table, column in _PLACES.items():
            found = database.execute(f"SELECT DISTINCT {column} FROM {table}") if table in tables else ()
            for (address,) in found:
                if address and not str(address).startswith(_SERVED) and place_to_read(str(address), artifacts) is None:
                    reason = f"has files of runs at {address}, and not below {short_path(artifacts)}: it is not served"
                    raise OutputError(reason, source=str(short_path(path)))


def place_to_read(artifact_uri: str, artifacts: Path) -> Path | None:
    """The folder of a run's files below `artifacts`, also where the results were moved or copied after the database was
    written; None for any other place."""
    path = _path(artifact_uri)
    if path is None:
        return None
    _, name, rest = path.rpartition(f"/{artifacts.name}/")
    place = Path(os.path.normpath(artifacts / rest)) if name else None
    return place if place is not None and place.is_relative_to(artifacts) and place != artifacts else None


def place_to_write(artifact_uri: str, artifacts: Path) -> Path:
    """The folder of a run's files. Raises OutputError where it is elsewhere than below `artifacts`."""
    path = _path(artifact_uri)
    if path is None or not Path(path).resolve().is_relative_to(artifacts.resolve()):
        reason = f"MLflow's database has files of this run there, and not below {short_path(artifacts)}"
        advice = "nothing is written there (without mlflow.db, `python -m sync replay` makes a new database)"
        raise OutputError(f"{reason}: {advice}", source=artifact_uri if path is None else path)
    return Path(path)


def file_to_read(artifact_uri: str, name: str, artifacts: Path) -> Path:
    """A file of a run below `artifacts`. Raises FileNotFoundError where there is none, and OutputError for a link."""
    place = place_to_read(artifact_uri, artifacts)
    if place is None or not os.path.lexists(place / name):
        raise FileNotFoundError(f"{artifact_uri} has no {name}")
    refuse_links(place, artifacts.parent)
    if not is_file(place / name):
        raise OutputError("is no regular file; only such files are read", source=str(place / name))
    return place / name


def _path(artifact_uri: str) -> str | None:
    """The path on this machine that an address of files names; None for any other address."""
    try:
        parts = urlsplit(artifact_uri)
    except ValueError:
        return None
    if parts.scheme not in ("", "file") or parts.netloc or not parts.path.startswith("/"):
        return None
    return unquote(parts.path)
