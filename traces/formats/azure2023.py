"""Azure's LLM inference traces of November 2023 (code and conv), as published with the Splitwise paper.

Layout: AzureLLMInferenceDataset2023.md in github.com/Azure/AzurePublicDataset, and the two files in its folder data:
`TIMESTAMP,ContextTokens,GeneratedTokens`, seven fractional digits, no zone, CRLF, no newline at the end.
APEX reads these files too.
"""

from __future__ import annotations

from traces.formats.azure import COLUMNS, LICENCE, PUBLISHER, times_have_zones
from traces.formats.base import About, Example
from traces.formats.csv_text import CsvFormat

FORMAT = CsvFormat(
    about=About(
        name="azure2023",
        title="Azure LLM inference 2023",
        publisher=PUBLISHER,
        licence=LICENCE,
        recognised_by="header TIMESTAMP, ContextTokens, GeneratedTokens; times without a zone",
    ),
    example=Example(
        content=(
            b"TIMESTAMP,ContextTokens,GeneratedTokens\r\n"
            b"2023-11-16 18:17:03.9799600,4808,10\r\n"
            b"2023-11-16 18:17:04.0319600,3180,8\r\n"
            b"2023-11-16 18:17:04.0319601,110,27"  # no newline at the end
        ),
        requests=((0.0, 4808, 10), (0.052, 3180, 8), (0.0520001, 110, 27)),
    ),
    columns=COLUMNS,
    check_row=lambda row: not times_have_zones(row),
    excluded=frozenset({"NumImages"}),
)
