"""Which tasks an instance can run although its policy's order has come to a standstill.

A policy takes tasks in its own order and stops at the first that does not fit into memory. Where nothing runs and no KV
cache is about to leave or to come, no memory is ever freed: in SplitwiseSim this task and all tasks behind it wait for
ever. Here the instance runs other tasks instead, in order of arrival:

1. Decodes that fit. A decode ends, and frees the memory of its whole request.
2. Where no decode fits, prompts of requests that fit as a whole: such a request frees what it takes.

The instance follows this rule until no decode on it waits for memory, so that no prompt takes the memory which a decode
needs. Where the rule finds no task either, the memory is held by KV caches of which none can grow: the instance stands
still.
"""

from __future__ import annotations

from sim_core.batching.residents import Residents
from sim_core.request import Task


def able_to_go_on(instance: Residents, most_members: int, max_batch_tokens: int) -> list[Task]:
    """The tasks to run on an instance that has no batch, within its limits; none where it stands still."""
    tasks = _decodes(instance, most_members)
    return tasks if tasks or instance.decodes else _prompts(instance, most_members, max_batch_tokens)


def _decodes(instance: Residents, most_members: int) -> list[Task]:
    free = instance.kv_capacity - instance.kv_tokens
    members_left = most_members - len(instance.decodes)
    unseen = instance.decodes_waiting()
    tasks: list[Task] = []
    for *_, task in reversed(instance.waiting):
        if unseen <= 0 or len(tasks) >= members_left:
            break
        if not task.is_prompt:
            unseen -= 1
            if task.kv_tokens <= free:
                free -= task.kv_tokens
                tasks.append(task)
    return tasks


def _prompts(instance: Residents, members_left: int, tokens_left: int) -> list[Task]:
    here: object = instance
    free = instance.kv_capacity - instance.kv_tokens
    tasks: list[Task] = []
    for *_, task in reversed(instance.waiting):
        if not task.is_prompt:
            continue
        request = task.request
        needed = task.kv_tokens
        if request.token_instance is here:
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
