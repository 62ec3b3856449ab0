"""`python -m traces download`: downloads public traces from their publishers."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.progress import DownloadColumn, TransferSpeedColumn

from configs.terminal import Column, console, draw
from traces.commands.shared import Subparsers, add_command, bar, say
from traces.download import catalogue, default_folder, download, published

DESCRIPTION = """
Downloads a public trace into llm-cluster-sim/downloads in your cache folder ($XDG_CACHE_HOME or ~/.cache), resumes a
download that was cut, and checks the contents.
"""
EXAMPLES = """examples:
  python -m traces download                           list the public traces and their licences
  python -m traces download azure2023-conv
  python -m traces download azure2024-conv --dir big  resumes a download that was cut
"""


def add_parser(subparsers: Subparsers[argparse.ArgumentParser]) -> None:
    """Adds `download`."""
    parser = add_command(
        subparsers, run, "download", "download public traces from their publishers", DESCRIPTION, EXAMPLES
    )
    parser.add_argument("name", metavar="NAME", nargs="?", help="the trace to download; without it they are listed")
    parser.add_argument("--dir", metavar="FOLDER", help="the folder to keep it in")


def run(options: argparse.Namespace) -> None:
    """Downloads a trace, or lists all."""
    if options.name is None:
        heads = {"NAME": "name", "what": "what", "licence": "licence", "to be cited": "cite"}
        files = list(catalogue())
        screen = console()
        columns = [Column(head, [getattr(file, field) for file in files]) for head, field in heads.items()]
        screen.print(draw(columns, screen.width, gap=1), soft_wrap=True)
        return
    file = published(options.name)
    folder = Path(options.dir).expanduser() if options.dir else default_folder()
    say(f"{file.name}: {file.what}. Licence: {file.licence}. To be cited: {file.cite}. From {file.url}")
    with bar(DownloadColumn(), TransferSpeedColumn()) as progress:
        task = progress.add_task(file.filename, total=file.size_bytes)
        path, checked = download(file, folder, lambda done, total: progress.update(task, completed=done, total=total))
    say(f"{path} ({path.stat().st_size:,} bytes; {checked})")
    name = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    say(f"to simulate it: python -m sim_core trace.dir={path.parent} trace.filename={name}")
