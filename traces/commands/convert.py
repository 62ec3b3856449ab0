"""`python -m traces convert`: a trace of any known format as Parquet or as SplitwiseSim's CSV."""

from __future__ import annotations

import argparse

from traces.commands.arguments import Subparsers
from traces.commands.reading import add_reading, add_writing, finish, output_path, reading, watched

EXAMPLES = """examples:
  python -m traces convert AzureLLMInferenceTrace_conv.csv conv.parquet
  python -m traces convert BurstGPT_1.csv.gz burst.csv.zst --zero-output keep
  python -m traces convert broken.jsonl mended.parquet --skip-bad-rows
"""


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `convert`."""
    parser = subparsers.add_parser(
        "convert",
        help="any known trace file to Parquet or CSV",
        description="Reads a trace of any known format (also .gz, .zst), writes it as Parquet or SplitwiseSim's CSV, "
        "as the name of OUT says, sorted by arrival, times in seconds from the first arrival. Memory stays bounded.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", metavar="IN")
    parser.add_argument("out", metavar="OUT", help="a name that ends in .parquet, .csv, .csv.gz or .csv.zst")
    add_reading(parser)
    add_writing(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Converts; says what was read and what was left out."""
    from traces.writing import write_batches

    path = output_path(options)
    with reading(options, options.file, path.parent) as opened:
        rows = write_batches(watched(opened, path), path)
        finish(opened, path, rows)
