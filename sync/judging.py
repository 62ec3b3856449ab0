"""A sink that is told by another SLO than the paper's: what it delivers is judged by that one."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq

from sync.base import Outcome, ResultSink, SweepInfo
from sync.parquet import UNSERVED, read_beside
from sync.run_figures import Arriving, goodput
from sync.slo import PAPER, Slo, judged


def judging(sink: ResultSink, slo: Slo) -> ResultSink:
    """`sink`, or for another SLO than the paper's one that judges before it delivers."""
    return sink if slo == PAPER else JudgingSink(sink, slo)


def judged_whole(outcome: Outcome, slo: Slo) -> Outcome:
    """The outcome with the SLO's word on it and, of its table of requests, the goodput by the SLO's limits."""
    told = judged(outcome, slo)
    if told is outcome or not outcome.requests_parquet:
        return told
    names = ["arrival_s", "e2e_s", *sorted(slo.of_each_request()), "e2e_slowdown"]
    table = pq.read_table(io.BytesIO(outcome.requests_parquet), columns=list(dict.fromkeys(names)))
    columns = {name: table[name].to_numpy().astype(np.float64) for name in table.column_names}
    unserved = np.array(read_beside(outcome.requests_parquet, UNSERVED).get("arrival_s", []), dtype=np.float64)
    arriving = Arriving.of(outcome.summary, columns["arrival_s"], unserved)
    rest = {name: value for name, value in told.summary.items() if not name.startswith("goodput/")}
    return replace(told, summary={**rest, **goodput(columns, slo, unserved, arriving)})


class JudgingSink:
    """A `ResultSink` in front of another."""

    def __init__(self, sink: ResultSink, slo: Slo) -> None:
        self._sink, self._slo = sink, slo

    def open(self, sweep: SweepInfo) -> None:
        """See `ResultSink`."""
        self._sink.open(sweep)

    def write(self, outcome: Outcome) -> None:
        """See `ResultSink`."""
        self._sink.write(judged_whole(outcome, self._slo))

    def page(self) -> str | None:
        """See `ResultSink`."""
        return self._sink.page()

    def close(self) -> None:
        """See `ResultSink`."""
        self._sink.close()
