"""APEX (apex_plus), the simulator of parallel plans.

Layout: README.md and apex_plus/simulator/trace.py of github.com/microsoft/apex_plus: one JSON object a line with
StartTimeOffset (nanoseconds from the first request), ContextTokens and GeneratedTokens. Its CSV files are those of
Azure's traces of 2023.
"""

from __future__ import annotations

from traces.formats.base import About
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
    arrival="StartTimeOffset",
    prompt="ContextTokens",
    output="GeneratedTokens",
)
