"""A small CSV table of a user's own, with a row a run:

    isl,osl,concurrency,ttft_ms,tpot_ms
    1024,256,16,180,21.5

`rate` (requests/s, Poisson) stands in the place of `concurrency`, or beside it with one of the two left empty. With
columns `isl_min` and `osl_min` lengths are uniform from there on. `requests`, `weight` and `model` may be there, too;
others are left alone.
"""

from __future__ import annotations

import csv
from io import StringIO

from sim_core.errors import SpecError, choices
from sim_core.section import Section
from sweep.calibrate.formats.base import (
    Content,
    Format,
    Lengths,
    MeasuredPoint,
    clients_of,
    mean_ms,
    requests_of,
    tokens_of,
)
from sweep.experiment.file import errors_named

COLUMNS = ("isl", "osl", "ttft_ms", "tpot_ms")
_NUMBERS = (*COLUMNS, "isl_min", "osl_min", "concurrency", "rate", "requests", "weight")


class Table(Format):
    about = "a CSV table with the columns isl, osl, concurrency or rate, ttft_ms, tpot_ms"

    def recognises(self, content: Content) -> bool:
        head = content.text.lstrip().partition("\n")[0]
        return not content.objects and "," in head and len(set(COLUMNS) & set(_names(head))) > 1

    def points(self, content: Content) -> list[MeasuredPoint]:
        try:
            rows = list(csv.reader(StringIO(content.text.strip() + "\n", newline="")))
        except csv.Error as error:
            raise SpecError(f"is no CSV table: {error}", source=content.source) from error
        columns = [name.strip() for name in rows[0]]
        for name in COLUMNS:
            if name not in columns:
                raise SpecError(f"column {name!r} is missing{choices(name, columns)}", source=content.source)
        found = []
        for number, cells in enumerate(rows[1:], 1):
            if any(cell.strip() for cell in cells):
                with errors_named(f"{content.source}, row {number}"):
                    found.append(_point(columns, cells, f"{content.source}, row {number}"))
        if not found:
            raise SpecError("has no row below its header", source=content.source)
        return found


def _names(head: str) -> list[str]:
    return [name.strip() for name in head.split(",")]


def _point(columns: list[str], cells: list[str], name: str) -> MeasuredPoint:
    if len(cells) != len(columns):
        raise SpecError(f"has {len(cells)} cells; the header has {len(columns)}")
    row = Section({column: _value(column, cell.strip()) for column, cell in zip(columns, cells, strict=True)}, "")
    if row.has("concurrency") == row.has("rate"):
        raise SpecError("give each row one of concurrency and rate", key="concurrency")
    clients = clients_of(row, "concurrency") if row.has("concurrency") else None
    prompts, outputs = (_lengths(row, key) for key in ("isl", "osl"))
    if not row.has("ttft_ms") and not row.has("tpot_ms"):
        raise SpecError("give each row a time, this or tpot_ms", key="ttft_ms")
    return MeasuredPoint(
        name,
        prompts,
        outputs,
        mean_ms(row, "ttft_ms") if row.has("ttft_ms") else None,
        mean_ms(row, "tpot_ms") if row.has("tpot_ms") and outputs.high > 1 else None,
        clients,
        row.number("rate", above=True, most=1e6) if row.has("rate") else None,
        requests=requests_of(row, "requests") if row.has("requests") else None,
        model=str(row.value("model")) if row.has("model") else "",
        weight=row.number("weight", above=True, most=1e6) if row.has("weight") else 1.0,
    )


def _lengths(row: Section, key: str) -> Lengths:
    high, least = tokens_of(row, key, row.value(key)), f"{key}_min"
    if not row.has(least):
        return Lengths(high, high)
    low = tokens_of(row, least, row.value(least))
    if low > high:
        raise row.error(least, f"must be at most {key}, {high}")
    return Lengths(low, high)


def _value(column: str, cell: str) -> object:
    """A cell: a number in the columns of numbers; None where it is empty."""
    if not cell:
        return None
    if column not in _NUMBERS:
        return cell
    try:
        return float(cell)
    except ValueError:
        raise SpecError("must be a number", key=column, value=cell) from None
