"""Trace files as their tests read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sim_core.errors import TraceError
from sim_core.trace import Trace
from traces.read_counts import ReadCounts
from traces.reading import ReadOptions, read_trace


def read(path: Path, **options: Any) -> tuple[Trace, ReadCounts]:
    """The trace of a file, and what was counted on the way. `options` are those of `ReadOptions`."""
    return read_trace(path, source=path.name, name="t", options=ReadOptions(**options))


def refusal(path: Path, **options: Any) -> str:
    """The one line by which a file is refused."""
    with pytest.raises(TraceError) as caught:
        read(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)
