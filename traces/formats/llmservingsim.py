"""LLMServingSim's datasets.

Layout: dataset/example_trace.jsonl and workloads/*.jsonl in github.com/casys-kaist/LLMServingSim: a JSON object a line
with input_toks, output_toks, arrival_time_ns, and the tokens themselves in input_tok_ids and output_tok_ids (both
optional). Its prefix cache hashes prompt and output together, in blocks of 16 tokens unless told otherwise; so do the
hash ids here. A line with sub_requests is an agent's session, whose requests start when the one before has ended; no
list of arrivals can express that.
"""

from __future__ import annotations

import pyarrow as pa

from traces.formats.base import About, Example
from traces.formats.json_lines import TOKEN_IDS, JsonLinesFormat, Kept
from traces.prefixes import HashIds
from traces.time_unit import Times

FORMAT = JsonLinesFormat(
    about=About(
        name="llmservingsim",
        title="LLMServingSim JSONL",
        publisher="KAIST (github.com/casys-kaist/LLMServingSim)",
        licence="MIT",
        recognised_by="keys arrival_time_ns, input_toks, output_toks",
        kept="session_id, hash_ids of the tokens",
        times=Times("ns", named=True),
        hash_ids=HashIds(16, with_outputs=True),
    ),
    example=Example(
        content=(
            b'{"input_toks":4,"output_toks":2,"arrival_time_ns":46926808,"input_tok_ids":[1,2,3,4],"output_tok_ids":[5,6]}\n'
            b'{"input_toks":2,"output_toks":1,"arrival_time_ns":347938952,"input_tok_ids":[1,2],"output_tok_ids":[7]}\n'
        ),
        requests=((0.0, 4, 2), (0.301012144, 2, 1)),
        kept={"session_id": [None, None], "hash_ids": [[], []]},
    ),
    arrival="arrival_time_ns",
    prompt="input_toks",
    output="output_toks",
    kept=(Kept("session_id", pa.string()), TOKEN_IDS),
    token_ids=("input_tok_ids", "output_tok_ids"),
    refused=(("sub_requests", "an agent's session: its requests start when others end, which arrivals cannot say"),),
)
