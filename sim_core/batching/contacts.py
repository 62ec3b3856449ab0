"""The parties that an instance deals with: its queue, its owner, and observers of its decodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from sim_core.request import Host, Request, Task


class TaskQueue(Protocol):
    """The operations that all policies need of a queue; a list has them."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Task]: ...
    def __getitem__(self, index: int, /) -> Task: ...


class Owner(Protocol):
    """The application of an instance, which the instance notifies of these events."""

    def prompt_finished(self, request: Request, leaves: bool) -> None: ...
    def request_finished(self, request: Request) -> None: ...
    def instance_idle(self, instance: Host) -> None: ...


class DecodeObserver:
    """Notified of decodes that return to the batch. See `sim_core.batching.base.IterationObserver`."""

    def decode_resumed(self, task: Task, now_s: float) -> None:
        """A decode, preempted at `task.paused_at_s`, is in the batch again."""
