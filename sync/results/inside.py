"""Files below a results folder. A folder of results may come from somebody else, so links in it are not followed.

The rule: the results folder itself (--results) may be a link. Below it a symbolic link is refused wherever a folder is
entered or a file is read or written; so is anything that is no regular file, such as a named pipe. New folders and
files are readable by their owner alone, from their first byte.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EINVAL, ELOOP
from io import BufferedReader
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG
from typing import BinaryIO

from sim_core.errors import OutputError
from sim_core.regular_file import IrregularFile, not_regular, open_descriptor, read_bytes
from sim_core.whole_file import partial_of, replacing

FILE_MODE, FOLDER_MODE = 0o600, 0o700
# Bytes that are written and read at once. For more of them Linux looks for memory in large pieces: to write 9 MB then
# takes from 2 to 12 ms of CPU, and in these portions 3.
_PORTION = 1 << 18
_LINK = "is a symbolic link; inside a results folder links are not followed (--results itself may be one)"


def read_inside(path: Path, limit: str) -> bytes:
    """All bytes of a regular file. Raises OSError, also for a link, and for a file that has more bytes than the limit
    of `sim_core.limits` called `limit`."""
    with _no_link(path):
        return read_bytes(path, limit, os.O_RDONLY | os.O_NOFOLLOW)


def open_inside(path: Path) -> BufferedReader:
    """A regular file, opened for reading. Raises OSError, also for a link."""
    with _no_link(path):
        return os.fdopen(open_descriptor(path, os.O_RDONLY | os.O_NOFOLLOW)[0], "rb")


def open_lock(path: Path) -> BinaryIO:
    """A file to lock, which is made where it is not there, opened for reading and writing. Raises OSError for a link of
    any kind: what is written into it would be written elsewhere, too."""
    with _no_link(path):
        descriptor, _ = open_descriptor(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE)
    if os.fstat(descriptor).st_nlink > 1:
        os.close(descriptor)
        raise IrregularFile(EINVAL, "is a hard link: the same file has another name elsewhere; remove it", str(path))
    return os.fdopen(descriptor, "r+b")


@contextmanager
def replacing_inside(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """As `replacing`, readable by the owner alone."""
    with replacing(path, durable=durable, mode=FILE_MODE) as file:
        yield file


def write_inside(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Make the file hold `content`, as `replacing_inside`."""
    whole = memoryview(content)
    with replacing_inside(path, durable=durable) as file:
        for start in range(0, len(content), _PORTION):
            file.write(whole[start : start + _PORTION])


def linked_inside(path: Path, twin: Path, content: bytes) -> bool:
    """Whether `path` has become another name of the file `twin`, which takes neither time nor room. Nothing is done
    where `twin` does not hold `content`, is no regular file, may be read by others than its owner, or is on another
    file system, and where the file system has no such names."""
    name = partial_of(path)
    try:
        os.link(twin, name, follow_symlinks=False)
        with open_inside(name) as file:
            state = os.fstat(file.fileno())
            if state.st_mode & 0o777 & ~FILE_MODE or state.st_size != len(content) or not _holds(file, content):
                return False
        name.replace(path)
    except (OSError, NotImplementedError):
        return False
    finally:
        with suppress(OSError):  # also where `path` was a name of that file before: then replacing does nothing
            name.unlink()
    return True


def _holds(file: BufferedReader, content: bytes) -> bool:
    """Whether the file, from where it stands, holds `content` and no more."""
    whole, read = memoryview(content), bytearray(_PORTION)
    for start in range(0, len(content), _PORTION):
        part = whole[start : start + _PORTION]
        count = file.readinto(read)
        if count != len(part) or (read if count == _PORTION else read[:count]) != part:
            return False
    return not file.read(1)


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


@contextmanager
def _no_link(path: Path) -> Iterator[None]:
    """Within this block an error says so where the path is a link."""
    try:
        yield
    except OSError as error:
        if path.is_symlink():
            raise IrregularFile(ELOOP, _LINK, str(path)) from error
        raise
