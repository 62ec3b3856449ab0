"""What Azure's traces of LLM inference have in common: a time of day, and tokens in and out."""

from __future__ import annotations

from traces.formats.csv_text import Column, output, whole
from traces.formats.timestamps import nanoseconds, nanoseconds_of

PUBLISHER = "Microsoft Azure (github.com/Azure/AzurePublicDataset)"
LICENCE = "CC-BY 4.0"


COLUMNS = (
    Column("TIMESTAMP", "arrival", nanoseconds, fast=nanoseconds_of),
    whole("ContextTokens", "prompt_tokens", least=0),
    output("GeneratedTokens"),
)


def has_zone(row: dict[str, str]) -> bool:
    """Whether a row's time ends in a zone (+00:00 or Z): what tells the traces of 2024 from those of 2023."""
    time = row.get("TIMESTAMP", "")
    return time.endswith("Z") or "+" in time or "-" in time[10:]
