"""Azure's LLM inference traces of May 2024 (a week of code and of conversation), published with DynamoLLM.

Layout: AzureLLMInferenceDataset2024.md in github.com/Azure/AzurePublicDataset and the rows that its notebook prints:
`TIMESTAMP,ContextTokens,GeneratedTokens`, times such as `2024-05-12 00:00:00.001163+00:00`, some of them without a
fraction (`2024-05-12 00:00:00+00:00`). 16.8 million (code) and 27.3 million (conv) rows; many have one token of output.
"""

from __future__ import annotations

from traces.formats.azure import COLUMNS, LICENCE, PUBLISHER, has_zone
from traces.formats.base import About
from traces.formats.csv_text import CsvFormat

FORMAT = CsvFormat(
    about=About(
        name="azure2024",
        title="Azure LLM inference 2024",
        publisher=PUBLISHER,
        licence=LICENCE,
        recognised_by="header TIMESTAMP, ContextTokens, GeneratedTokens; times with a zone",
    ),
    columns=COLUMNS,
    check_row=has_zone,
    excluded=frozenset({"NumImages"}),
)
