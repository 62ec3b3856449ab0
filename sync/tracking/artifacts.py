"""An outcome as files of an MLflow run, without secrets. Does not import mlflow."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Mapping, Sequence

from sync.results.entry import entry_bytes
from sync.results.outcome import Outcome
from sync.results.parquet import INSTANCES, UNSERVED, encode_figures, read_beside
from sync.results.plugins import reproduce as command_of
from sync.results.privacy import Scrubber, in_texts
from sync.results.spreadsheet import cell

OUTCOME_FILE = "outcome.json"
REQUESTS_FILE, _SUMMARY_FILE = "requests.parquet", "summary.parquet"
FILES_OF_FIGURES = (OUTCOME_FILE, _SUMMARY_FILE)


def files(outcome: Outcome, scrub: Scrubber) -> dict[str, bytes]:
    """The artifacts by name; those of `FILES_OF_FIGURES` hold goodput, which depends on the SLO."""
    commit = f"# git checkout {outcome.git_commit}\n" if outcome.git_commit else ""
    contents = {
        REQUESTS_FILE: outcome.requests_parquet,
        OUTCOME_FILE: entry_bytes(outcome_values(outcome, scrub), outcome),
        "instances.csv": _csv(read_beside(outcome.requests_parquet, INSTANCES)),
        "unserved.csv": _csv(read_beside(outcome.requests_parquet, UNSERVED)),
        _SUMMARY_FILE: encode_figures(outcome.summary) if outcome.summary else b"",
        "config.yaml": scrub(outcome.config_yaml).encode(),
        "reproduce.sh": scrub(f"{commit}{reproduce(outcome, scrub)}\n").encode(),
        "error.txt": scrub(outcome.error or "").encode(),
    }
    return {name: content for name, content in contents.items() if content}


def _csv(columns: Mapping[str, Sequence[object]]) -> bytes:
    """A table that the interface shows; nothing where there are no rows."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows(map(cell, row) for row in zip(*columns.values(), strict=True))
    return text.getvalue().encode() if any(columns.values()) else b""


def reproduce(outcome: Outcome, scrub: Scrubber) -> str:
    """The command that makes the run again, in a checkout of its commit."""
    return shlex.join(command_of(outcome, scrub))


def outcome_values(outcome: Outcome, scrub: Scrubber) -> dict[str, object]:
    """The outcome's values as they are kept in `OUTCOME_FILE`; its configuration is a file of its own."""
    values: dict[str, object] = in_texts(scrub, outcome.to_json_dict() | {"config_yaml": ""})
    return values
