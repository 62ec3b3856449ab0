"""Errors of MLflow's stores in short: what a person can do something about. Does not import mlflow."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sync.results.privacy import mask_uri
from sync.tracking.address import is_server


@contextmanager
def plain_errors(uri: str) -> Iterator[None]:
    """Raise a short ConnectionError where the server at `uri` does not answer or the database there cannot be used;
    mlflow's own errors take several lines."""
    try:
        yield
    except FileNotFoundError:  # a file was asked for, and the store has answered
        raise
    except ModuleNotFoundError as error:  # a database's driver
        reason = f"needs the Python package {error.name}, which is not installed"
        raise ConnectionError(f"{mask_uri(uri)} {reason}") from error
    except Exception as error:
        for cause in _chain(error):
            if isinstance(cause, OSError) and is_server(uri):
                raise ConnectionError(f"{mask_uri(uri)} does not answer ({type(cause).__name__})") from error
            if isinstance(cause, sqlite3.Error):  # locked, read-only, full, or no database at all
                raise ConnectionError(f"{mask_uri(uri)} cannot be used: {cause}") from error
        raise


def is_missing(error: Exception) -> bool:
    """Whether a download failed since the file is not there, and not since nobody answers."""
    answer = getattr(error, "response", None)  # of HTTP libraries, and of boto a dictionary
    code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else getattr(answer, "status_code", None)
    missing = str(code) in ("404", "NoSuchKey") or getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST"
    return missing or isinstance(error, FileNotFoundError)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, the error that it was raised from or during, and so on."""
    while error is not None:
        yield error
        error = error.__context__
