"""A file of trace events with a largest size. Once closed it is valid JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Event = dict[str, Any]
_HEAD = '{"displayTimeUnit":"ms","traceEvents":['
_ROOM_TO_CLOSE = 4_000  # bytes kept free for what `close` writes after the events


class EventFile:
    """Writes the JSON object form of the Trace Event Format."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._file = path.open("w", encoding="ascii", newline="\n")
        self._room = max_bytes - len(_HEAD) - _ROOM_TO_CLOSE
        self._file.write(_HEAD)
        self._separator = "\n"
        self._full = False

    def write(self, events: Iterable[Event]) -> bool:
        """Write all of `events`, or none: then these or earlier ones had no room. Returns whether they were written."""
        if self._full:
            return False
        lines = [json.dumps(event, separators=(",", ":"), allow_nan=False) for event in events]
        size = sum(map(len, lines)) + 2 * len(lines)
        self._full = size > self._room
        if self._full:
            return False
        self._room -= size
        for line in lines:
            self._file.write(self._separator + line)
            self._separator = ",\n"
        return True

    def close(self, last: Iterable[Event], other_data: dict[str, Any]) -> None:
        """Write the `last` few events, for which room is kept, and `other_data` about the whole file."""
        self._room, self._full = _ROOM_TO_CLOSE, False
        self.write(last)
        self._file.write(f'\n],"otherData":{json.dumps(other_data, allow_nan=False)}}}\n')
        self._file.close()
