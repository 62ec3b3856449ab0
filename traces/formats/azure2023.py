"""Azure's LLM inference traces of November 2023 (code and conv), as published with the Splitwise paper.

Layout: AzureLLMInferenceDataset2023.md in github.com/Azure/AzurePublicDataset, and the two files in its folder data:
`TIMESTAMP,ContextTokens,GeneratedTokens`, seven fractional digits, no zone, CRLF, no newline at the end.
APEX reads these files too.
"""

from __future__ import annotations

from traces.formats.azure import COLUMNS, LICENCE, PUBLISHER, has_zone
from traces.formats.base import About
from traces.formats.csv_text import CsvFormat

FORMAT = CsvFormat(
    about=About(
        name="azure2023",
        title="Azure LLM inference 2023",
        publisher=PUBLISHER,
        licence=LICENCE,
        recognised_by="header TIMESTAMP, ContextTokens, GeneratedTokens; times without a zone",
    ),
    columns=COLUMNS,
    check_row=lambda row: not has_zone(row),
    excluded=frozenset({"NumImages"}),
)
