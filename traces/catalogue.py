"""Public traces: where their publishers keep them, under which licence, and how their contents are checked.

public_traces.json lists them. Its git blob ids are the publishers' own: from the trees of Azure/AzurePublicDataset,
kvcache-ai/Mooncake and HPMLL/BurstGPT on GitHub, at the commits that the addresses name. The files of 2023 are also
checked by the SHA-256 of copies at hand. For files with neither, the checksum of the first download is recorded.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from sim_core.errors import TraceError, choices


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
