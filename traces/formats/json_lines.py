"""Files with one JSON object a line, each a request."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from sim_core.errors import choices
from traces.cells import LEAST, MAX_EXACT_FLOAT, MAX_INT, BadCell
from traces.formats.base import CHUNK_ROWS, About, with_tokens
from traces.source import Source
from traces.tally import Tally
from traces.unreadable import not_utf8

_KEY = re.compile(rb'"([A-Za-z_]+)"\s*:')
QUOTE_LENGTH = 60  # of what is quoted in an error
MAX_LINE_BYTES = 1 << 26


@dataclass(frozen=True, slots=True)
class Kept:
    """A key that is kept beside a trace's columns where a request has it."""

    key: str
    type: pa.DataType


@dataclass(frozen=True, slots=True)
class JsonLinesFormat:
    """A layout told by the keys of its first line. `tick_ns` is the unit of its arrival times."""

    about: About
    arrival: str
    tick_ns: int
    prompt: str
    output: str
    kept: tuple[Kept, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()  # keys of requests that a trace cannot express, and why

    @property
    def required(self) -> list[str]:
        """Keys that must be there."""
        return [self.arrival, self.prompt, self.output]

    def sniff(self, head: bytes) -> bool:
        """By the keys of the first line, which may be cut."""
        keys = keys_of(head)
        return set(self.required) <= keys or any(key in keys and self.arrival in keys for key, _ in self.refused)

    def read(self, source: Source, tally: Tally) -> Iterator[pa.RecordBatch]:
        """As TraceFormat."""
        with source.open() as stream:
            lines = iter(lambda: stream.readline(MAX_LINE_BYTES), b"")
            while chunk := list(islice(lines, CHUNK_ROWS)):
                yield self._batch(chunk, tally)
        if not tally.rows:
            raise tally.error("the file is empty")

    def _batch(self, lines: list[bytes], tally: Tally) -> pa.RecordBatch:
        numbers: dict[str, list[int]] = {name: [] for name in ("row", "arrival", "prompt_tokens", "output_tokens")}
        kept: dict[str, list[Any]] = {part.key: [] for part in self.kept}
        for line in lines:
            tally.rows += 1
            request = self._request(line, tally)
            if request is not None:
                for name, number in request[0].items():
                    numbers[name].append(number)
                for key in kept:
                    kept[key].append(request[1].get(key))
        arrays: dict[str, Any] = {name: np.array(values, np.int64) for name, values in numbers.items()}
        arrays |= {part.key: self._kept_array(part, kept[part.key], arrays["row"], tally) for part in self.kept}
        return pa.RecordBatch.from_pydict(with_tokens(arrays, tally, self.prompt))

    def _request(self, line: bytes, tally: Tally) -> tuple[dict[str, int], dict[str, Any]] | None:
        """The numbers of a line and all that it says; None for a blank or bad one."""
        key = ""
        try:
            text = line.decode("utf-8-sig" if tally.rows == 1 else "utf-8").strip()
            if not text:
                return None
            fields = _object(text)
            for key, reason in self.refused:
                if key in fields:
                    raise BadCell(0, reason)
            key = self.arrival
            arrival = _whole(fields, key, 0)
            if arrival * self.tick_ns > MAX_INT:
                raise BadCell(0, f"{arrival} is too large for a time")
            numbers = {"row": tally.rows, "arrival": arrival * self.tick_ns}
            least_output = LEAST["output_tokens"] if tally.zero_output == "error" else 0
            for target, key, least in (("prompt_tokens", self.prompt, 0), ("output_tokens", self.output, least_output)):
                numbers[target] = _whole(fields, key, least)
        except BadCell as bad:
            tally.bad_row(tally.rows, bad.reason, key)
            return None
        except UnicodeDecodeError as error:
            tally.bad_row(tally.rows, not_utf8(error))
            return None
        except (ValueError, RecursionError) as error:
            tally.bad_row(tally.rows, f"is not a JSON object: {error}")
            return None
        return numbers, fields

    def _kept_array(self, part: Kept, values: list[Any], numbers: Any, tally: Tally) -> pa.Array:
        try:
            return pa.array(values, part.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            pass
        for index, value in enumerate(values):
            try:
                pa.array([value], part.type)
            except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
                row = int(numbers[index])
                if not tally.skip_bad_rows:
                    raise tally.error(f"{_quoted(value)} is not {part.type}", row, part.key) from None
                # the request itself is sound: only what is kept beside it is not
                values[index] = None
        return pa.array(values, part.type)


def keys_of(head: bytes) -> set[str]:
    """The keys of a file's first line, if that begins like a JSON object."""
    line = head.removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n", 1)[0]
    return {key.decode() for key in _KEY.findall(line)} if line.startswith(b"{") else set()


def _object(text: str) -> dict[str, Any]:
    fields = json.loads(text, parse_constant=_no_constant)
    if not isinstance(fields, dict):
        raise ValueError(_quoted(fields))
    return fields


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _whole(fields: dict[str, Any], key: str, least: int) -> int:
    if key not in fields:
        raise BadCell(0, f"the key is missing{choices(key, fields)}")
    value = fields[key]
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_EXACT_FLOAT:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadCell(0, f"{_quoted(value)} is not a whole number")
    if value < least:
        raise BadCell(0, f"{value} must be {least} or more")
    if value > MAX_INT:
        raise BadCell(0, f"{value} is too large (at most {MAX_INT})")
    return value


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= QUOTE_LENGTH else f"{text[:QUOTE_LENGTH]}..."
