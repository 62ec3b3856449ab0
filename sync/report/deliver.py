"""Takes the report to the run that is the sweep's page in MLflow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from sync.mlflow_fields import REPORT_TAG
from sync.mlflow_page import report_page
from sync.mlflow_read import find_experiment
from sync.tracking import tracking_uri
from sync.ui import ui_lines


def deliver(results: Path, name: str, files: Mapping[str, bytes]) -> str:
    """Put the files there, in place of those of the same names; what was done, in a line or two.

    A store or a page that is not there is no error: the report is a file first. Raises ConnectionError where a server
    does not answer, SpecError for an unusable MLFLOW_TRACKING_URI.
    """
    nowhere = "not in MLflow, which has no page of this sweep"
    store, experiment = find_experiment(results, name)
    if experiment is None:
        return nowhere
    with store.plain_errors():
        run = next(store.search(experiment.experiment_id, f"tags.`{REPORT_TAG}` = 'true'"), None)
        if run is None:
            return nowhere
        store.log_files(run.run_id, files)
        store.end_run(run.run_id, "FINISHED", round(time.time() * 1000))
    told = "\n  ".join(ui_lines(tracking_uri(results), report_page(experiment.experiment_id, run.run_id)))
    return f"also in MLflow:\n  {told}"
