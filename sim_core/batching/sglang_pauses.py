"""How long the decodes of SGLang have waited for prompts, which run in steps of their own."""

from __future__ import annotations

from collections.abc import Iterator

from sim_core.batching.base import DecodeObserver
from sim_core.batching.vllm_sequence import Sequence
from sim_core.request import Task


class Pauses:
    """The pauses of all decodes of a replica. They wait and run together, so no pause costs a look at each of them."""

    __slots__ = ("_count", "_fresh", "_from_s", "_length_s", "_since")

    def __init__(self) -> None:
        # the decodes that have run, with the next two numbers from when they did first, and others by when they joined
        self._since: dict[Sequence, tuple[int, float]] = {}
        self._fresh: dict[Sequence, float] = {}
        self._count = 0  # of all pauses, for steps with prompts alone
        self._length_s = 0.0  # of all of these
        self._from_s = -1.0  # when the present one began; below 0: the decodes run

    def joined(self, sequence: Sequence, now_s: float) -> None:
        """A request is one of the decodes from now on."""
        self._fresh[sequence] = now_s

    def parted(self, sequence: Sequence) -> None:
        """It is none of them any more. Count its pauses."""
        since = self._since.pop(sequence, None)
        if since is None:
            del self._fresh[sequence]
        else:
            sequence.request.preemptions += self._count - since[0]
            sequence.request.preempted_s += self._length_s - since[1]

    def begin(self, now_s: float) -> None:
        """A step has no decodes."""
        if self._since and self._from_s < 0:
            self._from_s = now_s

    def end(self, now_s: float, observer: DecodeObserver | None) -> None:
        """The decodes that have run before run again."""
        if self._from_s < 0:
            return
        self._count += 1
        self._length_s += now_s - self._from_s
        if observer is not None:
            for task in self.waiting():
                observer.decode_resumed(task, now_s)
                task.paused_at_s = -1.0
        self._from_s = -1.0

    def begun(self, now_s: float) -> list[tuple[Task, float]]:
        """The other decodes run, too. Returns those that were retracted before and had to wait since they joined, with
        that time."""
        waited: list[tuple[Task, float]] = []
        if self._fresh:
            since = (self._count, self._length_s)
            for sequence, joined_s in self._fresh.items():
                self._since[sequence] = since
                request = sequence.request
                if request.token_start_s is None:
                    request.token_start_s = now_s
                elif joined_s < now_s:
                    request.preemptions += 1
                    waited.append((sequence.present_task(), joined_s))
            self._fresh.clear()
        return waited

    def waiting(self) -> Iterator[Task]:
        """The tasks of the decodes that wait for prompts now, each with the time since when."""
        if self._from_s >= 0:
            for sequence in self._since:
                task = sequence.present_task()
                task.paused_at_s = self._from_s
                yield task
