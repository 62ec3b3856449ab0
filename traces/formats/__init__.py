"""The formats of trace files. To add one, write its file in this folder and add its line to FORMATS."""

from __future__ import annotations

from sim_core.errors import TraceError, choices
from traces.cells import quoted
from traces.formats import apex, azure, burstgpt, llmservingsim, mooncake, parquet, splitwise, vidur
from traces.formats.base import TraceFormat
from traces.formats.csv_text import first_line
from traces.formats.json_lines import keys_of
from traces.unreadable import why_unknown, why_unreadable

__all__ = ["FORMATS", "TraceFormat", "by_name", "check_readable", "recognise"]

FORMATS: tuple[TraceFormat, ...] = (
    parquet.FORMAT,
    splitwise.FORMAT,
    azure.AZURE_2023,
    azure.AZURE_2024,
    azure.AZURE_2025,
    mooncake.FORMAT,
    burstgpt.FORMAT,
    vidur.FORMAT,
    llmservingsim.FORMAT,
    apex.FORMAT,
)
SHOWN_NAMES = 8  # columns or keys of an unknown file


def by_name(name: str) -> TraceFormat:
    """The format called `name`. TraceError, with the nearest name, if there is none."""
    formats = {known.about.name: known for known in FORMATS}
    if name not in formats:
        raise TraceError(f"unknown format {name!r}{choices(name, list(formats))}")
    return formats[name]


def recognise(head: bytes, source: str) -> TraceFormat:
    """The format of a file that begins with these unpacked bytes. TraceError, with the nearest format, if it has
    none."""
    check_readable(head, source)
    for known in FORMATS:
        if known.sniff(head):
            return known
    if not head:
        raise TraceError("the file is empty", source=source)
    if reason := why_unknown(head, {column for known in FORMATS for column in known.required}):
        raise TraceError(reason, source=source)
    keys = sorted(keys_of(head))
    names = keys or first_line(head)
    if {"num_prefill_tokens", "num_decode_tokens"} <= set(names):
        raise TraceError("has sizes but no arrivals (column arrived_at): it is no trace", source=source)
    shown = ", ".join(quoted(name)[1:-1] for name in names[:SHOWN_NAMES]) + (
        ", ..." if len(names) > SHOWN_NAMES else ""
    )
    reason = (
        f"is in no known format: its first line has the {'keys' if keys else 'columns'} {shown}{_nearest(set(names))}"
    )
    raise TraceError(f"{reason}; `python -m traces formats` lists the formats", source=source)


def check_readable(head: bytes, source: str) -> None:
    """TraceError for a file that cannot be a trace as it is, such as text in UTF-16 or an archive."""
    if reason := why_unreadable(head):
        raise TraceError(reason, source=source)


def _nearest(names: set[str]) -> str:
    """A hint to the format of which the file has most of the required columns."""
    shares = []
    for known in FORMATS:
        required = set(known.required)
        if found := required & names:
            shares.append((len(found) / len(required), known.about.name, sorted(required - names)))
    if not shares:
        return ""
    _, name, missing = max(shares, key=lambda share: share[0])
    return f"; for the nearest format, {name}, it lacks {', '.join(missing)}" if missing else ""
