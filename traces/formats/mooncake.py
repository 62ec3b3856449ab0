"""Mooncake's traces of Kimi (conversation, tool and agent, synthetic; and the older single file).

Layout: FAST25-release/README.md of github.com/kvcache-ai/Mooncake: one JSON object a line with timestamp
(milliseconds), input_length, output_length and hash_ids, the prefix blocks of 512 tokens.
"""

from __future__ import annotations

import pyarrow as pa

from traces.formats.base import About
from traces.formats.json_lines import JsonLinesFormat, Kept

FORMAT = JsonLinesFormat(
    about=About(
        name="mooncake",
        title="Mooncake JSONL",
        publisher="Moonshot AI (github.com/kvcache-ai/Mooncake)",
        licence="Apache 2.0",
        recognised_by="keys timestamp, input_length, output_length",
        kept="hash_ids",
    ),
    arrival="timestamp",
    tick_ns=1_000_000,
    prompt="input_length",
    output="output_length",
    kept=(Kept("hash_ids", pa.list_(pa.int64())),),
)
