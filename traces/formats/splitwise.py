"""SplitwiseSim's trace CSV, which its generator and this project write.

Layout: the columns that SplitwiseSim's trace reader asks for (github.com/Mutinifni/splitwise-sim, trace.py and
generate_trace.py). Times are seconds and are kept as they are.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from traces import prefixes
from traces.cells import DEFAULT, BadCell, integer, quoted
from traces.formats.base import About, Example, Kind
from traces.formats.csv_text import WHOLE, Column, CsvFormat, output, seconds, text, whole
from traces.time_unit import Times
from traces.writer import GENERATIVE_LLM


def _generative_column(cells: pa.Array, least: int) -> Any:
    types = WHOLE.column(cells, least)
    return types if types is not None and (types == GENERATIVE_LLM).all() else None


def _generative(cell: str, least: int) -> int:
    if integer(cell, least) != GENERATIVE_LLM:
        raise BadCell(f"{quoted(cell)}: only {GENERATIVE_LLM} (generative LLM) can be simulated")
    return GENERATIVE_LLM


FORMAT = CsvFormat(
    about=About(
        name="splitwise",
        title="SplitwiseSim CSV",
        publisher="SplitwiseSim; written by this project too",
        licence="your own",
        recognised_by="header request_id, arrival_timestamp, prompt_size, token_size",
        own_times=True,
        times=Times("s"),
        zero_output="error",
    ),
    example=Example(
        content=(
            b"request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"
            b"0,2,0,1.0,1,4096,32\n"
            b"1,2,1,3.25,2,2048,8\n"
        ),
        requests=((1.0, 4096, 32), (3.25, 2048, 8)),
    ),
    columns=(
        whole("request_id", "request_id"),
        seconds("arrival_timestamp"),
        whole("prompt_size", "prompt_tokens"),
        output("token_size"),
        Column("request_type", "", Kind(_generative_column, _generative), required=False),
        whole("application_id", "application_id", default=DEFAULT["application_id"]),
        whole("batch_size", "batch_size", default=DEFAULT["batch_size"]),
        *(text(name) for name in prefixes.COLUMNS),
    ),
)
