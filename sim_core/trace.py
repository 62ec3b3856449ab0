"""The workload that a run consumes: columns, sorted by arrival, already known to be sound."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from sim_core.digest import sha256


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests in order of arrival. Columns have one length; sizes are in tokens, the first output token included.

    `name` is for people; `digest()` is over the contents alone.
    """

    name: str
    request_id: array[int]  # typecode q
    application_id: array[int]  # q
    arrival_s: array[float]  # d, finite, >= 0, ascending
    prompt_tokens: array[int]  # q, >= 1
    output_tokens: array[int]  # q, >= 1
    batch_size: array[int]  # q, >= 1: sequences a request stands for (scales its KV cache only)

    def __len__(self) -> int:
        return len(self.request_id)

    def digest(self) -> str:
        """SHA-256 of the columns' bytes, in hex."""
        columns = (
            self.request_id,
            self.application_id,
            self.arrival_s,
            self.prompt_tokens,
            self.output_tokens,
            self.batch_size,
        )
        return sha256(part for column in columns for part in (column.typecode.encode(), column.tobytes())).hex()
