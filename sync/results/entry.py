"""An entry: one outcome as JSON with what proves it. The journal keeps entries, and so does each run in MLflow."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim_core.errors import SpecError
from sim_core.regular_file import check_size
from sync.results import checks
from sync.results.inside import open_inside
from sync.results.outcome import Outcome, checksum

FORMAT = 2  # entries of other formats are read, but their points are run again
# What these functions raise.
NOT_SOUND = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, SpecError)
_DIGEST_OF_NOTHING = hashlib.sha256().hexdigest()
_SHA256 = checks.form("[0-9a-f]{64}", "a SHA-256: 64 of the signs 0-9 and a-f")
_FIELDS: Mapping[str, checks.Check] = {
    "format": checks.whole(0, 1000),
    "parquet_bytes": checks.whole(0, checks.MOST_COUNT),
    "parquet_sha256": checks.optional(_SHA256),
    "outcome_sha256": _SHA256,
}


def entry_bytes(values: Mapping[str, Any], outcome: Outcome) -> bytes:
    """The entry of an outcome's values (`Outcome.to_json_dict`), with the digests of these and of its table."""
    table = outcome.requests_parquet
    digest = (table and outcome.requests_sha256) or sha256(table)  # the table may have been left out since
    digests = {"parquet_bytes": len(table), "parquet_sha256": digest}
    return json_bytes({"format": FORMAT, **digests, "outcome_sha256": checksum(values), "outcome": values})


def sha256(table: bytes) -> str:
    """The digest of a table of requests."""
    return hashlib.sha256(table).hexdigest()


def parse_entry(content: bytes) -> dict[str, Any]:
    """The entry that bytes hold. Raises one of `NOT_SOUND`.

    `configs.bounded.parse_json` would take half as long again, of a file whose size is limited and whose every value
    is checked.
    """
    entry = json.loads(content)
    if not isinstance(entry, dict):
        raise ValueError("not an entry: it is no JSON object")
    checks.check_fields(entry, _FIELDS, may_have_others=True)
    return entry


def sound_outcome(entry: Mapping[str, Any], key: str) -> Outcome:
    """The outcome of an entry, without its table; entries of former formats may lack digests.

    Raises one of `NOT_SOUND` where the entry is not what was written, holds another point, or has a value that no
    outcome has (`sync.results.checks`): whoever edits an entry can compute its digest, too.
    """
    values = entry["outcome"]
    outcome = Outcome.from_json_dict(values)
    if (entry.get("format") == FORMAT or "outcome_sha256" in entry) and checksum(values) != entry["outcome_sha256"]:
        raise ValueError("its figures are not the ones that were written")
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
    with open_inside(path) as file:
        size = os.fstat(file.fileno()).st_size
        check_size(path, size, "requests_bytes")
        if size != entry.get("parquet_bytes", size) and digest is not None:
            raise ValueError(f"its table has {size:,} bytes, and {entry['parquet_bytes']:,} were written")
        if digest is not None and hashlib.file_digest(file, "sha256").hexdigest() != digest:
            raise ValueError("its table is not the one that was written")
        file.seek(0)
        return file.read() if wanted else b""


def has_table(entry: Mapping[str, Any]) -> bool:
    """Whether a table of requests was written beside the entry, as far as it tells."""
    return bool(entry.get("parquet_bytes", True))


def reason_of(error: BaseException) -> str:
    """One of `NOT_SOUND` in words."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def unusable_text(place: object, unusable: Mapping[str, str]) -> str:
    """How many entries of a place cannot be used, and why the first cannot."""
    (name, reason), *others = unusable.items()
    count = "1 entry" if not others else f"{len(unusable):,} entries"
    more = f" (and {len(others):,} more)" if others else ""
    return f"{count} of {place} cannot be used: {name}: {reason}{more}"


def json_bytes(value: object) -> bytes:
    """A value as the lines of a JSON file."""
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
