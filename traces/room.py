"""How much a trace file may become when it is unpacked and read: a small file must not fill the memory."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.errors import TraceError
from sim_core.limits import limits

MB = 1_000_000


@dataclass(frozen=True, slots=True)
class Room:
    """The bytes that a file of `file_bytes` may have, unpacked or as rows in memory: `expansion` times its size, but
    `small_bytes` in any case, and `expanded_bytes` at most."""

    source: str
    file_bytes: int

    @property
    def most(self) -> int:
        """The bytes that there is room for."""
        bounds = limits()
        return min(max(bounds.small_bytes, bounds.expansion * self.file_bytes), bounds.expanded_bytes)

    def error(self, found_bytes: int, what: str, *, at_least: bool = True) -> TraceError:
        """The error of a file that has no room; `what` are these bytes, such as `unpacked`."""
        bounds, most = limits(), self.most
        name = "expanded_bytes" if most == bounds.expanded_bytes else "expansion"
        amount = f"{'more than ' if at_least else ''}{found_bytes / MB:,.0f} MB"
        rule = f"at most {most / MB:,.0f} MB, which is {bounds.expansion} times its size"
        if most == bounds.small_bytes:
            rule = f"at most {most / MB:,.0f} MB for a file this small"
        elif name == "expanded_bytes":
            rule = f"at most {most / MB:,.0f} MB"
        reason = f"is {self.file_bytes / MB:,.1f} MB and becomes {amount} {what}; {rule} {bounds.hint(name)}"
        return TraceError(reason, source=self.source)

    def check(self, found_bytes: int, what: str) -> None:
        """TraceError if so many bytes are too many."""
        if found_bytes > self.most:
            raise self.error(found_bytes, what, at_least=False)
