from __future__ import annotations

import json
import math
import pickle

import pytest

from sim_core.errors import SpecError
from sync import Outcome, SweepInfo


def test_an_outcome_survives_strict_json(outcome):
    before = outcome(3, summary={"a": 0.1, "b": math.inf, "c": -math.inf})
    text = json.dumps(before.to_json_dict(), allow_nan=False)
    assert Outcome.from_json_dict(json.loads(text), before.requests_parquet) == before


def test_a_figure_that_is_not_a_number_survives_json(outcome):
    text = json.dumps(outcome(summary={"a": math.nan}).to_json_dict(), allow_nan=False)
    assert math.isnan(Outcome.from_json_dict(json.loads(text)).summary["a"])


def test_the_parquet_bytes_are_not_in_the_json(outcome):
    assert "requests_parquet" not in outcome().to_json_dict()


def test_an_outcome_survives_pickling(outcome):
    assert pickle.loads(pickle.dumps(outcome())) == outcome()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "odd"}, r"status='odd': unknown .one of: completed, stopped, failed"),
        ({"unknown": 1}, "unknown: unknown field"),
        ({"summary": None}, "summary=null: must be `name: value` pairs"),
        ({"overrides": None}, "overrides=null: must be a list"),
        ({"key": "../escape"}, r"key='\.\./escape': must be a content key"),
    ],
)
def test_what_is_no_outcome_is_refused(outcome, change, reason):
    with pytest.raises(ValueError, match=reason):
        Outcome.from_json_dict(outcome().to_json_dict() | change)


def test_a_missing_field_is_refused(outcome):
    values = outcome().to_json_dict()
    del values["overrides"]
    with pytest.raises(ValueError, match="overrides"):
        Outcome.from_json_dict(values)


@pytest.mark.parametrize("key", ["", "..", "a/b", "a\\b", "a'b", "a\0b", "k" * 129])
def test_a_key_cannot_leave_its_folder(outcome, key):
    with pytest.raises(ValueError, match="not a content key"):
        outcome(key=key)


@pytest.mark.parametrize("name", ["", "..", "../up", "a/b", ".hidden", "n" * 101])
def test_a_sweep_name_cannot_leave_its_folder(name):
    with pytest.raises(SpecError, match="it names a folder"):
        SweepInfo(name=name, description="", sweep_id="1", experiment_text="", points=1, command="")
