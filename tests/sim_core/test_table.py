"""Tables of classes, which import a class when it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sim_core.batching import BATCHING, Batcher
from sim_core.network import NETWORKS, Network
from sim_core.performance import PERFORMANCE_MODELS, PerformanceModel
from sim_core.replica import Replica
from sim_core.replicas import REPLICAS
from sim_core.scheduling import SCHEDULERS, Scheduler
from sim_core.start_state import START_STATES, StartState
from sim_core.table import Table

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = [
    (BATCHING, Batcher),
    (NETWORKS, Network),
    (PERFORMANCE_MODELS, PerformanceModel),
    (REPLICAS, Replica),
    (SCHEDULERS, Scheduler),
    (START_STATES, StartState),
]
LISTED = """
import sys
import sim_core
from sim_core.scheduling import SCHEDULERS
assert "jsq" in SCHEDULERS and "jsp" not in SCHEDULERS and len(list(SCHEDULERS)) == len(SCHEDULERS)
before = set(sys.modules)
SCHEDULERS["jsq"]
print(*(name for name in before if name.startswith("sim_core.")))
print(*(name for name in set(sys.modules) - before if name.startswith("sim_core.")))
"""


@pytest.mark.parametrize(("table", "base"), FAMILIES, ids=[base.__name__ for _, base in FAMILIES])
def test_every_place_in_a_table_is_a_class_of_its_family(table: Table[object], base: type[object]) -> None:
    assert len(table) > 2
    for name in table:
        assert issubclass(table[name], base), name


def test_a_class_is_imported_when_it_is_asked_for_and_not_with_the_package() -> None:
    listed = subprocess.run([sys.executable, "-c", LISTED], cwd=ROOT, capture_output=True, text=True, check=True)
    before, after = (set(line.split()) for line in listed.stdout.splitlines())
    assert {"sim_core.simulation", "sim_core.scheduling.base", "sim_core.batching.base"} <= before
    for family in ("batching.vllm", "network.shared", "performance.db", "scheduling.jsq", "start_state.uniform"):
        assert f"sim_core.{family}" not in before
    assert "sim_core.engine_replica" not in before
    assert after == {"sim_core.scheduling.jsq"}


def test_a_name_that_is_not_there_is_a_key_error() -> None:
    table: Table[object] = Table("sim_core.scheduling", jsq="jsq.JoinShortestQueue")
    with pytest.raises(KeyError):
        _ = table["random"]
    assert table.get("random") is None


def test_an_entry_may_be_put_into_a_table_and_taken_out() -> None:
    table: Table[object] = Table("sim_core.scheduling", jsq="jsq.JoinShortestQueue")
    table["own"] = Path
    assert dict(table.items()) == {"jsq": SCHEDULERS["jsq"], "own": Path}
    del table["own"]
    assert list(table) == ["jsq"]
