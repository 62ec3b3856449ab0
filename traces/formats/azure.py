"""What Azure's traces of LLM inference have in common: a time of day, and tokens in and out."""

from __future__ import annotations

from traces.formats.base import Kind
from traces.formats.csv_text import Column, output, whole
from traces.formats.timestamps import has_zone, nanoseconds, nanoseconds_of

PUBLISHER = "Microsoft Azure (github.com/Azure/AzurePublicDataset)"
LICENCE = "CC-BY 4.0"
COLUMNS = (
    Column("TIMESTAMP", "arrival", Kind(nanoseconds_of, nanoseconds)),
    whole("ContextTokens", "prompt_tokens", least=0),
    output("GeneratedTokens"),
)


def times_have_zones(row: dict[str, str]) -> bool:
    """Whether a row's time has a zone: the traces of 2024 have it, those of 2023 do not."""
    return has_zone(row.get("TIMESTAMP", ""))
