"""The base of all formats of trace files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from traces.cells import LEAST, BadCell, seconds
from traces.prefixes import HashIds
from traces.read_counts import ReadCounts
from traces.time_unit import Times
from traces.trace_file import TraceFile

# A trace's columns of whole numbers; other columns of a file are kept beside them.
WHOLE = ("request_id", "application_id", "batch_size", "prompt_tokens", "output_tokens")
SINGLE_CELLS = 64  # at most so many cells are looked at one by one


@dataclass(frozen=True, slots=True)
class About:
    """The description of a format. `own_times`: times stay as they are, not counted from the first arrival."""

    name: str
    title: str
    publisher: str
    licence: str
    recognised_by: str
    kept: str = ""  # the columns kept beside a trace's
    own_times: bool = False
    times: Times = field(default_factory=Times)  # times of day, unless given
    hash_ids: HashIds = field(default_factory=HashIds)
    zero_output: str = "drop"  # what happens to requests without output unless the user says otherwise


@dataclass(frozen=True, slots=True)
class Example:
    """A small file of a format and the requests that it must be read as; tests check all formats by theirs.

    `requests` are (arrival in seconds, prompt tokens, output tokens); `kept` the columns kept beside them;
    `zero_output` the number of rows that have no output and are left out.
    """

    content: bytes
    requests: tuple[tuple[float, int, int], ...]
    kept: dict[str, list[Any]] = field(default_factory=dict)
    zero_output: int = 0


@dataclass(frozen=True, slots=True)
class Assumed:
    """Assumptions made while a file is read: the unit of its times, and the type and the meaning of its hash ids.

    `certain`: the unit comes from the user or the layout; otherwise it is a first guess.
    """

    unit: str
    certain: bool = True
    ids: str = "int64"  # one of hash_ids.TYPES
    hash_ids: HashIds = field(default_factory=HashIds)


class ReadAgain(Exception):
    """An assumption is wrong: the file must be read once more from the beginning, with this `unit` or these `ids`.

    An empty one stays as it was assumed.
    """

    def __init__(self, unit: str = "", ids: str = "") -> None:
        super().__init__(unit or ids)
        self.unit, self.ids = unit, ids


class TraceFormat(Protocol):
    """Recognises files of one layout and reads them."""

    @property
    def about(self) -> About: ...

    @property
    def example(self) -> Example: ...

    @property
    def arrival(self) -> str:
        """The name that such files give the column of arrivals."""
        ...

    @property
    def sizes(self) -> tuple[str, str]:
        """The names that such files give the columns of prompts and of outputs."""
        ...

    @property
    def required(self) -> Sequence[str]:
        """The columns that must be there."""
        ...

    def sniff(self, head: bytes) -> bool:
        """Whether a file that begins with these unpacked bytes (perhaps the whole file) has this layout."""
        ...

    def read(self, source: TraceFile, counts: ReadCounts, assumed: Assumed) -> Iterator[pa.RecordBatch]:
        """Record batches in the file's order, each row being one request.

        Columns: `row` (its number in the file, from 1, ascending), `arrival` (int64 nanoseconds or float64 seconds, of
        any origin), `prompt_tokens` and `output_tokens` (at least 1), perhaps the others of WHOLE, and the file's other
        columns. All batches have one schema. Bad rows go to `counts`, which raises TraceError or counts them.
        ReadAgain where the file cannot be read as assumed (never because of a unit that is certain).
        """
        ...


@dataclass(frozen=True, slots=True)
class Kind:
    """How cells become numbers, from `least` on.

    `column` converts an Arrow array to a NumPy array, or gives None if any cell is not plainly right. `cell` converts
    a single one, as Python's value; BadCell says what is wrong with it.
    """

    column: Callable[[pa.Array, int], Any]
    cell: Callable[[Any, int], Any]

    def converted(self, cells: pa.Array, least: int) -> tuple[Any, dict[int, str]]:
        """The numbers, and the reasons why cells are wrong, by their places (the number there means nothing)."""
        numbers = self.column(cells, least)
        if numbers is not None:
            return numbers, {}
        if len(cells) <= SINGLE_CELLS:
            return self._one_by_one(cells.to_pylist(), least)
        half = len(cells) // 2
        first, wrong = self.converted(cells.slice(0, half), least)
        second, also_wrong = self.converted(cells.slice(half), least)
        return np.concatenate([first, second]), wrong | {half + place: why for place, why in also_wrong.items()}

    def _one_by_one(self, cells: list[Any], least: int) -> tuple[Any, dict[int, str]]:
        numbers, wrong = [], {}
        for place, cell in enumerate(cells):
            try:
                numbers.append(self.cell(cell, least))
            except BadCell as bad:
                numbers.append(0)
                wrong[place] = str(bad)
        return np.array(numbers), wrong


def seconds_column(cells: pa.Array, least: int) -> Any:
    """Times in seconds, of text or numbers, as float64; `least` is not used, as no time may be negative."""
    try:
        numbers = cells.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)  # an empty cell is NaN
    except pa.ArrowInvalid:
        return None
    return numbers if ((numbers >= 0.0) & np.isfinite(numbers)).all() else None


SECONDS = Kind(seconds_column, lambda cell, least: seconds(cell))


def requests(
    columns: dict[str, Any], wrong: Mapping[int, tuple[str, str]], counts: ReadCounts, prompt: str
) -> pa.RecordBatch:
    """The sound rows of the columns. `wrong` has a reason and a column for each wrong row, by its number.

    An empty reason leaves the row out without a count. `prompt` is the file's name for the column of prompts.
    """
    for number, (reason, column) in sorted(wrong.items()):
        if reason:
            counts.bad_row(number, reason, column)
    if wrong:
        columns = selected(columns, ~np.isin(columns["row"], list(wrong)))
    return pa.RecordBatch.from_pydict(with_tokens(columns, counts, prompt))


def with_tokens(columns: dict[str, Any], counts: ReadCounts, prompt: str) -> dict[str, Any]:
    """The columns (NumPy or Arrow arrays of one length) with requests without output left out or mended.

    The other requests must have a prompt; `prompt` is the file's name for that column.
    """
    empty = columns["output_tokens"] < 1
    if count := int(empty.sum()):
        counts.zero_output_rows += count
        if counts.zero_output == "keep":
            columns = columns | {"output_tokens": np.maximum(columns["output_tokens"], 1)}
        else:
            columns = selected(columns, ~empty)
    missing = columns["prompt_tokens"] < LEAST["prompt_tokens"]
    for index in np.flatnonzero(missing):
        counts.bad_row(int(columns["row"][index]), "0 tokens of prompt; there must be 1 or more", prompt)
    return selected(columns, ~missing) if missing.any() else columns


def selected(columns: dict[str, Any], mask: Any) -> dict[str, Any]:
    """The rows at which `mask` (NumPy, bool) is true."""
    arrow_mask = pa.array(mask)
    return {
        name: values.filter(arrow_mask) if isinstance(values, pa.Array) else values[mask]
        for name, values in columns.items()
    }
