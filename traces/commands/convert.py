"""`python -m traces convert`: writes a trace of any known format as Parquet or as SplitwiseSim's CSV."""

from __future__ import annotations

import argparse

from traces.commands import shared

DESCRIPTION = """
Reads a trace of any known format (also .gz, .zst) and writes it as Parquet or SplitwiseSim's CSV, as the name of OUT
says, sorted by arrival. Times become seconds from the first arrival. Memory holds all rows: about 2 GB for 27 million.
"""
EXAMPLES = """examples:
  python -m traces convert AzureLLMInferenceTrace_conv.csv conv.parquet
  python -m traces convert BurstGPT_1.csv.gz burst.csv.zst --zero-output keep
  python -m traces convert broken.jsonl mended.parquet --skip-bad-rows
"""


def add_parser(subparsers: shared.Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `convert`."""
    parser = shared.add_command(
        subparsers, run, "convert", "convert a trace file of any known format to Parquet or CSV", DESCRIPTION, EXAMPLES
    )
    parser.add_argument("file", metavar="IN", help="the trace file to read")
    parser.add_argument("out", metavar="OUT", help="a name that ends in .parquet, .csv, .csv.gz or .csv.zst")
    shared.add_reading_and_writing(parser)


def run(options: argparse.Namespace) -> None:
    """Converts the file; prints what was read and what was left out."""
    path = shared.output_path(options)
    shared.write(shared.read_with_progress(options, options.file), path)
