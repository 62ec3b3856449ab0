"""How often SGLang's scheduler looks for new requests: `--scheduler-recv-interval`."""

from __future__ import annotations

from sim_core.batching.vllm_sequence import Sequence


class ReceiveInterval:
    """Requests that have come and that the scheduler has not seen. It looks after `interval` steps of decodes, after
    each step with prompts, and where nothing runs."""

    __slots__ = ("_count", "_interval", "_is_due", "unseen")

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._count = 0  # steps of decodes since it last looked
        self._is_due = False
        self.unseen: list[Sequence] = []

    def passed(self, steps: int, has_prompts: bool) -> None:
        """So many steps have ended."""
        self._count = 0 if has_prompts else (self._count + steps) % self._interval
        self._is_due = self._count == 0

    def received(self, is_idle: bool) -> list[Sequence]:
        """Those that the scheduler sees now, in the order in which they came."""
        if not (self._is_due or is_idle):
            return []
        unseen, self.unseen = self.unseen, []
        return unseen

    def steps_to_look(self) -> int:
        """How many steps of decodes it takes until the scheduler looks."""
        return self._interval - self._count
