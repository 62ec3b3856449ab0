"""What a format of trace files is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from traces.cells import LEAST
from traces.source import Source
from traces.tally import Tally
from traces.time_unit import Times

CHUNK_ROWS = 1 << 12  # of text: few enough to stay in a processor's cache from one column to the next
# The columns that a trace consists of; what else a file has is kept beside them.
WHOLE = ("request_id", "application_id", "batch_size", "prompt_tokens", "output_tokens")


@dataclass(frozen=True, slots=True)
class About:
    """A format, for people. `own_times`: seconds are kept as they are, not counted from the first arrival."""

    name: str
    title: str
    publisher: str
    licence: str
    recognised_by: str
    kept: str = ""  # the columns kept beside a trace's
    own_times: bool = False
    times: Times = field(default_factory=Times)  # times of day, unless said otherwise
    zero_output: str = "drop"  # what becomes of requests without output if nobody says otherwise


@dataclass(frozen=True, slots=True)
class Assumed:
    """What is taken for granted while a file is read: the unit of its times, and of which kind its hash ids are.

    `certain`: the unit is the user's or the layout's; otherwise it is a first guess.
    """

    unit: str
    certain: bool = True
    ids: str = "int64"  # one of hash_ids.TYPES


class ReadAgain(Exception):
    """The file turned out not to be as assumed: it has to be read once more, from the beginning.

    `unit` or `ids` say what has to be assumed then (empty: as before).
    """

    def __init__(self, unit: str = "", ids: str = "") -> None:
        super().__init__(unit or ids)
        self.unit, self.ids = unit, ids


class TraceFormat(Protocol):
    """Recognises files of one layout and reads them."""

    @property
    def about(self) -> About: ...

    @property
    def arrival(self) -> str:
        """What such files call the column of arrivals."""
        ...

    @property
    def required(self) -> Sequence[str]:
        """The columns that must be there."""
        ...

    def sniff(self, head: bytes) -> bool:
        """Whether a file that begins so (unpacked; perhaps the whole file) has this layout."""
        ...

    def read(self, source: Source, tally: Tally, assumed: Assumed) -> Iterator[pa.RecordBatch]:
        """Record batches in the file's order, each row being one request.

        Columns: `row` (its number in the file, from 1, ascending), `arrival` (int64 nanoseconds or float64 seconds, of
        any origin), `prompt_tokens` and `output_tokens` (at least 1), perhaps the others of WHOLE, and what else the
        file has. All batches have one schema. Bad rows go to the tally, which raises TraceError or counts them.
        ReadAgain where the file cannot be read as assumed (a unit that is certain never is the reason).
        """
        ...


def with_tokens(columns: dict[str, Any], tally: Tally, prompt: str) -> dict[str, Any]:
    """Columns (NumPy or Arrow arrays of one length) without, or with mended, requests that have no output.

    What is left must have a prompt; `prompt` is the file's name for that column.
    """
    empty = columns["output_tokens"] < 1
    if count := int(empty.sum()):
        tally.zeros(count)
        if tally.zero_output == "keep":
            columns = columns | {"output_tokens": np.maximum(columns["output_tokens"], 1)}
        else:
            columns = selected(columns, ~empty)
    missing = columns["prompt_tokens"] < LEAST["prompt_tokens"]
    for index in np.flatnonzero(missing):
        tally.bad_row(int(columns["row"][index]), "0 tokens of prompt; there must be 1 or more", prompt)
    return selected(columns, ~missing) if missing.any() else columns


def selected(columns: dict[str, Any], mask: Any) -> dict[str, Any]:
    """The rows at which `mask` (NumPy, bool) is true."""
    arrow_mask = pa.array(mask)
    return {
        name: values.filter(arrow_mask) if isinstance(values, pa.Array) else values[mask]
        for name, values in columns.items()
    }
