"""Tables that were asked for once, in the user's cache: a file each, named by all that decides its content."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sim_core.digest import sha256
from sim_core.spec import Deployment, StepGridSpec
from sim_core.whole_file import replacing

FOLDER = "silicon"


def folder() -> Path | None:
    """Where tables are kept: llm-cluster-sim/silicon in the user's cache folder; None where there is none."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:  # there is no home folder
        return None
    return base / "llm-cluster-sim" / FOLDER if base.is_absolute() else None


def name_of(asked: Mapping[str, Any]) -> str:
    """The name of the file of what was asked."""
    return sha256([json.dumps(asked, sort_keys=True).encode()]).hex()


def kept(asked: Mapping[str, Any], deployment: Deployment) -> StepGridSpec | None:
    """The tables that were kept of what is asked; None where there are none, or where the file is damaged."""
    place = folder()
    if place is None:
        return None
    try:
        digest, _, content = (place / name_of(asked)).read_bytes().partition(b"\n")
        checksum, _, text_digest = digest.decode("ascii").partition(" ")
    except (OSError, UnicodeDecodeError):
        return None
    if sha256([content]).hex() != checksum:
        return None
    return StepGridSpec(deployment, text_digest, content)


def keep(asked: Mapping[str, Any], spec: StepGridSpec) -> None:
    """Keep tables. Where that is not possible they are asked for again the next time."""
    place = folder()
    if place is None:
        return
    with contextlib.suppress(OSError):
        place.mkdir(parents=True, exist_ok=True)
        with replacing(place / name_of(asked), durable=False) as file:
            file.write(f"{sha256([spec.packed]).hex()} {spec.sha256}\n".encode() + spec.packed)
