"""An entry: one outcome as JSON with what proves it. The journal keeps entries, and so does each run in MLflow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sync.results.outcome import Outcome, checksum

FORMAT = 2  # entries of other formats are read, but their points are run again
NOT_SOUND = (OSError, ValueError, KeyError, TypeError, AttributeError)  # what these functions raise
_DIGEST_OF_NOTHING = hashlib.sha256().hexdigest()


def entry_bytes(values: Mapping[str, Any], table: bytes) -> bytes:
    """The entry of an outcome's values (`Outcome.to_json_dict`), with the digests of these and of its table."""
    digests = {"parquet_bytes": len(table), "parquet_sha256": hashlib.sha256(table).hexdigest()}
    return json_bytes({"format": FORMAT, **digests, "outcome_sha256": checksum(values), "outcome": values})


def sound_outcome(entry: Mapping[str, Any], key: str) -> Outcome:
    """The outcome of an entry, without its table; entries of former formats may lack digests.

    Raises one of `NOT_SOUND` where the entry is not what was written, or holds another point.
    """
    values = entry["outcome"]
    if (entry.get("format") == FORMAT or "outcome_sha256" in entry) and checksum(values) != entry["outcome_sha256"]:
        raise ValueError("its figures are not the ones that were written")
    outcome = Outcome.from_json_dict(values)
    if outcome.key != key:
        raise ValueError("it holds another point")
    return outcome


def checked_table(entry: Mapping[str, Any], path: Path | None, wanted: bool = True) -> bytes:
    """The table of an entry, which is at `path`; empty where it has none or it is not `wanted`.

    Raises one of `NOT_SOUND` where it is not the one that was written, which entries of former formats may not tell.
    """
    digest = entry["parquet_sha256"] if entry.get("format") == FORMAT else entry.get("parquet_sha256")
    if not has_table(entry) or (path is None and digest in (None, _DIGEST_OF_NOTHING)):
        return b""
    if path is None:
        raise ValueError("its table is missing")
    with path.open("rb") as file:
        if digest is not None and hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise ValueError("its table is not the one that was written")
        file.seek(0)
        return file.read() if wanted else b""


def has_table(entry: Mapping[str, Any]) -> bool:
    """Whether a table of requests was written beside the entry, as far as it tells."""
    return bool(entry.get("parquet_bytes", True))


def json_bytes(value: object) -> bytes:
    """A value as the lines of a JSON file."""
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
