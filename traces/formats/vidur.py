"""Vidur's processed traces.

Layout: data/processed_traces/splitwise_conv.csv in github.com/microsoft/vidur: `arrived_at,num_prefill_tokens,
num_decode_tokens`, seconds as floats. Its other files there have sizes without arrivals, so they are no traces.
"""

from __future__ import annotations

from traces.formats.base import About, Example
from traces.formats.csv_text import CsvFormat, output, seconds, whole
from traces.time_unit import Times

FORMAT = CsvFormat(
    about=About(
        name="vidur",
        title="Vidur CSV",
        publisher="Vidur (github.com/microsoft/vidur)",
        licence="MIT",
        recognised_by="header arrived_at, num_prefill_tokens, num_decode_tokens",
        times=Times("s"),
    ),
    example=Example(
        content=(
            b"arrived_at,num_prefill_tokens,num_decode_tokens\n0.0,374,44\n4.314579,396,109\n5.8926549999999995,91,16\n"
        ),
        requests=((0.0, 374, 44), (4.314579, 396, 109), (5.8926549999999995, 91, 16)),
    ),
    columns=(
        seconds("arrived_at"),
        whole("num_prefill_tokens", "prompt_tokens", least=0),
        output("num_decode_tokens"),
    ),
)
