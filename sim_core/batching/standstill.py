"""Which tasks a replica can run although its policy's order has come to a standstill.

A policy takes tasks in its own order and stops at the first that does not fit into memory. Where nothing runs and no KV
cache is about to leave or to come, no memory is ever freed: in SplitwiseSim this task and all tasks behind it wait for
ever. Here the replica runs other tasks instead, in order of arrival:

1. Decodes that fit. A decode ends, and frees the memory of its whole request.
2. Where no decode fits, prompts of requests that fit as a whole: such a request frees what it takes.

The replica follows this rule until no decode on it waits for memory, so that no prompt takes the memory which a decode
needs. Where the rule finds no task either, the memory is held by KV caches of which none can grow: the replica stands
still.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Protocol

from sim_core.batching.batch import Batch
from sim_core.batching.line import Line
from sim_core.kv.base import KvCache
from sim_core.request import Task


class Stuck(Protocol):
    """A batcher, as far as this rule needs it."""

    batch: Batch
    kv: KvCache
    line: Line
    max_batch_tokens: int

    @abstractmethod
    def most_members(self) -> int: ...
    @abstractmethod
    def decodes_waiting(self) -> int: ...


def able_to_go_on(batcher: Stuck) -> list[Task]:
    """The tasks to run on a replica that has no batch, within its limits; none where it stands still."""
    tasks = _decodes(batcher)
    return tasks if tasks or batcher.batch.decodes else _prompts(batcher)


def _decodes(batcher: Stuck) -> list[Task]:
    free = batcher.kv.capacity - batcher.kv.tokens
    members_left = batcher.most_members() - len(batcher.batch.decodes)
    unseen = batcher.decodes_waiting()
    tasks: list[Task] = []
    for task in batcher.line.in_order():
        if unseen <= 0 or len(tasks) >= members_left:
            break
        if not task.is_prompt:
            unseen -= 1
            if task.kv_tokens <= free:
                free -= task.kv_tokens
                tasks.append(task)
    return tasks


def _prompts(batcher: Stuck) -> list[Task]:
    free = batcher.kv.capacity - batcher.kv.tokens
    members_left, tokens_left = batcher.most_members(), batcher.max_batch_tokens
    tasks: list[Task] = []
    for task in batcher.line.in_order():
        if not task.is_prompt:
            continue
        request = task.request
        needed = task.kv_tokens
        if request.token_instance.kv is batcher.kv:
            needed += request.decode_kv_tokens
        elif request.output_tokens > 1 and request.token_instance.never_fits(needed):
            continue
        if needed > free:
            continue
        if tasks and task.batch_tokens > tokens_left:
            break
        tasks.append(task)
        free -= needed
        tokens_left -= task.batch_tokens
        if len(tasks) == members_left:
            break
    return tasks
