"""LLMServingSim's datasets.

Layout: dataset/example_trace.jsonl and workloads/*.jsonl in github.com/casys-kaist/LLMServingSim: a JSON object a line
with input_toks, output_toks, arrival_time_ns (and the tokens themselves, which are not kept). A line with sub_requests
is an agent's session, whose requests start when the one before has ended: no list of arrivals can say that.
"""

from __future__ import annotations

import pyarrow as pa

from traces.formats.base import About
from traces.formats.json_lines import JsonLinesFormat, Kept
from traces.time_unit import Times

FORMAT = JsonLinesFormat(
    about=About(
        name="llmservingsim",
        title="LLMServingSim JSONL",
        publisher="KAIST (github.com/casys-kaist/LLMServingSim)",
        licence="MIT",
        recognised_by="keys arrival_time_ns, input_toks, output_toks",
        kept="session_id",
        times=Times("ns", named=True),
    ),
    arrival="arrival_time_ns",
    prompt="input_toks",
    output="output_toks",
    kept=(Kept("session_id", pa.string()),),
    refused=(("sub_requests", "an agent's session: its requests start when others end, which arrivals cannot say"),),
)
