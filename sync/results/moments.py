"""How many intervals hold each moment of a run, as means over steps of time: what its curves are made of."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# So many sums of a step are added to in turn: neighbouring rows mostly fall into the same step, and an addition has to
# wait for the last one to the same sum. Eight take 0.3 of the time of one.
_LANES = 8


class Moments:
    """A column of times in s since the first arrival, NaN where one is unknown. `edges` are those of the steps: from 0
    on equally far apart, but for the last one.

    Many curves ask for the same column, and where its times stand among the edges is found once.
    """

    __slots__ = ("_edges", "_passed", "_times_s", "known")

    def __init__(self, times_s: Floats, edges: Floats) -> None:
        self.known = np.isfinite(times_s)
        self._edges = edges
        # an unknown time stands at 0, and gets no weight: adding nothing is quicker than leaving out
        self._times_s = times_s if self.known.all() else np.where(self.known, times_s, 0.0)
        passed = (self._times_s / edges[1]).astype(np.intp) + 1  # the first edge behind each moment
        np.minimum(passed, len(edges) - 1, out=passed)
        passed[self._times_s > edges[-1]] = len(edges)
        passed *= _LANES
        passed += np.arange(len(passed)) & (_LANES - 1)
        self._passed = passed

    def time_since(self, weights: Floats | None) -> Floats:
        """The sum over the moments of weight times the time since then, at each of the edges. None: all weigh 1."""
        moments = self._times_s if weights is None else self._times_s * weights
        weight_sum, moment_sum = (np.cumsum(self._sums(values)) for values in (weights, moments))
        return np.asarray(weight_sum * self._edges - moment_sum, dtype=np.float64)

    def _sums(self, values: Floats | None) -> Floats:
        """The sum of the values whose moments lie in front of each edge, and behind the one before it. None: their
        number."""
        count = len(self._edges)
        sums = np.bincount(self._passed, values, (count + 1) * _LANES).reshape(-1, _LANES)
        return np.asarray(sums[:count].sum(axis=1), dtype=np.float64)

    def mean_number(self, ends: Moments, weights: Floats | None = None) -> Floats:
        """How many intervals (by weight; None: each is one) from these moments to their `ends` hold the time, as the
        mean over each step; those without start or end are none."""
        both = self.known & ends.known
        if not both.any():
            return np.zeros(len(self._edges) - 1)
        weight = weights if both.all() else np.where(both, 1.0 if weights is None else weights, 0.0)
        so_far = self.time_since(weight) - ends.time_since(weight)
        return np.asarray(np.maximum(np.diff(so_far), 0.0) / np.diff(self._edges), dtype=np.float64)
