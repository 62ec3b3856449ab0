"""Shared by the commands: options, reading and writing with progress bars, and the lines at the end."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from errno import ENOENT
from functools import partial
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import TYPE_CHECKING

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

from configs.command_line import HelpText
from configs.terminal import console, say_whole
from sim_core.errors import TraceError, nearest, shown
from traces.time_unit import AUTO, UNITS

if TYPE_CHECKING:  # Arrow takes a fifth of a second, which --help and errors in arguments do not need
    from pyarrow import RecordBatch

    from traces.reading import OpenTrace

Subparsers = argparse._SubParsersAction  # the type has no public name


def add_command(
    subparsers: Subparsers[argparse.ArgumentParser],
    run: Callable[[argparse.Namespace], None],
    name: str,
    summary: str,
    description: str = "",
    examples: str = "",
) -> argparse.ArgumentParser:
    """Adds the command `name`. `examples` are lines below the options; their layout stays as it is."""
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=description or None,
        epilog=examples or None,
        formatter_class=HelpText,
    )
    parser.set_defaults(run=run)
    return parser


def seed(text: str) -> int:
    """A seed of random streams. ArgumentTypeError unless it is a whole number from 0 on."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 on")
    return int(text)


def add_time_unit(parser: argparse._ActionsContainer, files: str) -> None:
    """Adds `--time-unit`, the unit of the times in the files that are read."""
    default = "default: what the format's definition says, or what the file shows"
    parser.add_argument("--time-unit", choices=UNITS, default=AUTO, help=f"unit of the times in {files}; {default}")


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say how files are read."""
    group = parser.add_argument_group("reading")
    known = "default: found by content (`python -m traces formats` lists the formats)"
    group.add_argument("--format", metavar="NAME", help=f"the files' format; {known}")
    left_out = "leave out rows that cannot be used, and count them"
    group.add_argument("--skip-bad-rows", action="store_true", help=left_out)
    zero = "requests without output (failures): leave out, keep with one token, or refuse; "
    default = "default: drop, but error in this project's own formats"
    group.add_argument("--zero-output", choices=("drop", "keep", "error"), help=zero + default)
    add_time_unit(group, "the file")
    tokens = "tokens that a hash id stands for; default: what the format's definition says"
    group.add_argument("--block-tokens", type=int, metavar="N", help=tokens)


def add_reading_and_writing(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say how files are read and written."""
    add_reading(parser)
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")


def no_such_file(path: Path) -> str:
    """The reason why the file cannot be read, with the nearest name in its folder."""
    try:
        names = [file.name for file in path.parent.iterdir() if file.is_file()]
    except OSError:
        return f"no such file, nor its folder {path.parent}"
    close = nearest(path.name, names)
    return f"no such file{f'; did you mean {str(path.with_name(close))!r}?' if close else ''}"


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
    how = ReadOptions(
        options.format, options.skip_bad_rows, options.zero_output, options.time_unit, options.block_tokens
    )
    with bar(DownloadColumn()) as progress:
        task = progress.add_task(f"reading {escape(shown(path.name))}", total=status.st_size)
        watch = partial(progress.wrap_file, task_id=task)
        return open_trace(TraceFile(path, watch=watch), how)


def write(
    opened: OpenTrace,
    path: Path,
    edit: Callable[[Iterable[RecordBatch]], Iterable[RecordBatch]] = lambda batches: batches,
    note: str = "",
    sources: Sequence[OpenTrace] = (),
) -> None:
    """Writes the edited batches of a trace with a progress bar; prints what was read, left out and written."""
    from traces.edit import kept_columns
    from traces.prefixes import HASH_IDS
    from traces.writing import write_batches

    rows = write_batches(edit(_watched(opened, path)), path)
    for source in sources or (opened,):
        for line in (*source.counts.notes(), *source.counts.lines()):
            say(line)
    kept = [name for name in kept_columns(opened) if name != HASH_IDS or not opened.hash_ids.block_tokens]
    if kept and path.suffix != ".parquet":
        say(f"left out, as CSV has SplitwiseSim's columns only (Parquet keeps them): {', '.join(kept)}")
    read = f"{len(sources)} traces" if sources else opened.about.title
    say(f"{read}: {opened.counts.rows:,} rows read, {rows:,} requests in {path}{note}")


def _watched(opened: OpenTrace, path: Path) -> Iterator[RecordBatch]:
    with bar(TaskProgressColumn()) as progress:
        task = progress.add_task(f"writing {escape(shown(path.name))}", total=len(opened))
        for batch in opened.batches():
            yield batch
            progress.advance(task, batch.num_rows)


def bar(*amounts: ProgressColumn) -> Progress:
    """A progress bar on the error stream, if that is a terminal; `amounts` are columns that say how much is done."""
    screen = console(error=True)
    columns = (TextColumn("{task.description}"), BarColumn(), *amounts, TimeRemainingColumn())
    return Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal)


def say(message: str) -> None:
    """Prints a line for the user on the error stream."""
    say_whole(console(error=True), message)
