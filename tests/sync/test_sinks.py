"""What holds for every sink of the table; `READERS` reads what each has stored."""

from __future__ import annotations

import pytest

from sim_core.errors import SpecError
from sync import SINKS, make_sink
from tests.sync.stores import READERS, deliver

KEEPING = sorted(set(SINKS) - {"none"})


def test_every_sink_has_a_reader_here():
    assert set(READERS) == set(SINKS)


@pytest.mark.parametrize("name", SINKS)
def test_making_a_sink_reaches_for_nothing(name, tmp_path):
    make_sink(name, tmp_path / "results")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", SINKS)
def test_a_sink_can_be_opened_again_while_open_and_closed_twice(name, results, sweep, outcome):
    sink = make_sink(name, results)
    sink.open(sweep)
    sink.open(sweep)
    sink.write(outcome())
    sink.close()
    sink.close()
    assert len(READERS[name](results)) == (name in KEEPING)


@pytest.mark.parametrize("name", KEEPING)
def test_an_outcome_arrives_with_its_name_its_status_and_its_requests(name, results, sweep, outcome):
    sent = outcome(1)
    deliver(results, sweep, sent, sink=name)
    (stored,) = READERS[name](results)
    assert (stored.key, stored.name, stored.status) == (sent.key, sent.name, "completed")
    assert stored.files["requests.parquet"] == sent.requests_parquet


@pytest.mark.parametrize("name", KEEPING)
def test_writing_a_key_twice_equals_once(name, results, sweep, outcome):
    deliver(results, sweep, outcome(1), outcome(2), outcome(1), sink=name)
    once = READERS[name](results)
    deliver(results, sweep, outcome(2), outcome(1), sink=name)
    assert READERS[name](results) == once
    assert [stored.key for stored in once] == [outcome(1).key, outcome(2).key]


@pytest.mark.parametrize("name", KEEPING)
def test_a_failed_outcome_arrives_and_a_completed_one_takes_its_place(name, results, sweep, outcome):
    failed = outcome(1, status="failed", error="no memory", summary={}, requests_parquet=b"")
    deliver(results, sweep, failed, failed, sink=name)
    assert [stored.status for stored in READERS[name](results)] == ["failed"]
    deliver(results, sweep, outcome(1), sink=name)
    assert [stored.status for stored in READERS[name](results)] == ["completed"]


@pytest.mark.parametrize("name", KEEPING)
def test_a_failed_outcome_does_not_replace_a_completed_one(name, results, sweep, outcome):
    deliver(results, sweep, outcome(1), outcome(1, status="failed", error="odd"), sink=name)
    assert [stored.status for stored in READERS[name](results)] == ["completed"]


@pytest.mark.parametrize("name", KEEPING)
def test_writing_before_opening_is_an_error_of_the_caller(name, results, outcome):
    with pytest.raises(RuntimeError, match="write before open"):
        make_sink(name, results).write(outcome())


def test_only_mlflow_has_a_page(results, sweep):
    assert [name for name in SINKS if deliver(results, sweep, sink=name)] == ["mlflow"]


def test_the_sink_that_former_versions_had_is_refused_with_what_to_use_instead(tmp_path):
    with pytest.raises(SpecError, match="`python -m sync export SWEEP --to FOLDER --format parquet` writes files"):
        make_sink("local", tmp_path)
