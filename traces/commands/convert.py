"""`python -m traces convert`: writes a trace of any known format as Parquet or as SplitwiseSim's CSV."""

from __future__ import annotations

import argparse

from traces.commands.arguments import Subparsers, add_command
from traces.commands.reading import add_reading, add_writing, finish, output_path, read_with_progress, watched

DESCRIPTION = """
Reads a trace of any known format (also .gz, .zst) and writes it as Parquet or SplitwiseSim's CSV, as the name of OUT
says, sorted by arrival. Times become seconds from the first arrival. Memory holds all rows: about 2 GB for 27 million.
"""
EXAMPLES = """examples:
  python -m traces convert AzureLLMInferenceTrace_conv.csv conv.parquet
  python -m traces convert BurstGPT_1.csv.gz burst.csv.zst --zero-output keep
  python -m traces convert broken.jsonl mended.parquet --skip-bad-rows
"""


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `convert`."""
    parser = add_command(
        subparsers, run, "convert", "convert a trace file of any known format to Parquet or CSV", DESCRIPTION, EXAMPLES
    )
    parser.add_argument("file", metavar="IN", help="the trace file to read")
    parser.add_argument("out", metavar="OUT", help="a name that ends in .parquet, .csv, .csv.gz or .csv.zst")
    add_reading(parser)
    add_writing(parser)


def run(options: argparse.Namespace) -> None:
    """Converts the file; prints what was read and what was left out."""
    from traces.writing import write_batches

    path = output_path(options)
    opened = read_with_progress(options, options.file)
    rows = write_batches(watched(opened, path), path)
    finish(opened, path, rows)
