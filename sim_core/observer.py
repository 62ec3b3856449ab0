"""Writes a log of the iterations of every replica, with SplitwiseSim's column names."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from sim_core.batching.orca import OrcaBatcher
from sim_core.replica import IterationObserver, Replica

COLUMNS = (
    "name",
    "tag",
    "iteration_start",
    "iteration_end",
    "batch_size",
    "prompt_tasks_in_batch",
    "memory",
    "pending_requests",
    "pending_tasks",
    "blocked_tasks",
    "pending_prompts",
    "earliest_request_id",
    "memory_allocs_size",
    "num_contiguous_iterations",
    "batch_tokens",
    "pending_tokens",
    "iteration_tokens",  # ours
)
_ROWS_IN_MEMORY = 2_000


class IterationLog(IterationObserver):
    """Writes a CSV file per replica, `{folder}/{application_id}/{index}.csv`, with a row per run of equal iterations.

    Times are in s, memory is in bytes (with the weights), all else are counts. SplitwiseSim's columns come first, as it
    would write them (`batch_tokens` is 0 for ORCA), then `iteration_tokens`, by which the iteration's time is looked
    up. Rows are appended in portions, so that neither memory nor open files grow with the run. Call `close` at the end.
    """

    def __init__(self, folder: Path, application_id: int, replicas: list[Replica], request_ids: Sequence[int]) -> None:
        self._folder = folder / str(application_id)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._request_ids = request_ids
        self._rows: dict[int, list[tuple[object, ...]]] = {replica.index: [] for replica in replicas}
        for index in self._rows:
            with self._path(index).open("w", newline="") as file:
                csv.writer(file).writerow(COLUMNS)
        for replica in replicas:
            replica.observe(self)

    def iterations_ended(self, replica: Replica) -> None:
        """Write a row; the members of the iterations are still in the batch."""
        rows = self._rows[replica.index]
        batcher, step = replica.batcher, replica.step
        queue = list(batcher.queued())
        end_s = replica.steps_until_s()
        members = batcher.members()
        earliest = min([*members, *batcher.waiting()], key=lambda task: (task.came_s, task.entry)).request.index
        waiting_decodes = [task for task in queue if task.paused_at_s >= 0.0]
        prompts = [task for task in queue if task.is_prompt]
        rows.append(
            (
                replica.name,
                replica.role or "None",  # as SplitwiseSim writes it
                end_s - replica.length_s,
                end_s,
                len(members),
                sum(task.is_prompt for task in members),
                replica.memory.bytes_used(replica.kv.tokens),
                replica.requests,
                len(queue),
                len(waiting_decodes),
                len(prompts),
                self._request_ids[earliest],
                replica.kv.holders + 1,  # the weights are one
                step.repeat,
                0 if isinstance(batcher, OrcaBatcher) else step.tokens,  # SplitwiseSim's ORCA does not count
                sum(task.batch_tokens for task in queue),
                step.tokens,
            )
        )
        if len(rows) >= _ROWS_IN_MEMORY:
            self._flush(replica.index)

    def close(self) -> None:
        """Write the remaining rows."""
        for index in self._rows:
            self._flush(index)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index}.csv"

    def _flush(self, index: int) -> None:
        with self._path(index).open("a", newline="") as file:
            csv.writer(file).writerows(self._rows[index])
        self._rows[index].clear()
