"""Formats of trace files. A new one is a file here and a line in FORMATS."""

from __future__ import annotations

from sim_core.errors import TraceError, choices
from traces.formats import (
    apex,
    azure2023,
    azure2024,
    azure2025,
    burstgpt,
    llmservingsim,
    mooncake,
    parquet,
    splitwise,
    vidur,
)
from traces.formats.base import TraceFormat
from traces.formats.csv_text import first_line
from traces.formats.json_lines import keys_of
from traces.unreadable import why_unknown, why_unreadable

__all__ = ["FORMATS", "TraceFormat", "by_name", "check_readable", "recognise"]

FORMATS: tuple[TraceFormat, ...] = (
    parquet.FORMAT,
    splitwise.FORMAT,
    azure2023.FORMAT,
    azure2024.FORMAT,
    azure2025.FORMAT,
    mooncake.FORMAT,
    burstgpt.FORMAT,
    vidur.FORMAT,
    llmservingsim.FORMAT,
    apex.FORMAT,
)
SHOWN = 200  # characters of an unknown header


def by_name(name: str) -> TraceFormat:
    """The format called `name`. TraceError, with the nearest name, if there is none."""
    for known in FORMATS:
        if known.about.name == name:
            return known
    names = [known.about.name for known in FORMATS]
    raise TraceError(f"unknown format {name!r}{choices(name, names)}")


def recognise(head: bytes, source: str) -> TraceFormat:
    """The format of a file that begins so. TraceError, with what was looked for, if it has none of them."""
    check_readable(head, source)
    for known in FORMATS:
        if known.sniff(head):
            return known
    if not head:
        raise TraceError("the file is empty", source=source)
    if reason := why_unknown(head, {column for known in FORMATS for column in known.required}):
        raise TraceError(reason, source=source)
    keys = keys_of(head)
    seen = sorted(keys) or first_line(head)
    if {"num_prefill_tokens", "num_decode_tokens"} <= set(seen):
        raise TraceError("has sizes but no arrivals (column arrived_at): it is no trace", source=source)
    looked_for = "; ".join(f"{known.about.name}: {known.about.recognised_by}" for known in FORMATS)
    what = f"keys {', '.join(seen)}" if keys else f"first line {_shown(head)}"
    raise TraceError(f"is in no known format: its {what}{_nearest(set(seen))}. Looked for {looked_for}", source=source)


def check_readable(head: bytes, source: str) -> None:
    """TraceError for a file that can be no trace as it is, such as text in UTF-16 or an archive."""
    if reason := why_unreadable(head):
        raise TraceError(reason, source=source)


def _nearest(seen: set[str]) -> str:
    """The format that has most of its columns there, as a hint."""
    shares = []
    for known in FORMATS:
        required = set(known.required)
        if found := required & seen:
            shares.append((len(found) / len(required), known.about.name, sorted(required - seen)))
    if not shares:
        return ""
    _, name, missing = max(shares, key=lambda share: share[0])
    return f"; most like {name}, but for {', '.join(missing)}" if missing else ""


def _shown(head: bytes) -> str:
    line = head.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    return repr(line if len(line) <= SHOWN else f"{line[:SHOWN]}...")
