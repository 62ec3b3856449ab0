"""What tokens are, where it matters that two are the same: for a prefix cache.

A token is one position of a stream, and two tokens are equal exactly if stream and position are. A content is a list of
runs of such tokens. So equality is exact, and a text of any length costs what its runs cost.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Final

ENDLESS: Final = 1 << 60  # tokens, or blocks, of a content: all that can follow; compiled, sums of them fit a word

Run = tuple[int, int, int]  # stream, first position, tokens


class Content:
    """All tokens of a request: its prompt, and the tokens that it can produce, without end."""

    __slots__ = ("ends", "firsts", "streams")

    def __init__(self, prompt: Iterable[Run], output_stream: int) -> None:
        """`prompt`: its runs, in order. Output j is token j of `output_stream`."""
        self.streams: list[int] = []
        self.firsts: list[int] = []  # the position in its stream that a run begins with
        self.ends: list[int] = []  # the tokens up to the end of a run
        tokens = 0
        for stream, first, length in (*prompt, (output_stream, 0, ENDLESS)):
            if not length:
                continue
            before = tokens - (self.ends[-2] if len(self.ends) > 1 else 0)  # tokens of the last run
            tokens += length
            if self.streams and self.streams[-1] == stream and self.firsts[-1] + before == first:
                self.ends[-1] = tokens  # it goes on: runs are as long as can be, so equal texts have equal runs
            else:
                self.streams.append(stream)
                self.firsts.append(first)
                self.ends.append(tokens)

    def block(self, first: int, size: int) -> tuple[int, ...]:
        """The `size` tokens from the token `first` on, as numbers: equal for equal tokens, and for no others."""
        ends, index = self.ends, bisect_right(self.ends, first)
        begin = ends[index - 1] if index else 0
        numbers: list[int] = []
        end = first + size
        while first < end:
            upto = min(ends[index], end)
            numbers += (self.streams[index], self.firsts[index] + first - begin, upto - first)
            first = begin = upto
            index += 1
        return tuple(numbers)

    def equal_up_to(self, other: Content, first: int) -> int:
        """The number of tokens up to the first one that differs, where those before `first` are known to be equal;
        ENDLESS or more where none differs."""
        ends, streams, firsts = self.ends, self.streams, self.firsts
        other_ends, other_streams, other_firsts = other.ends, other.streams, other.firsts
        i, j = bisect_right(ends, first), bisect_right(other_ends, first)
        begin, other_begin = ends[i - 1] if i else 0, other_ends[j - 1] if j else 0
        runs, other_runs = len(ends), len(other_ends)
        while i < runs and j < other_runs:
            if streams[i] != other_streams[j] or firsts[i] - begin != other_firsts[j] - other_begin:
                return first
            end, other_end = ends[i], other_ends[j]
            first = end if end < other_end else other_end
            if first >= ENDLESS:
                break
            if end == first:
                begin = end
                i += 1
            if other_end == first:
                other_begin = other_end
                j += 1
        return first
