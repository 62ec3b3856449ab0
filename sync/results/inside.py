"""Files below a results folder. A folder of results may come from somebody else, so links in it are not followed.

The rule: the results folder itself (--results) may be a link. Below it a symbolic link is refused wherever a folder is
entered or a file is read or written; so is anything that is no regular file, such as a named pipe. New folders and
files are readable by their owner alone, from their first byte.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EINVAL, ELOOP
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import BinaryIO

from sim_core.errors import OutputError
from sim_core.limits import limits
from sim_core.regular_file import IrregularFile, TooLarge, not_regular
from sim_core.whole_file import replacing

FILE_MODE, FOLDER_MODE = 0o600, 0o700
_LINK = "is a symbolic link; inside a results folder links are not followed (--results itself may be one)"
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # O_NONBLOCK: a named pipe would wait for a writer


def read_inside(path: Path, limit: str) -> bytes:
    """All bytes of a regular file. Raises OSError, also for a link, and for a file that has more bytes than the limit
    of `sim_core.limits` called `limit`."""
    most = getattr(limits(), limit)
    descriptor, size = _opened(path, _READ)
    try:
        if size > most:
            raise TooLarge(EINVAL, limits().too_much(limit, size, "bytes"), str(path))
        content = os.read(descriptor, size + 1)
        if len(content) == size:
            return content
        parts = [content]  # a file that grows, or a read in parts
        while sum(map(len, parts)) <= most and (more := os.read(descriptor, 1 << 20)):
            parts.append(more)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def open_inside(path: Path) -> BinaryIO:
    """A regular file, opened for reading. Raises OSError, also for a link."""
    return os.fdopen(_opened(path, _READ)[0], "rb")


def open_lock(path: Path) -> BinaryIO:
    """A file to lock, which is made where it is not there, opened for reading and writing. Raises OSError for a link of
    any kind: what is written into it would be written elsewhere, too."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor, _ = _opened(path, flags)
    if os.fstat(descriptor).st_nlink > 1:
        os.close(descriptor)
        raise IrregularFile(EINVAL, "is a hard link: the same file has another name elsewhere; remove it", str(path))
    return os.fdopen(descriptor, "r+b")


@contextmanager
def replacing_inside(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """As `replacing`, readable by the owner alone."""
    with replacing(path, durable=durable, mode=FILE_MODE) as file:
        yield file


def make_folder(path: Path) -> None:
    """Make a folder for its owner alone, with the folders above that are missing. One that is there stays as it is.
    Raises OSError."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(FOLDER_MODE, exist_ok=True)


def refuse_links(path: Path, results: Path) -> None:
    """Raise OutputError where `path`, or a folder between it and `results`, is a link or no folder. A path that is not
    below `results` is the user's own affair."""
    top, own = (os.path.abspath(place) for place in (results, path))  # noqa: PTH100 (resolve would follow links)
    if os.path.commonpath([top, own]) != top:
        return
    place = Path(top)
    for part in Path(own).relative_to(top).parts:
        place /= part
        if reason := not_a_folder(place):
            raise OutputError(reason, source=str(place))


def refuse_links_below(folder: Path) -> None:
    """Raise OutputError where anything below the folder is a link, or neither a file nor a folder."""
    for place, folders, files in os.walk(folder):
        for path in (Path(place, name) for name in (*folders, *files)):
            mode = path.lstat().st_mode
            if S_ISLNK(mode) or not (S_ISDIR(mode) or S_ISREG(mode)):
                reason = _LINK if S_ISLNK(mode) else not_regular(path)
                raise OutputError(f"{reason}; remove it", source=str(path))


def not_a_folder(path: Path) -> str:
    """Why the path cannot be entered as a folder; empty where it can, and where there is nothing."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return _LINK if S_ISLNK(mode) else "" if S_ISDIR(mode) else "is not a folder"


def is_file(path: Path) -> bool:
    """Whether there is a regular file under this very name, and not behind a link."""
    try:
        return S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _opened(path: Path, flags: int) -> tuple[int, int]:
    """The descriptor of a regular file, and its size."""
    try:
        descriptor = os.open(path, flags, FILE_MODE)
    except OSError as error:
        if error.errno == ELOOP and path.is_symlink():
            raise IrregularFile(ELOOP, _LINK, str(path)) from error
        if reason := not_regular(path):  # such as a socket, or a folder to write to
            raise IrregularFile(EINVAL, reason, str(path)) from error
        raise
    status = os.fstat(descriptor)
    if S_ISREG(status.st_mode):
        return descriptor, status.st_size
    os.close(descriptor)
    raise IrregularFile(EINVAL, not_regular(path), str(path))
