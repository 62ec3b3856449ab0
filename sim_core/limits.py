"""How much of a file is read at most: limits that protect memory and time against files of unknown origin.

The defaults are far above what real files need. A person raises a limit by the option `--allow NAME=NUMBER` of a
command; no file can. The environment variable SIM_ALLOW carries raised limits to worker processes. docs/limits.md lists
all limits with their reasons.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import cache

from sim_core.errors import SpecError, choices

VARIABLE = "SIM_ALLOW"  # NAME=NUMBER,NAME=NUMBER
OPTION = "--allow"
MOST = 10**18  # of any limit


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits by name. Those that end in `_bytes` are bytes, in `_s` seconds; the others are counts."""

    yaml_bytes: int = 1 << 20  # of a YAML file, such as an experiment, a recipe or limits of an SLO
    json_bytes: int = 1 << 26  # of a JSON file
    table_bytes: int = 1 << 24  # of a CSV file of measured times
    values: int = 100_000  # of a YAML file, each reference to an anchor counted as what it stands for
    levels: int = 50  # of lists and mappings in one another, in YAML and JSON
    characters: int = 100_000  # of one value in YAML
    digits: int = 400  # of one number in YAML and JSON
    references: int = 2_000  # `${...}` in a YAML file
    reference_levels: int = 20  # `${...}` in one another
    trace_bytes: int = 1 << 34  # of a trace file, as it is stored
    expanded_bytes: int = 1 << 36  # of a trace file, unpacked, and of its rows in memory
    expansion: int = 50  # times a trace file may grow when it is unpacked and read, beyond EXPANSION_FREE_BYTES
    rows: int = 200_000_000  # of a trace file
    line_bytes: int = 1 << 22  # of a line of a trace file
    columns: int = 1_000  # of a trace file
    tokens: int = 10_000_000  # of a prompt or an output
    span_s: int = 1_000_000_000  # from the first arrival of a trace to its last

    def too_much(self, name: str, found: object, what: str) -> str:
        """The reason in an error: what was found, the limit, and the option that raises it."""
        amount = f"{found:,}" if isinstance(found, int) else str(found)
        return f"{amount} {what}; at most {getattr(self, name):,} ({OPTION} {name}=NUMBER raises this limit)"


NAMES = tuple(field.name for field in fields(Limits))


def limits() -> Limits:
    """The limits of this process: the defaults, and what SIM_ALLOW raises. Raises SpecError for a bad SIM_ALLOW."""
    return _raised(os.environ.get(VARIABLE, ""))


@cache
def _raised(text: str) -> Limits:
    try:
        return replace(Limits(), **dict(allowance(part) for part in text.split(",") if part.strip()))
    except ValueError as error:
        raise SpecError(str(error), key=VARIABLE) from error


def allowance(text: str) -> tuple[str, int]:
    """Name and number of `NAME=NUMBER`. ValueError if there is no such limit, or the number is none."""
    name, _, number = (part.strip() for part in text.partition("="))
    if name not in NAMES:
        raise ValueError(f"unknown limit {name!r}{choices(name, NAMES)}")
    digits = number.replace("_", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) < len(str(MOST)) and int(digits) > 0):
        raise ValueError(f"{name}={number!r}: write NAME=NUMBER, with a whole number from 1 to {MOST:,}")
    return name, int(digits)


@contextmanager
def allowed(raised: Iterable[tuple[str, int]]) -> Iterator[None]:
    """Within this block this process, and processes that it starts, have these limits."""
    before = os.environ.get(VARIABLE)
    parts = [part for part in (before or "").split(",") if part.strip()]
    text = ",".join([*parts, *(f"{name}={number}" for name, number in raised)])
    try:
        if text:
            os.environ[VARIABLE] = text
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before
