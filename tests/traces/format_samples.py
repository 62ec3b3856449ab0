"""Small files in the true layout of each format, made by hand, and what they say.

SAMPLES: name of the format -> bytes, arrivals (s), prompt tokens, output tokens, and what is kept beside them.
A JSON Lines format without an entry gets one made from the keys that it declares.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from traces.formats import FORMATS
from traces.formats.json_lines import JsonLinesFormat
from traces.time_unit import UNIT_NS

NANOSECONDS = 10**9  # in a second


@dataclass(frozen=True)
class Sample:
    content: bytes
    arrival_s: list[float]
    prompt_tokens: list[int]
    output_tokens: list[int]
    kept: dict[str, list[Any]] = field(default_factory=dict)
    zero_output: int = 0  # requests left out for it
    number_columns: tuple[str, ...] = ()  # those whose bad cells are errors
    suffix: str = ".csv"


def _parquet() -> bytes:
    table = pa.table(
        {
            "request_id": [7, 3],
            "application_id": [0, 1],
            "arrival_s": [0.1, 1.7],
            "batch_size": [1, 2],
            "prompt_tokens": [10, 20],
            "output_tokens": [5, 6],
            "NumImages": [0, 4],
        }
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


SAMPLES = {
    "splitwise": Sample(
        b"request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"
        b"0,2,0,1.0,1,4096,32\n"
        b"1,2,1,3.25,2,2048,8\n",
        [1.0, 3.25],
        [4096, 2048],
        [32, 8],
        number_columns=(
            "request_id",
            "request_type",
            "application_id",
            "arrival_timestamp",
            "batch_size",
            "prompt_size",
            "token_size",
        ),
    ),
    "azure2023": Sample(
        b"TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
        b"2023-11-16 18:17:03.9799600,4808,10\r\n"
        b"2023-11-16 18:17:04.0319600,3180,8\r\n"
        b"2023-11-16 18:17:04.0319601,110,27",  # no newline at the end
        [0.0, 0.052, 0.0520001],
        [4808, 3180, 110],
        [10, 8, 27],
        number_columns=("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
    ),
    "azure2024": Sample(
        b"TIMESTAMP,ContextTokens,GeneratedTokens\n"
        b"2024-05-11 23:59:59.999999+00:00,2162,5\n"
        b"2024-05-12 00:00:00+00:00,2399,1\n"  # a whole second has no fraction
        b"2024-05-12 00:00:00.001163+00:00,76,15\n"
        b"2024-05-12 02:00:00.001163+02:00,77,1\n",
        [0.0, 0.000001, 0.001164, 0.001164],
        [2162, 2399, 76, 77],
        [5, 1, 15, 1],
        number_columns=("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
    ),
    "azure2025": Sample(
        b"TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\n"
        b"2024-10-15T12:00:00.269Z,0,770,491\n"
        b"2024-10-15T12:00:05.819Z,16,949,126\n",
        [0.0, 5.55],
        [770, 949],
        [491, 126],
        {"NumImages": [0, 16]},
        number_columns=("TIMESTAMP", "NumImages", "ContextTokens", "GeneratedTokens"),
    ),
    "mooncake": Sample(
        b'{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47, 2353]}\n'
        b'{"timestamp": 30535, "input_length": 6472, "output_length": 26, "hash_ids": []}\n',
        [0.0, 3.053],
        [6955, 6472],
        [52, 26],
        {"hash_ids": [[46, 47, 2353], []]},
        number_columns=("timestamp", "input_length", "output_length"),
        suffix=".jsonl",
    ),
    "burstgpt": Sample(
        b"Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
        b"19440110.0,1722ac82-0a46-4bf0,43,GPT-4,906,446,1352,Conversation log\n"
        b"19440161.0,,2,ChatGPT,36,0,36,API log\n"
        b"19440192.0,,8,GPT-4,1779,123,1902,API log\n",
        [0.0, 82.0],
        [906, 1779],
        [446, 123],
        {
            "Session ID": ["1722ac82-0a46-4bf0", ""],
            "Elapsed time": ["43", "8"],
            "Model": ["GPT-4", "GPT-4"],
            "Log Type": ["Conversation log", "API log"],
        },
        zero_output=1,
        number_columns=("Timestamp", "Request tokens", "Response tokens"),
    ),
    "vidur": Sample(
        b"arrived_at,num_prefill_tokens,num_decode_tokens\n0.0,374,44\n4.314579,396,109\n5.8926549999999995,91,16\n",
        [0.0, 4.314579, 5.8926549999999995],
        [374, 396, 91],
        [44, 109, 16],
        number_columns=("arrived_at", "num_prefill_tokens", "num_decode_tokens"),
    ),
    "llmservingsim": Sample(
        b'{"input_toks":4,"output_toks":2,"arrival_time_ns":46926808,"input_tok_ids":[1,2,3,4],"output_tok_ids":[5,6]}\n'
        b'{"input_toks":2,"output_toks":1,"arrival_time_ns":347938952,"input_tok_ids":[1,2],"output_tok_ids":[7]}\n',
        [0.0, 0.301012144],
        [4, 2],
        [2, 1],
        {"session_id": [None, None]},
        number_columns=("arrival_time_ns", "input_toks", "output_toks"),
        suffix=".jsonl",
    ),
    "apex": Sample(
        b'{"StartTimeOffset": 0, "ContextTokens": 100, "GeneratedTokens": 20}\n'
        b'{"StartTimeOffset": 1500000001, "ContextTokens": 50, "GeneratedTokens": 1}\n',
        [0.0, 1.500000001],
        [100, 50],
        [20, 1],
        number_columns=("StartTimeOffset", "ContextTokens", "GeneratedTokens"),
        suffix=".jsonl",
    ),
    "parquet": Sample(_parquet(), [0.1, 1.7], [10, 20], [5, 6], {"NumImages": [0, 4]}, suffix=".parquet"),
}
BURSTGPT_SIX_COLUMNS = (
    b"Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    b"5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,230,1317,Conversation log\n"
)


def _from_keys(known: JsonLinesFormat) -> Sample:
    """Requests in the layout that a JSON Lines format declares: one, a tick later another, and 40 s later a third."""
    rows = [(7, 900, 120), (8, 40, 300), (8 + 40 * NANOSECONDS // UNIT_NS[known.about.times.unit], 5, 6)]
    names = (known.arrival, known.prompt, known.output)
    lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
    arrivals, prompts, outputs = zip(*rows, strict=True)
    return Sample(
        "\n".join(lines).encode() + b"\n",
        [(tick - arrivals[0]) * UNIT_NS[known.about.times.unit] / NANOSECONDS for tick in arrivals],
        list(prompts),
        list(outputs),
        {part.key: [None] * len(rows) for part in known.kept},
        number_columns=names,
        suffix=".jsonl",
    )


# A format that a line in FORMATS adds is tested without an edit here.
for known in FORMATS:
    if known.about.name not in SAMPLES and isinstance(known, JsonLinesFormat):
        SAMPLES[known.about.name] = _from_keys(known)
