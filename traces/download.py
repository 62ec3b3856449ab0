"""Fetching a public trace: resumed where it was cut, checked before it gets its name."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

from sim_core.errors import TraceError
from traces import named
from traces.cache import cache_folder
from traces.catalogue import Published

FIRST_ANSWER_S = 10.0  # name service, connection, first line of the answer
SILENCE_S = 30.0  # within a file
RETRIES = 5
BLOCK_BYTES = 1 << 18
OFFLINE = f"workloads that need no network: {named.FORM}"
Progress = Callable[[int, int | None], None]  # bytes that are here, bytes in all if known
Result = TypeVar("Result")


def default_folder() -> Path:
    """Where downloads are kept unless said otherwise, outside the project. TraceError if there is no such place."""
    folder = cache_folder("downloads")
    if folder is None:
        raise TraceError("there is no cache folder to keep downloads in; name a folder with --dir")
    return folder


def download(file: Published, folder: Path, progress: Progress = lambda done, total: None) -> tuple[Path, str]:
    """The file below `folder`, fetched unless it is there, and how its contents were checked, for people.

    A broken connection is resumed, some times by itself and then by the next call. TraceError when the publisher cannot
    be reached, when the contents are not what they must be (nothing is kept then), or when it cannot be written.
    """
    path = folder / file.filename
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            return path, _verified(file, path, path)
        part = folder / f".{file.filename}.part"
        with part.open("ab") as stream:
            _lock(stream, path)
            if path.is_file():  # another process has just finished it
                part.unlink(missing_ok=True)
                return path, _verified(file, path, path)
            try:
                _fetch(file, stream, part, progress)
            finally:
                stream.flush()
                if not stream.tell():
                    part.unlink(missing_ok=True)
            os.fsync(stream.fileno())
            _etag_path(part).unlink(missing_ok=True)
            checked = _verified(file, part, path)
            part.replace(path)
        return path, checked
    except OSError as error:
        raise TraceError(f"cannot be written: {error.strerror or error}", source=str(path)) from error


def _lock(stream: BinaryIO, path: Path) -> None:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise TraceError("is being downloaded by another process", source=str(path)) from None


def _fetch(file: Published, stream: BinaryIO, part: Path, progress: Progress) -> None:
    """Appends what is missing."""
    failures, answered = 0, False
    while True:
        here = stream.tell()
        try:
            with _answer(file, part, here) as answer:
                answered = True
                if answer.status == http.client.OK and here:  # the server starts anew
                    stream.truncate(0)
                    stream.seek(0)
                _etag_path(part).write_text(answer.headers.get("ETag", ""))
                _copy(answer, stream, progress)
            return
        except urllib.error.HTTPError as error:
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and here:
                if error.headers.get("Content-Range", "").endswith(f"/{here}"):
                    return  # all of it is here
                stream.truncate(0)
                stream.seek(0)
                continue
            if error.code < 500:
                raise TraceError(f"{file.url} answers {error.code} {error.reason}; {OFFLINE}") from None
            reason: object = f"{error.code} {error.reason}"
        except (OSError, http.client.HTTPException) as error:
            if (isinstance(error, OSError) and error.filename is not None) or _is_ours(error):
                raise
            reason = getattr(error, "reason", None) or error
        failures = 0 if stream.tell() > here else failures + 1
        if not answered or failures > RETRIES:
            raise TraceError(_failure(file, reason, stream.tell()))
        time.sleep(min(0.2 * 2**failures, 5.0))


def _is_ours(error: Exception) -> bool:
    """Whether it is the disk's failure, not the network's."""
    return isinstance(error, OSError) and error.errno in (28, 122, 27, 30)  # no space, quota, file too large, read-only


def _failure(file: Published, reason: object, here: int) -> str:
    host = urlsplit(file.url).hostname
    if here:
        return f"{file.name}: the connection to {host} broke ({reason}); {here:,} bytes are here, the next call goes on"
    return f"{file.name}: {host} cannot be reached ({reason}); {OFFLINE}"


def _answer(file: Published, part: Path, here: int) -> Any:
    request = urllib.request.Request(file.url, headers={"Accept-Encoding": "identity"})
    if here:
        request.add_header("Range", f"bytes={here}-")
        if etag := _etag(part):
            request.add_header("If-Range", etag)
    # A name service that is cut off does not answer for much longer than any timeout of a connection.
    answer = _within(FIRST_ANSWER_S, lambda: urllib.request.urlopen(request, timeout=FIRST_ANSWER_S))
    if urlsplit(answer.url).scheme != urlsplit(file.url).scheme:
        raise http.client.HTTPException(f"it redirects to {urlsplit(answer.url).scheme}")
    if answer.status == http.client.PARTIAL_CONTENT and not answer.headers.get("Content-Range", "").startswith(
        f"bytes {here}-"
    ):
        raise http.client.HTTPException("it sent another part than was asked for")
    return answer


def _copy(answer: Any, stream: BinaryIO, progress: Progress) -> None:
    here, length = stream.tell(), answer.headers.get("Content-Length")
    total = here + int(length) if length is not None else None
    _silence(answer)
    progress(here, total)
    while block := answer.read(BLOCK_BYTES):
        stream.write(block)
        here += len(block)
        progress(here, total)
    if total is not None and here < total:
        raise http.client.HTTPException(f"{total - here:,} bytes are missing")


def _silence(answer: Any) -> None:
    raw = getattr(getattr(answer, "fp", None), "raw", None)
    if (socket := getattr(raw, "_sock", None)) is not None:
        socket.settimeout(SILENCE_S)


def _within(seconds: float, call: Callable[[], Result]) -> Result:
    """What `call` gives or raises; TimeoutError if that takes longer."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:  # handed on
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError(f"no answer for {seconds:g} s")
    return results[0]


def _etag_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _etag(part: Path) -> str:
    """The version that the part belongs to; only a strong one says that bytes are equal."""
    try:
        etag = _etag_path(part).read_text().strip()
    except OSError:
        return ""
    return "" if etag.startswith("W/") or not etag.isprintable() else etag


def _verified(file: Published, path: Path, final: Path) -> str:
    """How the contents were checked. TraceError, without the file, when they are not what they must be."""
    recorded_path = final.with_name(f"{final.name}.sha256")
    known = recorded_path.read_text().split()[:1] if recorded_path.is_file() else []
    size = path.stat().st_size
    sha256, git_blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as stream:
        while block := stream.read(BLOCK_BYTES):
            sha256.update(block)
            git_blob.update(block)
    checks = (
        ("size", file.size_bytes, size),
        ("SHA-256", file.sha256, sha256.hexdigest()),
        ("git blob id", file.git_blob, git_blob.hexdigest()),
        ("SHA-256 of the first download", known[0] if known else None, sha256.hexdigest()),
    )
    for what, wanted, found in checks:
        if wanted is not None and wanted != found:
            path.unlink()
            reason = f"{what} is {found}, not {wanted}: other contents than those that are known; it was removed"
            raise TraceError(reason, source=str(final))
    if not known:
        recorded_path.write_text(f"{sha256.hexdigest()}  {final.name}\n")
    by = [what for what, wanted, _ in checks if wanted is not None]
    return f"checked by {', '.join(by)}" if by else f"nothing to check it by; SHA-256 kept in {recorded_path.name}"
