"""Reads small, faultless SplitwiseSim CSV files without Arrow, whose import takes longer than reading them."""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from math import isfinite
from operator import le
from pathlib import Path
from typing import Any

from sim_core.limits import limits
from sim_core.regular_file import open_regular
from sim_core.trace import Trace
from traces.cells import DEFAULT, LEAST, too_late
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
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > SMALL_BYTES:
                return None
            content = file.read(SMALL_BYTES)
        cells = _columns(content.decode("ascii"))
        if "prefix_runs" in cells:
            return None
        numbers: dict[str, Any] = {column: array("q", map(int, cells[RENAMED.get(column, column)])) for column in LEAST}
        arrival_s = array("d", map(float, cells["arrival_timestamp"]))
    except (OSError, ValueError, KeyError, OverflowError):
        return None
    ids = numbers["request_id"]
    sound = len(set(ids)) == len(ids) > 0 and set(cells["request_type"]) == {USUAL["request_type"]}
    large_enough = sound and all(min(numbers[column]) >= least for column, least in LEAST.items())
    if not large_enough or not all(map(isfinite, arrival_s)):
        return None
    if arrival_s[0] < 0.0 or not all(map(le, arrival_s, arrival_s[1:])):
        return None
    tokens = max(max(numbers["prompt_tokens"]), max(numbers["output_tokens"]))
    if tokens > limits().tokens or too_late(arrival_s[0], arrival_s[-1]):
        return None
    return Trace(name=name, arrival_s=arrival_s, **numbers)


def _columns(text: str) -> dict[str, Sequence[str]]:
    """The cells by column; ValueError if the text is no plain table."""
    if '"' in text or "\0" in text or "_" in text.partition("\n")[2]:
        raise ValueError("quoted, or with underscores, which int() takes")
    if text.partition("\n")[0].count(",") >= limits().columns:
        raise ValueError("too many columns")
    header, *rows = [line.split(",") for line in text.replace("\r\n", "\n").split("\n") if line]
    if len(set(header)) != len(header):
        raise ValueError("a column is there twice")
    columns: dict[str, Sequence[str]] = dict(zip(header, zip(*rows, strict=True), strict=True))
    return {column: [cell] * len(rows) for column, cell in USUAL.items()} | columns
