"""APEX (apex_plus), the simulator of parallel plans.

Layout: README.md and apex_plus/simulator/trace.py of github.com/microsoft/apex_plus: one JSON object a line with
StartTimeOffset (nanoseconds from the first request), ContextTokens and GeneratedTokens. Its CSV files are those of
Azure's traces of 2023.
"""

from __future__ import annotations

from traces.formats.base import About, Example
from traces.formats.json_lines import JsonLinesFormat
from traces.time_unit import Times

FORMAT = JsonLinesFormat(
    about=About(
        name="apex",
        title="APEX JSONL",
        publisher="APEX (github.com/microsoft/apex_plus)",
        licence="MIT",
        recognised_by="keys StartTimeOffset, ContextTokens, GeneratedTokens",
        times=Times("ns"),
    ),
    example=Example(
        content=(
            b'{"StartTimeOffset": 0, "ContextTokens": 100, "GeneratedTokens": 20}\n'
            b'{"StartTimeOffset": 1500000001, "ContextTokens": 50, "GeneratedTokens": 1}\n'
        ),
        requests=((0.0, 100, 20), (1.500000001, 50, 1)),
    ),
    arrival="StartTimeOffset",
    prompt="ContextTokens",
    output="GeneratedTokens",
)
