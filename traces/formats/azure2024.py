"""Azure's LLM inference traces of May 2024 (a week of code and of conversation), published with DynamoLLM.

Layout: AzureLLMInferenceDataset2024.md in github.com/Azure/AzurePublicDataset and the rows that its notebook prints:
`TIMESTAMP,ContextTokens,GeneratedTokens`, times such as `2024-05-12 00:00:00.001163+00:00`, some of them without a
fraction (`2024-05-12 00:00:00+00:00`). 16.8 million (code) and 27.3 million (conv) rows; many have one token of output.
"""

from __future__ import annotations

from traces.formats.azure import COLUMNS, LICENCE, PUBLISHER, times_have_zones
from traces.formats.base import About, Example
from traces.formats.csv_text import CsvFormat

FORMAT = CsvFormat(
    about=About(
        name="azure2024",
        title="Azure LLM inference 2024",
        publisher=PUBLISHER,
        licence=LICENCE,
        recognised_by="header TIMESTAMP, ContextTokens, GeneratedTokens; times with a zone",
    ),
    example=Example(
        content=(
            b"TIMESTAMP,ContextTokens,GeneratedTokens\n"
            b"2024-05-11 23:59:59.999999+00:00,2162,5\n"
            b"2024-05-12 00:00:00+00:00,2399,1\n"  # a whole second has no fraction
            b"2024-05-12 00:00:00.001163+00:00,76,15\n"
            b"2024-05-12 02:00:00.001163+02:00,77,1\n"
        ),
        requests=((0.0, 2162, 5), (0.000001, 2399, 1), (0.001164, 76, 15), (0.001164, 77, 1)),
    ),
    columns=COLUMNS,
    check_row=times_have_zones,
    excluded=frozenset({"NumImages"}),
)
