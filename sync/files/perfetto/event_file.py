"""A file of trace events: written in portions, of bounded size, always valid JSON once closed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Event = dict[str, Any]
_EVENTS_IN_MEMORY = 2_000
_HEAD = '{"displayTimeUnit":"ms","traceEvents":['
_ROOM_TO_CLOSE = 4_000  # bytes: what `close` writes after the events


class EventFile:
    """JSON object form of the Trace Event Format."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self._file = path.open("w", encoding="ascii", newline="\n")
        self._room = max_bytes - len(_HEAD) - _ROOM_TO_CLOSE
        self._lines: list[str] = []
        self._before = "\n"
        self._file.write(_HEAD)
        self.full = False

    def write(self, events: Iterable[Event]) -> bool:
        """Write all of `events`, or none where they, or any earlier ones, had no room any more."""
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
        """Write the `last` few events, for which room is kept, and what is to be said about the file as a whole."""
        self._lines += [json.dumps(event, separators=(",", ":"), allow_nan=False) for event in last]
        self._flush()
        self._file.write(f'\n],"otherData":{json.dumps(other_data, allow_nan=False)}}}\n')
        self._file.close()

    def _flush(self) -> None:
        if self._lines:
            self._file.write(self._before + ",\n".join(self._lines))
            self._before = ",\n"
            self._lines.clear()
