"""What requests have in common, in trace files: hash ids of blocks, and runs of addresses (sim_core.prefixes).

A trace that has it has two columns more, once it is read: `prefix_runs`, a list for each request of the first address
and the tokens of each run, one after the other, and `block_tokens`, the tokens of the blocks that texts were compared
in. Addresses come from hash ids: each id gets the addresses of a block, in the order in which ids first come. So the
blocks of a new text are one run.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim_core.errors import TraceError
from sim_core.prefixes import Prefixes
from traces.cells import quoted
from traces.read_counts import ReadCounts

RUNS, BLOCK = "prefix_runs", "block_tokens"
COLUMNS = (BLOCK, RUNS)  # beside reading.COLUMNS
HASH_IDS = "hash_ids"
MOST_BLOCK = 1 << 20  # tokens
MOST_ADDRESS = 1 << 61
WANTED = "runs of a first address (0 or more) and tokens (1 or more), such as 0+512 1024+80"
_RUNS_TYPE = pa.list_(pa.int64())


@dataclass(frozen=True, slots=True)
class HashIds:
    """What the hash ids of a file stand for. `block_tokens`: the tokens of a block; 0: there are no ids. `dialects`:
    the tokens of a block in files with other keys. `with_outputs`: whether ids are those of prompt and output together.
    """

    block_tokens: int = 0
    with_outputs: bool = False
    dialects: Mapping[tuple[str, ...], int] = field(default_factory=dict)

    def of(self, keys: Collection[str], told: int | None, source: str) -> HashIds:
        """Those of a file with these keys in its first line; `told`: the tokens of a block by the user. TraceError
        where there are no ids."""
        if told is not None:
            if not self.block_tokens:
                raise TraceError("--block-tokens: files of this format have no hash ids", source=source)
            if not 1 <= told <= MOST_BLOCK:
                raise TraceError(f"--block-tokens {told}: must be from 1 to {MOST_BLOCK:,}", source=source)
            return replace(self, block_tokens=told)
        fitting = [tokens for own, tokens in self.dialects.items() if set(own) <= set(keys)]
        return replace(self, block_tokens=fitting[0]) if fitting else self

    def too_many(self, ids: int, prompt_tokens: int) -> str:
        """Why a request cannot have so many ids; empty if it can."""
        most = -(-prompt_tokens // self.block_tokens) if self.block_tokens and not self.with_outputs else ids
        if ids <= most:
            return ""
        return (
            f"{ids:,} ids of {self.block_tokens:,} tokens, but {prompt_tokens:,} tokens of prompt have {most:,}; "
            "where blocks have another size, convert the file with --block-tokens N"
        )


class TokenBlocks:
    """Gives full blocks of tokens ids: equal ones for equal tokens."""

    def __init__(self, block_tokens: int) -> None:
        self._block_tokens = block_tokens
        self._ids: dict[tuple[int, ...], int] = {}

    def ids(self, tokens: Sequence[int]) -> list[int]:
        """The ids of the full blocks of a text."""
        block, known = self._block_tokens, self._ids
        ends = range(block, len(tokens) + 1, block)
        return [known.setdefault(tuple(tokens[end - block : end]), len(known)) for end in ends]


class Numbers:
    """Gives each hash id its addresses. Called batch by batch, in order of arrival."""

    def __init__(self, ids: HashIds) -> None:
        self._ids = ids
        self._numbers: dict[Any, int] = {}
        self._next = 0

    def with_runs(self, columns: dict[str, Any], rows: int) -> dict[str, Any]:
        """The columns of `rows` requests with COLUMNS, from their hash ids."""
        ids = columns[HASH_IDS]
        counts = pc.fill_null(pc.list_value_length(ids), 0).to_numpy().astype(np.int64)
        numbers = self._numbered(ids.flatten())
        block, prompts = self._ids.block_tokens, columns["prompt_tokens"].to_numpy()
        covered = counts * block if self._ids.with_outputs else np.minimum(counts * block, prompts)
        return columns | {BLOCK: pa.array(np.full(rows, block)), RUNS: _runs(numbers, counts, covered, block)}

    def _numbered(self, ids: pa.Array) -> Any:
        """The number of each id. An id that is null is like no other."""
        encoded = ids.dictionary_encode()
        known = np.zeros(len(encoded.dictionary), np.int64)
        for place, value in enumerate(encoded.dictionary.to_pylist()):
            known[place] = number = self._numbers.setdefault(value, self._next)
            self._next += number == self._next
        missing = np.asarray(ids.is_null())
        if not missing.any():
            return known[encoded.indices.to_numpy()]
        numbers = np.zeros(len(ids), np.int64)
        numbers[~missing] = known[encoded.indices.drop_null().to_numpy()]
        alone = int(missing.sum())
        numbers[missing] = np.arange(self._next, self._next + alone)
        self._next += alone
        return numbers


def _runs(numbers: Any, counts: Any, covered: Any, block: int) -> pa.Array:
    """Lists of runs from the numbers of blocks, `counts` of them a request; all but the last of a request are full, and
    together they have `covered` tokens."""
    ends = np.cumsum(counts)
    begins_run = np.ones(len(numbers), bool)
    begins_run[1:] = numbers[1:] != numbers[:-1] + 1
    begins_run[(ends - counts)[counts > 0]] = True
    starts = np.flatnonzero(begins_run)
    lengths = np.diff(starts, append=len(numbers)) * block
    runs = np.cumsum(begins_run)  # up to each block
    runs_to = np.where(ends > 0, runs[ends - 1], 0) if len(runs) else np.zeros(len(counts), np.int64)
    has_ids = counts > 0
    lengths[runs_to[has_ids] - 1] -= (counts * block - covered)[has_ids]
    return _lists(np.column_stack([numbers[starts] * block, lengths]).reshape(-1), 2 * runs_to)


def _lists(values: Any, ends: Any) -> pa.Array:
    offsets = np.concatenate([[0], ends]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.astype(np.int64)))


def checked(batch: pa.RecordBatch, counts: ReadCounts) -> pa.RecordBatch:
    """A batch of a file that may have runs, with COLUMNS as they should be; runs may be text. A row whose runs make no
    sense is a bad row."""
    if RUNS not in batch.schema.names:
        return batch
    columns = {name: batch[name] for name in batch.schema.names}
    rows, prompts, outputs = (batch[name].to_numpy() for name in ("row", "prompt_tokens", "output_tokens"))
    if BLOCK not in columns:
        columns[BLOCK] = pa.array(np.ones(batch.num_rows, np.int64))
    columns[BLOCK] = _blocks(columns[BLOCK], counts)
    lists: list[list[int]] = []
    bad: list[int] = []
    for place, value in enumerate(batch[RUNS].to_pylist()):
        runs = _parsed(value)
        if runs is None or sum(runs[1::2]) > prompts[place] + outputs[place]:
            why = "is not " + WANTED if runs is None else "has more tokens than prompt and output"
            counts.bad_row(int(rows[place]), f"{quoted(value)} {why}", RUNS)
            bad.append(place)
        lists.append(runs or [])
    columns[RUNS] = pa.array(lists, _RUNS_TYPE)
    found = pa.RecordBatch.from_pydict(columns)
    return found.filter(pa.array(~np.isin(np.arange(batch.num_rows), bad))) if bad else found


def _blocks(values: pa.Array, counts: ReadCounts) -> pa.Array:
    """The tokens of a block in each row, from numbers or texts; 0 where there are none."""
    try:
        if pa.types.is_string(values.type):
            values = pc.if_else(pc.equal(values, ""), "0", values)
        found = pc.fill_null(values.cast(pa.int64()), 0)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise counts.error("must be whole numbers", column=BLOCK) from None
    if len(found) and not 0 <= pc.min(found).as_py() <= pc.max(found).as_py() <= MOST_BLOCK:
        raise counts.error(f"must be from 0 to {MOST_BLOCK:,}", column=BLOCK)
    return found


def _parsed(value: object) -> list[int] | None:
    """A row's runs, from a list or a text; None for what is none."""
    if value is None:
        return []
    if isinstance(value, str):
        parts = [number for run in value.split() for number in run.split("+")]
        if any(run.count("+") != 1 for run in value.split()) or not all(p.isascii() and p.isdecimal() for p in parts):
            return None
        if any(len(part) > 20 for part in parts):
            return None
        value = [int(part) for part in parts]
    if not isinstance(value, list) or len(value) % 2 or not all(type(number) is int for number in value):
        return None
    sound = all(0 <= first <= MOST_ADDRESS for first in value[::2]) and all(0 < n <= MOST_ADDRESS for n in value[1::2])
    return value if sound else None


def text_of(runs: Sequence[int] | None) -> str:
    """A row's runs as CSV has them."""
    return " ".join(f"{first}+{tokens}" for first, tokens in zip(*[iter(runs or ())] * 2, strict=True))


class Collected:
    """The runs of all rows of a trace, from its batches."""

    def __init__(self) -> None:
        self._counts: list[Any] = []
        self._values: list[Any] = []
        self._block_tokens = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """The next rows."""
        if RUNS not in batch.schema.names:
            self._counts.append(np.zeros(batch.num_rows, np.int64))
            return
        runs = batch[RUNS]
        self._counts.append(pc.fill_null(pc.list_value_length(runs), 0).to_numpy().astype(np.int64) // 2)
        self._values.append(runs.flatten().to_numpy())
        self._block_tokens = max(self._block_tokens, pc.max(batch[BLOCK]).as_py() or 0)

    def prefixes(self) -> Prefixes | None:
        """The runs of the trace; None if no request has any."""
        if not any(map(len, self._values)):
            return None
        begins = np.concatenate([[0], np.cumsum(np.concatenate(self._counts))])
        values = np.concatenate(self._values)
        return prefixes_of(begins, values[::2], values[1::2], max(self._block_tokens, 1))


def prefixes_of(begins: Any, firsts: Any, lengths: Any, block_tokens: int) -> Prefixes:
    """Prefixes from NumPy's columns."""
    begins, firsts, lengths = (array("q", part.astype(np.int64).tobytes()) for part in (begins, firsts, lengths))
    return Prefixes(begins, firsts, lengths, block_tokens)


def columns_of(prefixes: Prefixes) -> dict[str, pa.Array]:
    """The COLUMNS of a trace."""
    begins, firsts, lengths = (np.frombuffer(column, np.int64) for column in prefixes.columns)
    block_tokens = np.full(len(begins) - 1, prefixes.block_tokens, np.int64)
    return {BLOCK: pa.array(block_tokens), RUNS: _lists(np.column_stack([firsts, lengths]).reshape(-1), 2 * begins[1:])}


def addresses(batches: Iterable[pa.RecordBatch]) -> int:
    """The number of addresses of a trace: all are less."""
    most = 0
    for batch in batches:
        if RUNS in batch.schema.names:
            values = batch[RUNS].flatten().to_numpy()
            most = max(most, int((values[::2] + values[1::2]).max(initial=0)))
    return most


def moved(runs: pa.Array, by: int) -> pa.Array:
    """Runs whose addresses are larger by `by`."""
    values = runs.flatten().to_numpy().copy()
    values[::2] += by
    ends = np.cumsum(pc.fill_null(pc.list_value_length(runs), 0).to_numpy())
    return _lists(values, ends)


def cut(runs: pa.Array, tokens: Any) -> pa.Array:
    """Runs of which only the first `tokens` of each row are kept."""
    lists = []
    for value, left in zip(runs.to_pylist(), tokens.tolist(), strict=True):
        kept: list[int] = []
        for first, length in zip(*[iter(value or ())] * 2, strict=True):
            if left > 0:
                kept += (first, min(length, left))
            left -= length
        lists.append(kept)
    return pa.array(lists, _RUNS_TYPE)
