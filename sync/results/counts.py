"""How many requests of a run are beyond each limit, by when they arrive: what repetitions are judged by.

The horizon, the time over which requests arrive, has `BLOCKS` equal blocks. A row of counts has a number a block:

    requests          requests that arrive
    ttft_slowdown     requests that have this figure; a request that was not served counts as having all
    ttft_slowdown>6.0 of these the requests beyond the limit; a request that was not served is beyond all limits

A run that was stopped early counts as one in which all requests are beyond all limits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sync.results.figures import since
from sync.results.slo import UNITS, Limit

Floats = npt.NDArray[np.float64]
Counts = Mapping[str, Sequence[int]]

BLOCKS = 30  # of the horizon
REQUESTS = "requests"


def column_of(limit: Limit) -> str:
    """The column of requests that a limit is on, which is also the name of its row: `ttft_slowdown`."""
    return f"{limit.metric}_{UNITS[limit.unit][0]}"


def beyond_of(limit: Limit) -> str:
    """The name of the row that counts the requests beyond a limit: `ttft_slowdown>6.0`."""
    return f"{column_of(limit)}>{float(limit.largest)!r}"


def has_counts(counts: Counts, limits: Iterable[Limit]) -> bool:
    """Whether the rows of all of these limits are there."""
    return REQUESTS in counts and all(beyond_of(limit) in counts for limit in limits)


def counted(
    columns: Mapping[str, Floats], unserved_s: Floats, first_s: float, horizon_s: float, limits: Iterable[Limit]
) -> dict[str, list[int]]:
    """The rows of a run that was not stopped. `columns` has `arrival_s` and the columns of the limits, of completed
    requests; `unserved_s` are the arrivals of the others, `first_s` is the first of all arrivals."""
    unserved = _by_block(since(first_s, unserved_s), horizon_s)
    block = _blocks(since(first_s, columns["arrival_s"]), horizon_s)
    rows = {REQUESTS: np.bincount(block, minlength=BLOCKS) + unserved}
    for limit in limits:
        values = columns[column_of(limit)]
        if column_of(limit) not in rows:
            rows[column_of(limit)] = np.bincount(block[~np.isnan(values)], minlength=BLOCKS) + unserved
        rows[beyond_of(limit)] = np.bincount(block[values > limit.largest], minlength=BLOCKS) + unserved
    return {name: row.tolist() for name, row in rows.items()}


def all_beyond(arrivals_s: Floats, horizon_s: float, limits: Iterable[Limit]) -> dict[str, list[int]]:
    """The rows of a run that was stopped early; `arrivals_s` are those of its whole trace."""
    return rows_of_stopped(
        _by_block(since(float(arrivals_s.min(initial=np.inf)), arrivals_s), horizon_s).tolist(), limits
    )


def rows_of_stopped(arriving: list[int], limits: Iterable[Limit]) -> dict[str, list[int]]:
    """The rows of a run that was stopped early, from that of the requests that arrive."""
    return {REQUESTS: arriving} | {name: arriving for limit in limits for name in (column_of(limit), beyond_of(limit))}


def _by_block(since_first_s: Floats, horizon_s: float) -> npt.NDArray[np.int64]:
    return np.bincount(_blocks(since_first_s, horizon_s), minlength=BLOCKS)


def _blocks(since_first_s: Floats, horizon_s: float) -> npt.NDArray[np.int64]:
    """The block in which each request arrives; the last one takes those that arrive later."""
    width_s = horizon_s / BLOCKS
    if not width_s > 0.0:
        return np.zeros(len(since_first_s), dtype=np.int64)
    return np.minimum(since_first_s / width_s, BLOCKS - 1).astype(np.int64)
