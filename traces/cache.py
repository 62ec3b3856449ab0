"""Generated traces, kept from run to run: a folder of files named after the digest of what they were made from.

A file appears under its name when it is complete, so any number of processes may use the folder at once. Its checksum
is verified on every reading; a file that is damaged, or of another version or machine, is as good as none. When the
folder grows beyond MAX_BYTES the files used longest ago go. A folder that cannot be written keeps nothing, silently:
then traces are made anew, which takes 0.1 s for 100,000 requests.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any

from sim_core.trace import Trace
from sim_core.whole_file import replacing

VARIABLE = "LLM_CLUSTER_SIM_CACHE"  # a folder, or "off"
MAGIC = b"trace columns 1\n"
SUFFIX = ".trace"
DIGEST_BYTES = 32
MIN_REQUESTS = 2000  # fewer are made as quickly as they are found
MAX_BYTES = 2 << 30
SHARE_LEFT = 0.8  # of MAX_BYTES after tidying up
STALE_S = 3600.0  # after that a partial file is nobody's


def cache_folder(kind: str) -> Path | None:
    """Where things of a kind are kept: below $LLM_CLUSTER_SIM_CACHE, or with the system's caches; None: nowhere."""
    chosen = os.environ.get(VARIABLE, "")
    if chosen == "off":
        return None
    try:
        base = Path(chosen or os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:  # there is no home folder
        return None
    if not base.is_absolute():
        return None
    return base / kind if chosen else base / "llm-cluster-sim" / kind


def cached(digest: str, name: str, make: Callable[[], Trace]) -> Trace:
    """The trace that was made from what has this digest, or `make()`, which is kept for the next time."""
    folder = cache_folder("traces")
    if folder is None:
        return make()
    path = folder / f"{digest}{SUFFIX}"
    trace = read(path, name)
    if trace is None:
        trace = make()
        if len(trace) >= MIN_REQUESTS:
            with suppress(OSError):
                write(path, trace)
                tidy(folder)
    return trace


def read(path: Path, name: str) -> Trace | None:
    """The trace in a file, or None when there is none or it is not as it was written."""
    try:
        data = memoryview(path.read_bytes())
        with suppress(OSError):
            os.utime(path)
    except OSError:
        return None
    start = len(MAGIC) + DIGEST_BYTES
    if data[: len(MAGIC)] != MAGIC or hashlib.sha256(data[start:]).digest() != data[len(MAGIC) : start]:
        return None
    header, _, _ = bytes(data[start : start + 4096]).partition(b"\n")
    facts = json.loads(header)
    if facts["byteorder"] != sys.byteorder:
        return None
    columns: dict[str, Any] = {"request_id": array("q", range(facts["requests"]))}
    place = start + len(header) + 1
    for column, kind in facts["columns"].items():
        if isinstance(kind, int):
            columns[column] = array("q", [kind]) * facts["requests"]
            continue
        columns[column] = array(kind)
        end = place + facts["requests"] * columns[column].itemsize
        columns[column].frombytes(data[place:end])
        place = end
    return Trace(name=name, **columns)


def write(path: Path, trace: Trace) -> None:
    """Request ids must count from 0, and `origin_s` be 0. A column of one value is kept as that value. OSError when it
    cannot be written."""
    columns: dict[str, object] = {}
    parts = []
    for item in fields(trace):
        column = getattr(trace, item.name)
        if item.name in ("name", "request_id", "origin_s"):
            continue
        if item.name != "arrival_s" and min(column) == max(column):
            columns[item.name] = column[0]
        else:
            columns[item.name] = column.typecode
            parts.append(column.tobytes())
    facts = {"requests": len(trace), "byteorder": sys.byteorder, "columns": columns}
    data = b"".join([json.dumps(facts).encode(), b"\n", *parts])
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with replacing(path, durable=False) as file:
        file.writelines([MAGIC, hashlib.sha256(data).digest(), data])


def tidy(folder: Path, max_bytes: int = MAX_BYTES) -> None:
    """Takes away what was used longest ago, if there is too much, and what writers that were killed have left."""
    kept: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        with suppress(OSError):  # somebody else took it away
            facts = path.stat()
            if path.suffix == SUFFIX:
                kept.append((facts.st_mtime, facts.st_size, path))
            elif path.suffix == ".tmp" and facts.st_mtime < time.time() - STALE_S:
                path.unlink()
    total = sum(size for _, size, _ in kept)
    if total <= max_bytes:
        return
    for _, size, path in sorted(kept):
        with suppress(OSError):
            path.unlink()
        total -= size
        if total <= max_bytes * SHARE_LEFT:
            break
