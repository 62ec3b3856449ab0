"""Keeps outcomes as a sweep does, and reads what a sink has stored by means that are not the sink's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient

from sync import Outcome, SweepInfo, make_sink
from sync.results.journal import Journal
from sync.tracking.address import tracking_uri


def keep(results: Path, sweep: SweepInfo, *outcomes: Outcome) -> None:
    """Keep outcomes in the journal of a sweep that asked for them."""
    with Journal(results / sweep.name) as journal:
        journal.write_sweep(sweep, [made.key for made in outcomes], {}, lambda text, other: text == other)
        for made in outcomes:
            journal.write(made)


def deliver(results: Path, sweep: SweepInfo, *outcomes: Outcome, sink: str = "mlflow") -> str | None:
    """Write outcomes to a sink of their own; returns its page."""
    made = make_sink(sink, results)
    made.open(sweep)
    for outcome in outcomes:
        made.write(outcome)
    made.close()
    return made.page()


def experiment_tags(results: Path, name: str = "quick start") -> dict[str, str]:
    """The tags of the experiment in MLflow."""
    tags: dict[str, str] = MlflowClient(tracking_uri(results)).get_experiment_by_name(name).tags
    return tags


@dataclass(frozen=True)
class Stored:
    """One delivered run as a reader sees it."""

    key: str
    status: str
    files: dict[str, bytes]
    name: str = ""
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


def artifact(client: MlflowClient, run_id: str, name: str) -> bytes:
    """A file of a run. Without a folder of its own for it, MLflow would leave one in /tmp."""
    with TemporaryDirectory() as folder:
        return Path(client.download_artifacts(run_id, name, folder)).read_bytes()


def in_mlflow(results: Path, uri: str | None = None) -> list[Stored]:
    client = MlflowClient(uri or tracking_uri(results))
    experiments = [e.experiment_id for e in client.search_experiments() if e.name != "Default"]
    found = []
    for run in client.search_runs(experiments) if experiments else []:
        if "config.hash" not in run.data.tags:  # the sweep's report
            continue
        names = [item.path for item in client.list_artifacts(run.info.run_id)]
        files = {name: artifact(client, run.info.run_id, name) for name in names}
        status = {"FINISHED": "completed", "FAILED": "failed"}.get(run.info.status, run.info.status)
        data = run.data
        found.append(
            Stored(
                data.tags["config.hash"], status, files, data.tags["point.name"], data.params, data.metrics, data.tags
            )
        )
    return sorted(found, key=lambda stored: stored.key)


READERS: Mapping[str, Callable[[Path], list[Stored]]] = {
    "mlflow": in_mlflow,
    "none": lambda results: [],
}
