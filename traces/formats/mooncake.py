"""Mooncake's traces of Kimi (conversation, tool and agent, synthetic, and an older one), and others like them.

Layout: FAST25-release/README.md of github.com/kvcache-ai/Mooncake: one JSON object a line with timestamp
(milliseconds), input_length, output_length and hash_ids, the prefix blocks of 512 tokens. Alibaba's Bailian traces
(README.md of github.com/alibaba-edu/qwen-bailian-usagetraces-anon) have the same keys and chat_id, parent_chat_id, type
and turn, blocks of 16 tokens, and timestamp in seconds. Other tools write either unit, also with fractions.
"""

from __future__ import annotations

from traces.formats.base import About, Example
from traces.formats.json_lines import HASH_IDS, JsonLinesFormat
from traces.prefixes import HashIds
from traces.time_unit import Times

BAILIAN = ("chat_id", "parent_chat_id")

FORMAT = JsonLinesFormat(
    about=About(
        name="mooncake",
        title="Mooncake JSONL",
        publisher="Moonshot AI (github.com/kvcache-ai/Mooncake)",
        licence="Apache 2.0",
        recognised_by="keys timestamp, input_length, output_length",
        kept="hash_ids",
        times=Times("ms", varies=True, dialects={BAILIAN: "s"}),
        hash_ids=HashIds(512, dialects={BAILIAN: 16}),
    ),
    example=Example(
        content=(
            b'{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47, 2353]}\n'
            b'{"timestamp": 30535, "input_length": 6472, "output_length": 26, "hash_ids": []}\n'
        ),
        requests=((0.0, 6955, 52), (3.053, 6472, 26)),
        kept={"hash_ids": [[46, 47, 2353], []]},
    ),
    arrival="timestamp",
    prompt="input_length",
    output="output_length",
    kept=(HASH_IDS,),
)
