"""JSON Lines files: one JSON object a line, each a request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa

from sim_core.errors import choices
from sim_core.limits import limits
from traces.cells import INEXACT, LEAST, MAX_EXACT_FLOAT, MAX_INT, BadCell, quoted
from traces.formats import hash_ids
from traces.formats.base import About, Assumed, Example, ReadAgain, with_tokens
from traces.prefixes import TokenBlocks
from traces.read_counts import ReadCounts
from traces.time_unit import UNIT_NS
from traces.trace_file import TraceFile
from traces.unreadable import not_utf8, text_start

_KEY = re.compile(rb'"([A-Za-z_]+)"\s*:')
BLOCK_BYTES = 1 << 19
MAX_NAME, MAX_NAMES = 60, 30  # characters, keys, in a message
LATEST = {unit: MAX_INT // unit_ns for unit, unit_ns in UNIT_NS.items()}  # of the times that fit
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Kept:
    """A key that is kept beside a trace's columns where a request has it."""

    key: str
    type: pa.DataType


HASH_IDS = Kept("hash_ids", pa.null())  # its type is the assumed one of hash_ids.TYPES
TOKEN_IDS = Kept("hash_ids", pa.list_(pa.int64()))  # made from the tokens themselves


@dataclass(frozen=True, slots=True)
class JsonLinesFormat:
    """A layout recognised by the keys of its first line. Times may have fractions; they are read exactly."""

    about: About
    example: Example
    arrival: str
    prompt: str
    output: str
    kept: tuple[Kept, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()  # keys of requests that no trace can hold, and why
    token_ids: tuple[str, str] | None = None  # the keys of the tokens of prompt and output, where files have them

    @property
    def sizes(self) -> tuple[str, str]:
        """As TraceFormat."""
        return self.prompt, self.output

    @property
    def required(self) -> list[str]:
        """Keys that must be there."""
        return [self.arrival, self.prompt, self.output]

    def sniff(self, head: bytes) -> bool:
        """By the keys of the first line, which may be cut."""
        keys = keys_of(head)
        return set(self.required) <= keys or any(key in keys and self.arrival in keys for key, _ in self.refused)

    def read(self, source: TraceFile, counts: ReadCounts, assumed: Assumed) -> Iterator[pa.RecordBatch]:
        """As TraceFormat."""
        blocks = TokenBlocks(assumed.hash_ids.block_tokens)
        with source.open() as stream:
            for lines in _lines(stream, counts):
                yield self._batch(lines, counts, assumed, blocks)
        if not counts.rows:
            raise counts.error("the file is empty")

    def _batch(self, lines: list[bytes], counts: ReadCounts, assumed: Assumed, blocks: TokenBlocks) -> pa.RecordBatch:
        numbers: dict[str, list[int]] = {name: [] for name in ("row", "arrival", "prompt_tokens", "output_tokens")}
        kept: dict[str, list[Any]] = {part.key: [] for part in self.kept}
        blank_lines = 0
        for line in lines:
            counts.rows += 1
            if not line or line.isspace():
                blank_lines += 1
                continue
            request = self._request(line, counts, assumed)
            if request is not None:
                for name, number in request[0].items():
                    numbers[name].append(number)
                if self.token_ids:
                    request[1]["hash_ids"] = self._hash_ids(*request, self.token_ids, counts, blocks)
                for key in kept:
                    kept[key].append(request[1].get(key))
        counts.blank(blank_lines)
        arrays: dict[str, Any] = {name: np.array(values, np.int64) for name, values in numbers.items()}
        for part in self.kept:
            values = kept[part.key]
            if part is HASH_IDS:
                _check_counts(values, arrays, counts, assumed)
            array = _hash_id_array if part is HASH_IDS else _kept_array
            arrays[part.key] = array(part, values, arrays["row"], counts, assumed)
        return pa.RecordBatch.from_pydict(with_tokens(arrays, counts, self.prompt))

    def _hash_ids(
        self,
        numbers: dict[str, int],
        fields: dict[str, Any],
        keys: tuple[str, str],
        counts: ReadCounts,
        blocks: TokenBlocks,
    ) -> list[int] | None:
        """The ids of a request's blocks, from the tokens of its prompt and its output; None without them. TraceError
        for what are no such tokens; where bad rows are left out, the ids are."""
        tokens: list[int] = []
        for key, size in zip(keys, ("prompt_tokens", "output_tokens"), strict=True):
            own = fields.get(key)
            if own is None or not numbers[size]:  # a request without output is a failure, whatever it has
                break
            if not isinstance(own, list) or not set(map(type, own)) <= {int}:
                if not counts.skip_bad_rows:
                    raise counts.error(f"{quoted(own)} is not a list of tokens, whole numbers", numbers["row"], key)
                return None
            tokens += own[: numbers[size]]
            if len(own) != numbers[size]:  # what comes behind them is not known
                break
        return blocks.ids(tokens) if tokens else None

    def _request(
        self, line: bytes, counts: ReadCounts, assumed: Assumed
    ) -> tuple[dict[str, int], dict[str, Any]] | None:
        """The numbers of a line and all its fields; None for a bad line."""
        key = ""
        try:
            text = line.decode("utf-8-sig" if counts.rows == 1 else "utf-8").strip()
            if not text:  # the byte-order mark alone
                return None
            fields = _object(text)
            for key, reason in self.refused:
                if key in fields:
                    raise BadCell(reason)
            key = self.arrival
            numbers = {"row": counts.rows, "arrival": _nanoseconds(fields, key, assumed)}
            least_output = LEAST["output_tokens"] if counts.zero_output == "error" else 0
            for target, key, least in (("prompt_tokens", self.prompt, 0), ("output_tokens", self.output, least_output)):
                numbers[target] = _whole(fields, key, least)
        except BadCell as bad:
            counts.bad_row(counts.rows, str(bad), key)
            return None
        except UnicodeDecodeError as error:
            counts.bad_row(counts.rows, not_utf8(error))
            return None
        except RecursionError:
            counts.bad_row(counts.rows, "is not a JSON object that can be read: it has hundreds of levels")
            return None
        except ValueError as error:
            reason = "a number has thousands of digits" if "integer string conversion" in str(error) else str(error)
            counts.bad_row(counts.rows, f"is not a JSON object: {reason}")
            return None
        return numbers, fields


def _lines(stream: BinaryIO, counts: ReadCounts) -> Iterator[list[bytes]]:
    """The lines, some at a time. TraceError for one that is too long, before it is read whole."""
    most, rest = limits().line_bytes, b""
    while block := stream.read(BLOCK_BYTES):
        lines = (rest + block if rest else block).split(b"\n")
        rest = lines.pop()
        if lines:
            yield lines
        if len(rest) > most:
            raise counts.error(f"the line has {limits().more_than('line_bytes', 'bytes')}", counts.rows + 1)
    if rest:
        yield [rest]


def _kept_array(part: Kept, values: list[Any], rows: Any, counts: ReadCounts, _: Assumed) -> pa.Array:
    array = hash_ids.fitting(values, part.type)
    if array is not None:
        return array

    def sound(value: Any) -> bool:
        return hash_ids.fitting([value], part.type) is not None

    _leave_out(values, sound, str(part.type), rows, part, counts)
    return pa.array(values, part.type)


def _hash_id_array(part: Kept, values: list[Any], rows: Any, counts: ReadCounts, assumed: Assumed) -> pa.Array:
    array = hash_ids.array(values, assumed.ids)
    if array is not None:
        return array
    _leave_out(values, hash_ids.sound, hash_ids.WANTED, rows, part, counts)
    kind = next(kind for kind in hash_ids.from_kind(assumed.ids) if hash_ids.array(values, kind) is not None)
    if kind != assumed.ids:
        raise ReadAgain(ids=kind)
    return hash_ids.array(values, kind)


def _check_counts(values: list[Any], columns: dict[str, Any], counts: ReadCounts, assumed: Assumed) -> None:
    """TraceError for a request with more ids than its prompt has blocks. Where bad rows are left out, its ids are."""
    for index, (ids, prompt_tokens) in enumerate(zip(values, columns["prompt_tokens"].tolist(), strict=True)):
        if isinstance(ids, list) and (why := assumed.hash_ids.too_many(len(ids), prompt_tokens)):
            if not counts.skip_bad_rows:
                raise counts.error(why, int(columns["row"][index]), HASH_IDS.key)
            values[index] = None


def _leave_out(
    values: list[Any], sound: Callable[[Any], bool], wanted: str, rows: Any, part: Kept, counts: ReadCounts
) -> None:
    """TraceError for a value that is not sound. Where bad rows are left out, only that value is left out."""
    for index, value in enumerate(values):
        if not sound(value):
            if not counts.skip_bad_rows:
                raise counts.error(f"{quoted(value)} is not {wanted}", int(rows[index]), part.key)
            values[index] = None


def keys_of(head: bytes) -> set[str]:
    """The keys of a file's first line; none if it does not begin like a JSON object."""
    line = text_start(head).split(b"\n", 1)[0]
    return {key.decode() for key in _KEY.findall(line)} if line.startswith(b"{") else set()


class _Fraction(float):
    """A number with a fraction or an exponent, and its text, from which times are read exactly."""

    __slots__ = ("text",)

    def __new__(cls, text: str) -> _Fraction:
        number = super().__new__(cls, text)
        number.text = text
        return number

    text: str


def _object(text: str) -> dict[str, Any]:
    fields = json.loads(text, parse_constant=_no_constant, parse_float=_Fraction)
    if not isinstance(fields, dict):
        raise ValueError(quoted(fields))
    return fields


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _nanoseconds(fields: dict[str, Any], key: str, assumed: Assumed) -> int:
    """The time rounded to whole nanoseconds. It may be a number written as text."""
    value = _value(fields, key)
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = _Fraction(value)
    if not isinstance(value, int | _Fraction) or isinstance(value, bool):
        raise BadCell(f"{quoted(value)} is not a number")
    if value < 0:
        raise BadCell(f"{value} must be 0 or more")
    unit_ns = UNIT_NS[assumed.unit]
    if value > LATEST[assumed.unit]:
        if not assumed.certain and assumed.unit != "ns" and value <= MAX_INT:
            raise ReadAgain(unit="ns")
        raise BadCell(f"{value} is too large for a time")
    return value * unit_ns if isinstance(value, int) else round(Decimal(value.text) * unit_ns)


def _whole(fields: dict[str, Any], key: str, least: int) -> int:
    value = _value(fields, key)
    if isinstance(value, float):
        if not -MAX_EXACT_FLOAT <= value <= MAX_EXACT_FLOAT:
            raise BadCell(f"{value} {INEXACT}")
        value = int(value) if value.is_integer() else value
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadCell(f"{quoted(value)} is not a whole number")
    if value < least:
        raise BadCell(f"{value} must be {least} or more")
    if value > MAX_INT:
        raise BadCell(f"{value} is too large (at most {MAX_INT})")
    return value


def _value(fields: dict[str, Any], key: str) -> Any:
    if key not in fields:
        names = [name for name in islice(fields, MAX_NAMES) if name.isprintable() and len(name) <= MAX_NAME]
        raise BadCell(f"the key is missing{choices(key, names)}")
    return fields[key]
