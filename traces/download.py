"""Downloads a public trace: resumes what was cut, and checks the contents before the file gets its name.

public_traces.json lists public traces: where their publishers keep them, under which licence, and how their contents
are checked. Its git blob ids are the publishers' own: from the trees of Azure/AzurePublicDataset, kvcache-ai/Mooncake
and HPMLL/BurstGPT on GitHub, at the commits that the addresses name. The files of 2023 are also checked by the SHA-256
of copies at hand. For files with neither, the checksum of the first download is recorded.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from sim_core.errors import TraceError, choices
from traces.sizes import FORM

if TYPE_CHECKING:
    from requests import Response, Session

TIMEOUTS_S = (10.0, 30.0)  # for connecting, and between two blocks
RETRIES = 5
BLOCK_BYTES = 1 << 18
OFFLINE = f"workloads that need no network: {FORM}"
Progress = Callable[[int, int | None], None]  # bytes downloaded, bytes in total if known


@dataclass(frozen=True, slots=True)
class Published:
    """A file at its publisher's. `size_bytes`, `sha256` and `git_blob` (git's SHA-1) are None where not known."""

    name: str
    url: str
    what: str
    licence: str
    cite: str
    size_bytes: int | None = None
    sha256: str | None = None
    git_blob: str | None = None

    @property
    def filename(self) -> str:
        """The publisher's name of the file."""
        return self.url.rsplit("/", 1)[1]


def catalogue() -> list[Published]:
    """All public traces, in the order in which they are listed."""
    text = Path(__file__).with_name("public_traces.json").read_text(encoding="utf-8")
    return [Published(**facts) for facts in json.loads(text)]


def published(name: str) -> Published:
    """The file called `name`. TraceError, with the nearest name, if there is none."""
    files = {file.name: file for file in catalogue()}
    if name not in files:
        raise TraceError(f"unknown public trace {name!r}{choices(name, list(files))}")
    return files[name]


def default_folder() -> Path:
    """The folder for downloads in the user's cache. TraceError if there is none."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:  # there is no home folder
        base = Path()
    if not base.is_absolute():
        raise TraceError("there is no cache folder to keep downloads in; name a folder with --dir")
    return base / "llm-cluster-sim" / "downloads"


def download(file: Published, folder: Path, progress: Progress = lambda done, total: None) -> tuple[Path, str]:
    """The path of the file below `folder`, downloaded unless it exists, and a text that says how it was checked.

    A broken connection is resumed, several times within a call and then by the next call. TraceError when the publisher
    cannot be reached, when the contents are not the expected ones (they are removed), or when the disk refuses them.
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
    """Appends the missing bytes, in as many requests as that takes."""
    import requests  # a fifth of a second, for this command alone
    import urllib3

    scheme = urlsplit(file.url).scheme
    with requests.Session() as session:
        session.adapters.clear()  # a redirect to another scheme is not followed
        session.mount(f"{scheme}://", requests.adapters.HTTPAdapter())
        failures, answered = 0, False
        while True:
            start = stream.tell()
            try:
                with _answer(file, session, part, start) as answer:
                    answered = True
                    if _copy(file, answer, stream, part, progress):
                        return
                    reason: object = f"{answer.status_code} {answer.reason}"
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                reason = _root_cause(error)
            failures = 0 if stream.tell() > start else failures + 1
            if not answered or failures > RETRIES:
                raise TraceError(_failure(file, reason, stream.tell()))
            time.sleep(min(0.2 * 2**failures, 5.0))


def _answer(file: Published, session: Session, part: Path, start: int) -> Response:
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        if etag := _etag(part):
            headers["If-Range"] = etag
    return session.get(file.url, headers=headers, stream=True, timeout=TIMEOUTS_S)


def _copy(file: Published, answer: Response, stream: BinaryIO, part: Path, progress: Progress) -> bool:
    """Appends the answer's bytes. False if the server failed and should be asked again."""
    start, sent = stream.tell(), answer.headers.get("Content-Range", "")
    if answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
        if sent.endswith(f"/{start}"):
            return True  # the part is the whole file
        _restart(stream)
        return False
    if answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return False
    if not answer.ok:
        raise TraceError(f"{file.url} answers {answer.status_code} {answer.reason}; {OFFLINE}")
    if answer.status_code != HTTPStatus.PARTIAL_CONTENT:  # the server starts anew
        _restart(stream)
    elif not sent.startswith(f"bytes {start}-"):
        return False
    _etag_path(part).write_text(answer.headers.get("ETag", ""))
    done, length = stream.tell(), answer.headers.get("Content-Length")
    total = done + int(length) if length is not None else None
    progress(done, total)
    while block := answer.raw.read1(BLOCK_BYTES):
        stream.write(block)
        done += len(block)
        progress(done, total)
        if file.size_bytes is not None and done > file.size_bytes:
            break  # checking its size will refuse it
    return True


def _restart(stream: BinaryIO) -> None:
    stream.truncate(0)
    stream.seek(0)


def _root_cause(error: BaseException) -> object:
    while cause := error.__cause__ or error.__context__:
        error = cause
    return getattr(error, "strerror", None) or error


def _failure(file: Published, reason: object, size: int) -> str:
    host = urlsplit(file.url).hostname
    if size:
        return f"{file.name}: the connection to {host} broke ({reason}); the next call goes on after {size:,} bytes"
    return f"{file.name}: {host} cannot be reached ({reason}); {OFFLINE}"


def _etag_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.etag")


def _etag(part: Path) -> str:
    """The version of the file that the part belongs to. Only a strong ETag guarantees equal bytes."""
    try:
        etag = _etag_path(part).read_text().strip()
    except OSError:
        return ""
    return "" if etag.startswith("W/") or not etag.isprintable() else etag


def _verified(file: Published, path: Path, final: Path) -> str:
    """A text that says how the contents were checked. TraceError, after removing the file, if they are not right."""
    recorded_path = final.with_name(f"{final.name}.sha256")
    recorded = recorded_path.read_text().split()[:1] if recorded_path.is_file() else []
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
        ("SHA-256 of the first download", recorded[0] if recorded else None, sha256.hexdigest()),
    )
    for name, expected, found in checks:
        if expected is not None and expected != found:
            path.unlink()
            reason = f"{name} is {found}, not {expected}: other contents than those that are known; it was removed"
            raise TraceError(reason, source=str(final))
    if not recorded:
        recorded_path.write_text(f"{sha256.hexdigest()}  {final.name}\n")
    used = [name for name, expected, _ in checks if expected is not None]
    return f"checked by {', '.join(used)}" if used else f"no checksum is known; SHA-256 kept in {recorded_path.name}"
