"""Fixtures of the tests of sweeps: experiments that are run, and an invented outcome for the journal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.experiment.point import Outcome

TINY = """\
name: tiny
description: one machine, seconds of traffic
overrides:
  cluster: half_half
  performance_model: db
  start_state: baseline
  applications.0.scheduler: token_jsq
  trace.filename: rr_conv_${rate}_5s
axes:
  rate: 1, 2, 3, 4
systems:
  one-h100:
    overrides: {cluster.servers.0.count: 0, cluster.servers.1.count: 1}
"""

# Each point takes about a second, so that a test can interrupt it.
LONG = TINY.replace("name: tiny", "name: long").replace("_5s", "_10min").replace("1, 2, 3, 4", "range(60, 66)")
LONG = LONG.replace("servers.1.count: 1", "servers.1.count: 40")


@pytest.fixture
def write_experiment(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the text of an experiment to a file."""

    def write(text: str, name: str = "experiment.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.fixture
def tiny() -> str:
    """The text of an experiment with four points of a few requests."""
    return TINY


@pytest.fixture
def long() -> str:
    """The text of an experiment with six points of about a second."""
    return LONG


@pytest.fixture
def outcome() -> Outcome:
    """A completed outcome."""
    return Outcome(
        name="one-h100 1xH100 conv 1 rps",
        system="one-h100",
        design="one-h100 1xH100",
        workload="conv",
        key="ab" * 32,
        index=0,
        overrides=("seed=1",),
        axes={"rate": 1},
        machines={"dgx-h100": 1},
        cost=38.08,
        power=44.0,
        rate=1.0,
        trace="rr_conv_1_5s",
        trace_identity="cd" * 32,
        seed=1,
        status="completed",
        summary={"ttft/p50_s": 0.1, "run/completed": 5.0},
        requests_parquet=b"PAR1 a table PAR1",
    )
