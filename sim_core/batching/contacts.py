"""Whom an instance deals with: its queue, its owner, and whoever watches it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from sim_core.request import Request, Task

if TYPE_CHECKING:
    from sim_core.batching.base import Instance


class TaskQueue(Protocol):
    """What all policies need of a queue; a list is one."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Task]: ...
    def __getitem__(self, index: int, /) -> Task: ...


class Owner(Protocol):
    """Whom an instance tells what happened: its application."""

    def prompt_finished(self, request: Request, leaves: bool) -> None: ...
    def request_finished(self, request: Request) -> None: ...
    def instance_idle(self, instance: Instance) -> None: ...


class IterationObserver:
    """Is told what happens inside an instance; does nothing with it. What it changes would change results."""

    def iterations_ended(self, instance: Instance) -> None:
        """A run of iterations ends; its members are still in the batch."""

    def batch_empty(self, instance: Instance) -> None:
        """Nothing can run now: nothing waits, or there is no memory for it."""

    def decode_resumed(self, task: Task, now_s: float) -> None:
        """A decode, preempted at `task.paused_at_s`, is in the batch again."""
