"""Which tasks an instance can run although its policy's order has come to a standstill.

A policy takes tasks in its own order and stops at the first that has no memory. Where nothing runs and no KV cache is
about to leave or to come, no memory is ever freed: this task and all tasks behind it wait for ever in SplitwiseSim.
Here the instance runs other tasks instead, in order of arrival:

1. Decodes that fit. A decode ends, and gives back the memory of its whole request.
2. Where there is no such decode, prompts of requests that fit whole: a request gives back what it takes.

The instance goes on by this rule until no decode waits there for memory, so that no prompt takes the memory which a
decode needs. Where no task can run by this rule either, the memory is held by KV caches of which none can grow: the
instance stands still.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim_core.request import Task

if TYPE_CHECKING:
    from sim_core.batching.base import Instance


def able_to_go_on(instance: Instance) -> list[Task]:
    """The tasks to run on an instance that has no batch; none where it stands still."""
    tasks = _decodes(instance)
    return tasks if tasks or instance.decodes else _prompts(instance)


def _decodes(instance: Instance) -> list[Task]:
    free = instance.kv_capacity - instance.kv_tokens
    most = instance.most_members() - len(instance.decodes)
    unseen = instance.decodes_waiting()
    tasks: list[Task] = []
    for *_, task in reversed(instance.waiting):
        if unseen <= 0 or len(tasks) >= most:
            break
        if not task.is_prompt:
            unseen -= 1
            if task.kv_tokens <= free:
                free -= task.kv_tokens
                tasks.append(task)
    return tasks


def _prompts(instance: Instance) -> list[Task]:
    free = instance.kv_capacity - instance.kv_tokens
    tokens_left, members_left = instance.max_batch_tokens, instance.most_members()
    tasks: list[Task] = []
    for *_, task in reversed(instance.waiting):
        if not task.is_prompt:
            continue
        request = task.request
        needed = task.kv_tokens
        if request.token_instance is instance:
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
