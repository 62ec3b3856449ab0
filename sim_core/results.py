"""What a run leaves behind."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SimResult:
    """Columns recorded during a run, and what follows from them.

    `requests`: a column a name, a row a completed request in order of completion. `unserved`: likewise for the
    rejected and the unfinished, with `outcome` and `reason`. `instances`: a column a name, a row an instance.
    NaN (or -1 in integer columns) stands for "did not happen", such as the transfer of a request that stayed.
    """

    requests: dict[str, array[float] | array[int]]
    unserved: dict[str, list[object]]
    instances: dict[str, list[object]]
    summary: dict[str, float] = field(default_factory=dict)
    completed: int = 0
    rejected: int = 0
    unfinished: int = 0
    events: int = 0
    end_s: float = 0.0
