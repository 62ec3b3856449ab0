"""Azure's traces of LLM inference: a time of day, and tokens in and out.

Layouts: in github.com/Azure/AzurePublicDataset, its files and the rows that its notebooks print.
- AzureLLMInferenceDataset2023.md: November 2023 (code and conv), as published with the Splitwise paper.
  `TIMESTAMP,ContextTokens,GeneratedTokens`, seven fractional digits, no zone, CRLF, no newline at the end. APEX reads
  these files too.
- AzureLLMInferenceDataset2024.md: a week of May 2024 (code and conversation), published with DynamoLLM. The same
  columns, times such as `2024-05-12 00:00:00.001163+00:00`, some of them without a fraction. 16.8 million (code) and
  27.3 million (conv) rows; many have one token of output.
- AzureLMMInferenceDataset2025.md: multimodal inference, published in 2025 with ModServe (requests of October 2024).
  `TIMESTAMP,NumImages,ContextTokens,GeneratedTokens`, times such as `2024-10-15T12:00:00.269Z`; a million rows,
  gzipped. ContextTokens include those of the images.
"""

from __future__ import annotations

from functools import partial

from traces.formats.base import About, Example, Kind
from traces.formats.csv_text import Column, CsvFormat, output, whole
from traces.formats.timestamps import has_zone, nanoseconds, nanoseconds_of

COLUMNS = (
    Column("TIMESTAMP", "arrival", Kind(nanoseconds_of, nanoseconds)),
    whole("ContextTokens", "prompt_tokens", least=0),
    output("GeneratedTokens"),
)
_about = partial(About, publisher="Microsoft Azure (github.com/Azure/AzurePublicDataset)", licence="CC-BY 4.0")


def _times_have_zones(row: dict[str, str]) -> bool:
    """Whether a row's time has a zone: the traces of 2024 have it, those of 2023 do not."""
    return has_zone(row.get("TIMESTAMP", ""))


AZURE_2023 = CsvFormat(
    about=_about(
        name="azure2023",
        title="Azure LLM inference 2023",
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
    check_row=lambda row: not _times_have_zones(row),
    excluded=frozenset({"NumImages"}),
)
AZURE_2024 = CsvFormat(
    about=_about(
        name="azure2024",
        title="Azure LLM inference 2024",
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
    check_row=_times_have_zones,
    excluded=frozenset({"NumImages"}),
)
AZURE_2025 = CsvFormat(
    about=_about(
        name="azure2025",
        title="Azure multimodal inference 2025",
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
