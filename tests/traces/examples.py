"""The example of each format in the table, as the tests use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from traces.formats import FORMATS, TraceFormat
from traces.formats.csv_text import CsvFormat
from traces.formats.json_lines import JsonLinesFormat


@dataclass(frozen=True)
class Sample:
    """`number_columns`: the columns whose bad cells are errors; prompt and output tokens come last."""

    content: bytes
    arrival_s: list[float]
    prompt_tokens: list[int]
    output_tokens: list[int]
    kept: dict[str, list[Any]]
    zero_output: int
    number_columns: tuple[str, ...]
    suffix: str
    arrival: str  # the column of arrivals


def sample(known: TraceFormat) -> Sample:
    example = known.example
    arrival_s, prompts, outputs = (list(values) for values in zip(*example.requests, strict=True))
    numbers: tuple[str, ...] = ()
    suffix = ".parquet"
    if isinstance(known, CsvFormat):
        sizes = tuple(known.source(target) for target in ("prompt_tokens", "output_tokens"))
        numbers = (*(column.source for column in known.columns if column.kind and column.source not in sizes), *sizes)
        suffix = ".csv"
    elif isinstance(known, JsonLinesFormat):
        numbers, suffix = (known.arrival, known.prompt, known.output), ".jsonl"
    return Sample(
        example.content, arrival_s, prompts, outputs, example.kept, example.zero_output, numbers, suffix, known.arrival
    )


SAMPLES = {known.about.name: sample(known) for known in FORMATS}
BURSTGPT_SIX_COLUMNS = (
    b"Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    b"5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,230,1317,Conversation log\n"
)
