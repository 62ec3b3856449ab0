"""Azure's multimodal inference trace, published in 2025 with ModServe (requests of October 2024).

Layout: AzureLMMInferenceDataset2025.md in github.com/Azure/AzurePublicDataset and the rows that its notebook prints:
`TIMESTAMP,NumImages,ContextTokens,GeneratedTokens`, times such as `2024-10-15T12:00:00.269Z`; a million rows, gzipped.
ContextTokens include those of the images.
"""

from __future__ import annotations

from traces.formats.azure import COLUMNS, LICENCE, PUBLISHER
from traces.formats.base import About, Example
from traces.formats.csv_text import CsvFormat, whole

FORMAT = CsvFormat(
    about=About(
        name="azure2025",
        title="Azure multimodal inference 2025",
        publisher=PUBLISHER,
        licence=LICENCE,
        recognised_by="header TIMESTAMP, NumImages, ContextTokens, GeneratedTokens",
        kept="NumImages",
    ),
    example=Example(
        content=(
            b"TIMESTAMP,NumImages,ContextTokens,GeneratedTokens\n"
            b"2024-10-15T12:00:00.269Z,0,770,491\n"
            b"2024-10-15T12:00:05.819Z,16,949,126\n"
        ),
        requests=((0.0, 770, 491), (5.55, 949, 126)),
        kept={"NumImages": [0, 16]},
    ),
    columns=(*COLUMNS, whole("NumImages", "NumImages", least=0)),
)
