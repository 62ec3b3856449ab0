"""Runs that former versions wrote to MLflow: the outcome in a tag, its figures among the run's metrics."""

from __future__ import annotations

import json
from typing import Any

from sync.tracking import fields
from sync.tracking.store import FINAL, StoredRun


def former_entry(run: StoredRun) -> dict[str, Any] | None:
    """The entry (`sync.results.entry`) of such a run, without digests; None where its tag does not hold an outcome."""
    try:
        values = json.loads(run.tags[fields.OUTCOME_TAG])
    except ValueError:
        return None
    if not isinstance(values, dict):
        return None
    has_table, figures = values.pop("has_table", False), values.pop("figures", {})
    summary = {
        name: value
        for name, value in run.metrics.items()
        if name not in fields.NOT_IN_SUMMARY and not name.startswith(fields.CURVES)
    }
    left_out: dict[str, Any] = {"overrides": [], "axes": {}, "machines": {}, "config_yaml": ""}
    told = {"error": run.tags.get("error"), "summary": summary | figures, "status": FINAL[run.status]}
    return {"parquet_bytes": int(has_table), "outcome": left_out | values | told}
