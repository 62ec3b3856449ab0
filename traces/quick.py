"""Reads small, faultless SplitwiseSim CSV files without Arrow, whose import takes longer than reading them."""

from __future__ import annotations

from collections.abc import Sequence
from operator import le
from pathlib import Path
from typing import Any

from sim_core.trace import Trace
from traces.cells import DEFAULT, LEAST, BadCell, integers, times
from traces.writer import GENERATIVE_LLM

SMALL_BYTES = 1_500_000  # above this size Arrow is quicker, its import included
RENAMED = {"prompt_tokens": "prompt_size", "output_tokens": "token_size"}
# the cells of columns that are missing
USUAL = {column: str(number) for column, number in (DEFAULT | {"request_type": GENERATIVE_LLM}).items()}


def read_small(path: Path, name: str) -> Trace | None:
    """The trace in a plain SplitwiseSim CSV, as `traces.reading.read_trace` reads it.

    None for any other file (larger, packed, quoted, unsorted or faulty): traces.reading reads it or explains the fault.
    """
    try:
        if path.stat().st_size > SMALL_BYTES:
            return None
        cells = _columns(path.read_bytes().decode("ascii"))
        numbers: dict[str, Any] = {
            name: integers(cells[RENAMED.get(name, name)], least) for name, least in LEAST.items()
        }
        arrival_s = times(cells["arrival_timestamp"])
    except (OSError, ValueError, KeyError, BadCell):
        return None
    ids = numbers["request_id"]
    sound = all(map(le, arrival_s, arrival_s[1:])) and len(set(ids)) == len(ids) > 0
    if not sound or set(cells["request_type"]) != {USUAL["request_type"]}:
        return None
    return Trace(name=name, arrival_s=arrival_s, **numbers)


def _columns(text: str) -> dict[str, Sequence[str]]:
    """The cells by column; ValueError if the text is no plain table."""
    if '"' in text or "\0" in text:
        raise ValueError("quoted")
    header, *rows = [line.split(",") for line in text.replace("\r\n", "\n").split("\n") if line]
    if len(set(header)) != len(header):
        raise ValueError("a column is there twice")
    columns: dict[str, Sequence[str]] = dict(zip(header, zip(*rows, strict=True), strict=True))
    return {column: [cell] * len(rows) for column, cell in USUAL.items()} | columns
