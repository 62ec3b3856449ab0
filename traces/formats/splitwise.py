"""SplitwiseSim's trace CSV: what its traces folder holds, what its generator writes, and what we write.

Layout: the columns that SplitwiseSim's trace reader asks for (github.com/Mutinifni/splitwise-sim, trace.py and
generate_trace.py). Times are seconds and are kept as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from traces.cells import DEFAULT, BadCell, integers
from traces.formats.base import About
from traces.formats.csv_text import Column, CsvFormat, output, seconds, whole
from traces.time_unit import Times
from traces.writer import GENERATIVE_LLM


def _request_type(cells: Sequence[str]) -> Any:
    if set(cells) != {str(GENERATIVE_LLM)}:
        for index, kind in enumerate(integers(cells, 0)):
            if kind != GENERATIVE_LLM:
                raise BadCell(index, f"{cells[index]!r}: only {GENERATIVE_LLM} (generative LLM) can be simulated")
    return np.zeros(len(cells), np.int64)


def _all_generative(array: pa.Array) -> Any:
    kinds = array.to_numpy()
    return kinds if (kinds == GENERATIVE_LLM).all() else None


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
    columns=(
        whole("request_id", "request_id"),
        seconds("arrival_timestamp"),
        whole("prompt_size", "prompt_tokens"),
        output("token_size"),
        Column(
            "request_type", "", _request_type, GENERATIVE_LLM, required=False, kind=pa.int64(), fast=_all_generative
        ),
        whole("application_id", "application_id", default=DEFAULT["application_id"]),
        whole("batch_size", "batch_size", default=DEFAULT["batch_size"]),
    ),
)
