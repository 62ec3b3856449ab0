"""A file of trace events, written in portions up to a largest size. Once closed it is valid JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Event = dict[str, Any]
_EVENTS_IN_MEMORY = 2_000
_HEAD = '{"displayTimeUnit":"ms","traceEvents":['
_ROOM_TO_CLOSE = 4_000  # bytes kept free for what `close` writes after the events


class EventFile:
    """Writes the JSON object form of the Trace Event Format."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._file = path.open("w", encoding="ascii", newline="\n")
        self._room = max_bytes - len(_HEAD) - _ROOM_TO_CLOSE
        self._lines: list[str] = []
        self._separator = "\n"
        self._file.write(_HEAD)
        self.full = False

    def write(self, events: Iterable[Event]) -> bool:
        """Write all of `events`, or none: then these or earlier ones had no room. Returns whether they were written."""
        if self.full:
            return False
        lines = [json.dumps(event, separators=(",", ":"), allow_nan=False) for event in events]
        size = sum(map(len, lines)) + 2 * len(lines)
        if size > self._room:
            self.full = True
            return False
        self._room -= size
        self._lines += lines
        if len(self._lines) >= _EVENTS_IN_MEMORY:
            self._flush()
        return True

    def close(self, last: list[Event], other_data: dict[str, Any]) -> None:
        """Write the `last` few events, for which room is kept, and `other_data` about the whole file."""
        self._lines += [json.dumps(event, separators=(",", ":"), allow_nan=False) for event in last]
        self._flush()
        self._file.write(f'\n],"otherData":{json.dumps(other_data, allow_nan=False)}}}\n')
        self._file.close()

    def _flush(self) -> None:
        if self._lines:
            self._file.write(self._separator + ",\n".join(self._lines))
            self._separator = ",\n"
            self._lines.clear()
