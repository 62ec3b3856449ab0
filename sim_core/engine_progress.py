"""Whether an engine's loop makes progress, or admits and preempts the same requests for ever.

A pass that has preempted requests makes none if the same requests run, each as far as it was after an earlier such
pass, and no output has come since. Then they are admitted, computed and preempted without an end, since KV caches that
are to leave hold too much memory, or since requests that came at the same time preempt each other in turn.
"""

from __future__ import annotations

from sim_core.batching.vllm_scheduler import VllmScheduler


class Progress:
    """What an engine's loop has brought about since something last came."""

    __slots__ = ("_compared", "_known_state", "_outputs", "_scheduler", "is_futile", "stops")

    def __init__(self, scheduler: VllmScheduler) -> None:
        self._scheduler = scheduler
        self._outputs = -1  # their number at the last preemption; -1: something has come since
        self._compared = 0  # the preempting passes since then
        self._known_state: list[int] = []  # what ran after one of them
        self.is_futile = False  # whether requests preempt each other again and again, and none gets a token
        self.stops = False  # whether the loop is to stop that

    def preempted(self) -> None:
        """A pass has preempted requests."""
        outputs = self._outputs_so_far()
        if outputs != self._outputs:
            self.forget()
            self._outputs = outputs
            return
        state = self._scheduler.running_state()
        self.is_futile |= self._compared > 0 and state == self._known_state
        self._compared += 1
        if not self._compared & (self._compared - 1):  # at each power of 2, so that a cycle of any length is found
            self._known_state = state

    def is_made(self) -> bool:
        """Whether outputs have come since the last preemption."""
        return self._outputs != self._outputs_so_far()

    def _outputs_so_far(self) -> int:
        return self._scheduler.outputs + self._scheduler.decodes.passes

    def forget(self) -> None:
        """Something has come, an output as well, or memory was freed."""
        self._outputs = -1
        self._compared = 0
        self.is_futile = self.stops = False

    def stop(self) -> bool:
        """Let the loop stop if what it does is futile. Returns whether it is."""
        self.stops = self.is_futile
        return self.is_futile
