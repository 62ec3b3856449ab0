"""What the requests of a trace have in common: which of their tokens are the same.

Each token of a text that several requests may have a part of has an address, and two tokens are equal exactly if their
addresses are. A request is runs of addresses, from its first token on: a system prompt is one run, and a conversation
another, however long. What its runs do not cover belongs to the request alone.
"""

from __future__ import annotations

from array import array

from sim_core.record import record


@record
class Prefixes:
    """The runs of all requests of a trace, row by row: those of row n have the numbers from `begins[n]` up to
    `begins[n + 1]`. They cover the first tokens of its prompt, or the prompt and the first tokens of its output.

    `block_tokens`: texts were compared in blocks of so many tokens, so shorter parts in common are not known; 1: by
    tokens.
    """

    begins: array[int]  # typecode q; one more than the trace has rows
    firsts: array[int]  # q, >= 0: the address of the first token of a run
    lengths: array[int]  # q, >= 1: its tokens
    block_tokens: int

    @property
    def columns(self) -> tuple[array[int], array[int], array[int]]:
        """What decides the contents of requests."""
        return self.begins, self.firsts, self.lengths

    def without_rows(self) -> Prefixes:
        """Those of a trace without requests, whose texts are compared as here."""
        return Prefixes(array("q", [0]), array("q"), array("q"), self.block_tokens)

    def append(self, other: Prefixes, row: int) -> None:
        """Add a row, with the runs of a row of `other`."""
        begin, end = other.begins[row], other.begins[row + 1]
        self.firsts.extend(other.firsts[begin:end])
        self.lengths.extend(other.lengths[begin:end])
        self.begins.append(len(self.firsts))
