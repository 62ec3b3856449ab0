"""SGLang's new-token ratio: how many of the outputs that running requests may still have they are expected to need."""

from __future__ import annotations

from sim_core.batching.vllm_sequence import Sequence


class NewTokenRatio:
    """The ratio, and the sum over those that decode to which it applies, both without a look at each of them."""

    __slots__ = ("_clip", "_count", "_decay", "_decays", "_ends", "_first", "_least", "_others", "_ratio")

    def __init__(self, first: float, least: float, steps: int, clip: int) -> None:
        """It falls from `first` to `least` within `steps` steps of decodes. Of the outputs of a request at most `clip`
        count."""
        self._first = first
        self._least = least
        self._decay = (first - least) / steps
        self._clip = clip
        self._ratio = first  # when it was last set
        self._decays = 0  # steps of decodes since then
        # of most of those that decode: their number, and the sum of the passes in which they have all of their outputs
        self._count = self._ends = 0
        self._others: dict[Sequence, int] = {}  # these passes of those of whose outputs not all count, or none is left

    def reset(self) -> None:
        """Nothing is left to do."""
        self._ratio = self._first
        self._decays = 0

    def set(self, ratio: float) -> None:
        """Requests were retracted: the step of decodes that follows does not lower it."""
        self._ratio = ratio
        self._decays = -1

    def decay(self, steps: int) -> None:
        """So many steps of decodes have ended."""
        self._decays += steps

    def now(self) -> float:
        """The ratio. It depends on the number of steps alone, so a jump equals its single steps to the bit."""
        if self._decays <= 0:
            return self._ratio
        return max(self._ratio - self._decays * self._decay, self._least)

    def add(self, sequence: Sequence, end: int, passes: int) -> None:
        """A request decodes, which has all outputs that it may have in the pass `end`, of which `passes` were made."""
        if end - passes > self._clip or end < sequence.ends_at - 1 - sequence.base:
            self._others[sequence] = end
        else:
            self._ends += end
            self._count += 1

    def remove(self, sequence: Sequence, end: int) -> None:
        """A request does not decode any more."""
        if sequence in self._others:
            del self._others[sequence]
        else:
            self._ends -= end
            self._count -= 1

    def expected(self, passes: int) -> float:
        """The tokens that those that decode are expected to need, after `passes` passes."""
        tokens = self._ends - self._count * passes
        for end in self._others.values():
            tokens += max(min(end - passes, self._clip), 0)
        return tokens * self.now()
