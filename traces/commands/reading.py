"""Shared by the commands that read trace files: options, progress bars, and the lines at the end."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from errno import ENOENT
from functools import partial
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from sim_core.errors import TraceError
from traces.commands.arguments import add_time_unit, no_such_file

if TYPE_CHECKING:  # Arrow takes a fifth of a second, which --help and errors in arguments do not need
    from pyarrow import RecordBatch

    from traces.reading import OpenTrace


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say how files are read."""
    group = parser.add_argument_group("reading")
    group.add_argument(
        "--format",
        metavar="NAME",
        help="the files' format; default: found by content (`python -m traces formats` lists the formats)",
    )
    group.add_argument(
        "--skip-bad-rows", action="store_true", help="leave out rows that cannot be used, and count them"
    )
    group.add_argument(
        "--zero-output",
        choices=("drop", "keep", "error"),
        help="requests without output (failures): leave out, keep with one token, or refuse; "
        "default: drop, but error in this project's own formats",
    )
    add_time_unit(group, "the file")


def add_writing(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say how the result is written."""
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")


def output_path(options: argparse.Namespace) -> Path:
    """The path to write. TraceError, before anything is read, if it cannot be written."""
    from traces.writing import check_ending

    path = Path(options.out)
    check_ending(path)
    try:
        if path.is_dir():
            raise TraceError("is a folder", source=str(path))
        if path.exists() and not options.force:
            raise TraceError("is there already; --force replaces it", source=str(path))
        if not path.parent.is_dir():
            raise TraceError(f"cannot be written: no folder {path.parent}", source=str(path))
    except OSError as error:  # a name too long, a folder closed to us
        raise TraceError(f"cannot be written: {error.strerror}", source=str(path)) from error
    return path


def read_with_progress(options: argparse.Namespace, name: str) -> OpenTrace:
    """Reads the file `name` with a progress bar. TraceError also if there is no such regular file."""
    from traces.reading import ReadOptions, open_trace
    from traces.trace_file import TraceFile

    path = Path(name)
    try:
        status = path.stat()
    except OSError as error:
        reason = no_such_file(path) if error.errno == ENOENT else str(error.strerror)
        raise TraceError(reason, source=name) from error
    if not S_ISREG(status.st_mode):
        raise TraceError("is a folder" if S_ISDIR(status.st_mode) else "is no regular file", source=name)
    how = ReadOptions(options.format, options.skip_bad_rows, options.zero_output, options.time_unit)
    with _bar(DownloadColumn()) as progress:
        task = progress.add_task(f"reading {escape(path.name)}", total=status.st_size)
        watch = partial(progress.wrap_file, task_id=task)
        return open_trace(TraceFile(path, watch=watch), how)


def watched(opened: OpenTrace, path: Path) -> Iterator[RecordBatch]:
    """The batches of a trace, with a progress bar for writing `path`."""
    with _bar(TaskProgressColumn()) as progress:
        task = progress.add_task(f"writing {escape(path.name)}", total=len(opened))
        for batch in opened.batches():
            yield batch
            progress.advance(task, batch.num_rows)


def _bar(amount: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def say(message: str) -> None:
    """Prints a line for the user on the error stream."""
    Console(stderr=True, highlight=False).print(escape(message), soft_wrap=True)


def finish(opened: OpenTrace, path: Path, rows: int, note: str = "", sources: Sequence[OpenTrace] = ()) -> None:
    """Prints what was read, what was left out, and what was written."""
    from traces.edit import kept_columns

    for source in sources or (opened,):
        for line in (*source.counts.notes(), *source.counts.lines()):
            say(line)
    kept = kept_columns(opened)
    if kept and path.suffix != ".parquet":
        say(f"left out, as CSV has SplitwiseSim's columns only (Parquet keeps them): {', '.join(kept)}")
    read = f"{len(sources)} traces" if sources else opened.about.title
    say(f"{read}: {opened.counts.rows:,} rows read, {rows:,} requests in {path}{note}")
