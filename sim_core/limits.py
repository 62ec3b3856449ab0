"""How much of a file is read at most: limits that protect memory and time against files of unknown origin.

The defaults are far above what real files need. A person raises a limit by the option `--allow NAME=NUMBER` of a
command; no file can. The environment variable SIM_ALLOW carries raised limits to worker processes. docs/limits.md lists
all limits with their reasons.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from functools import cache
from typing import TYPE_CHECKING

from sim_core.errors import SpecError, choices
from sim_core.record import record

if TYPE_CHECKING:
    import argparse

VARIABLE = "SIM_ALLOW"  # NAME=NUMBER,NAME=NUMBER
OPTION = "--allow"
MOST = 10**19  # of any limit


@record
class Limits:
    """The limits by name. Those that end in `_bytes` are bytes, in `_s` seconds; the others are counts."""

    yaml_bytes: int = 1 << 20  # of a YAML file, such as an experiment, a recipe or limits of an SLO
    json_bytes: int = 1 << 26  # of a JSON file
    json_values: int = 8_000_000  # of a JSON file: the values in its lists and mappings
    json_lists: int = 2_000_000  # of a JSON file: its lists and mappings
    entry_bytes: int = 1 << 22  # of an entry of a journal: the settings and figures of one run
    requests_bytes: int = 1 << 32  # of a run's table of requests in a folder of results
    table_bytes: int = 1 << 24  # of a CSV file of measured times
    plugin_bytes: int = 1 << 18  # of a file with policies of a user's own
    values: int = 100_000  # of a YAML file, each reference to an anchor counted as what it stands for
    levels: int = 50  # of lists and mappings in one another, in YAML and JSON
    characters: int = 100_000  # of one value in YAML
    digits: int = 400  # of one number in YAML and JSON
    references: int = 2_000  # `${...}` in a YAML file
    reference_levels: int = 20  # `${...}` in one another
    trace_bytes: int = 1 << 34  # of a trace file, as it is stored
    expanded_bytes: int = 1 << 36  # of a trace file, unpacked, and of its rows in memory
    small_bytes: int = 1 << 28  # to which any trace file may expand, however small it is
    expansion: int = 50  # times its size to which a larger trace file may expand
    rows: int = 200_000_000  # of a trace file
    blank_lines: int = 1_000_000  # of a trace file
    line_bytes: int = 1 << 21  # of a line of a trace file
    columns: int = 1_000  # of a trace file
    tokens: int = 10_000_000  # of a prompt or an output
    arrival_s: int = 100_000_000_000  # of an arrival: the year 5138 in Unix time; a larger number is not in seconds
    span_s: int = 5_000_000_000  # from the first arrival of a trace to its last

    def too_much(self, name: str, found: int | str, what: str) -> str:
        """The reason in an error: what was found, the limit, and the option that raises it."""
        amount = f"{found:,}" if isinstance(found, int) else found
        return f"{amount} {what}; at most {getattr(self, name):,} {self.hint(name)}"

    def more_than(self, name: str, what: str) -> str:
        """The reason in an error where reading has stopped at the limit, so that the full amount is not known."""
        return f"more than {getattr(self, name):,} {what} {self.hint(name)}"

    def hint(self, name: str) -> str:
        """The option that raises the limit, for the end of an error."""
        return f"({OPTION} {name}=NUMBER raises this limit)"


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


def carried() -> dict[str, str]:
    """The environment of processes on other machines, so that they have this process's limits."""
    return {VARIABLE: os.environ[VARIABLE]} if os.environ.get(VARIABLE) else {}


def add_option(parser: argparse._ActionsContainer, dest: str = "allow") -> None:
    """Adds `--allow NAME=NUMBER`, which may be given several times."""
    help_text = "raise a limit on what is read from files; docs/limits.md lists them"
    parser.add_argument(
        OPTION, dest=dest, action="append", type=_argument, metavar="NAME=NUMBER", default=[], help=help_text
    )


def add_option_everywhere(parser: argparse.ArgumentParser, commands: Iterable[argparse.ArgumentParser]) -> None:
    """Adds `--allow`, in front of a command and behind it; `raised_by` finds both."""
    add_option(parser, "allow_in_front")
    for command in commands:
        add_option(command)


def raised_by(options: argparse.Namespace) -> list[tuple[str, int]]:
    """The limits that the options of a command line raise."""
    return [*getattr(options, "allow_in_front", []), *getattr(options, "allow", [])]


def allowances(texts: Iterable[str]) -> list[tuple[str, int]]:
    """The limits that the values of `--allow` raise. Raises SpecError."""
    try:
        return [allowance(text) for text in texts]
    except ValueError as error:
        raise SpecError(str(error), key=OPTION) from error


def _argument(text: str) -> tuple[str, int]:
    import argparse  # only command lines with this option need it

    try:
        return allowance(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
