"""found.json: what a planner found, beside the digest of the experiment that asked. It is a file of the journal, and of
the sweep's report in MLflow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from sync.results.entry import json_bytes
from sync.results.found import FILE, Plan
from sync.results.outcome import SweepInfo
from sync.results.privacy import in_texts
from sync.results.sweep_file import read_object

__all__ = ["FILE", "found_bytes", "found_for", "read_found_file"]
_EXPERIMENT = "experiment"


def found_bytes(plan: Plan, info: SweepInfo | None, scrub: Callable[[str], str]) -> bytes:
    """The contents of the file, each text without secrets by `scrub`; `info` is the sweep as the journal keeps it.
    Raises BadField for a plan that could not be read back."""
    return json_bytes({_EXPERIMENT: _digest(info), **in_texts(scrub, plan.to_json_dict())})


def read_found_file(path: Path) -> Plan | None:
    """What was found; None where there is no file. Raises OSError, and SpecError where a value is none that is written
    there."""
    contents = read_object(path)
    return Plan.from_json_dict(contents) if contents else None


def found_for(path: Path, info: SweepInfo | None) -> Plan | None:
    """As `read_found_file`; None as well where another text of the experiment asked, such as one with other limits: its
    answers are none to this one."""
    contents = read_object(path)
    if not contents or contents.get(_EXPERIMENT) != _digest(info):
        return None
    return Plan.from_json_dict(contents)


def _digest(info: SweepInfo | None) -> str:
    """The beginning of the SHA-256 of the experiment's text."""
    return hashlib.sha256(b"" if info is None else info.experiment_text.encode()).hexdigest()[:16]
