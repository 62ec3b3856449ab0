"""Puts the report into the run that is the sweep's page in MLflow."""

from __future__ import annotations

import time
from pathlib import Path

from sync.tracking.address import tracking_uri
from sync.tracking.fields import FULL_REPORT_TAG, REPORT_TAG
from sync.tracking.judged import NOTE_TAG
from sync.tracking.page import FULL_REPORT_FILE, report_note, report_page, with_report_links
from sync.tracking.read import find_experiment
from sync.tracking.ui import ui_lines


def deliver(results: Path, name: str, report: bytes, runs: int) -> str:
    """Put the report of `runs` runs beside the sweep's own page, which each end of the sweep brings up to date; the
    descriptions link to both. Returns what was done, in a line or two.

    A missing store or page is no error, since the report is a file first. Raises ConnectionError where a server does
    not answer, SpecError for an unusable MLFLOW_TRACKING_URI.
    """
    nowhere = "not in MLflow, which has no page of this sweep"
    store, experiment = find_experiment(results, name)
    if experiment is None:
        return nowhere
    experiment_id = experiment.experiment_id
    full = "1 run" if runs == 1 else f"{runs} runs"
    with store.plain_errors():
        run = next(store.search(experiment_id, f"tags.`{REPORT_TAG}` = 'true'"), None)
        if run is None:
            return nowhere
        store.log_files(run.run_id, {FULL_REPORT_FILE: report})
        store.set_tag(run.run_id, FULL_REPORT_TAG, full)
        store.set_tag(run.run_id, NOTE_TAG, report_note(run.tags.get(NOTE_TAG, ""), full))
        if NOTE_TAG in experiment.tags:
            described = with_report_links(experiment.tags[NOTE_TAG], experiment_id, run.run_id, full)
            store.set_experiment_tag(experiment_id, NOTE_TAG, described)
        store.end_run(run.run_id, "FINISHED", round(time.time() * 1000))
    lines = "\n  ".join(ui_lines(tracking_uri(results), report_page(experiment_id, run.run_id, FULL_REPORT_FILE)))
    return f"also in MLflow:\n  {lines}"
