"""What the environment holds as a secret is in no file that a sweep keeps, and runs are found again all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep.experiment.file import same_experiment
from sync.results.journal import Journal
from sync.results.privacy import Scrubber

SECRET = "hunter2222"
TEXT = f"name: quick start\noverrides: {{trace.dir: /data/{SECRET}}}\naxes: {{rate: 1}}\n"


@pytest.fixture
def leaky(outcome: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """An outcome that has a secret of the environment in each of its texts."""
    monkeypatch.setenv("DB_PASSWORD", SECRET)
    return outcome(
        1,
        name=f"a {SECRET}",
        design=f"b {SECRET}",
        overrides=("seed=1", f"trace.dir=/data/{SECRET}"),
        axes={"path": f"/data/{SECRET}", "list": [SECRET, {"deep": SECRET}]},
        status="failed",
        error=f"no {SECRET}\nat postgresql://ann:other99@host/db",
        config_yaml=f"trace: {{dir: /data/{SECRET}}}\n",
    )


def test_no_file_of_a_journal_has_a_secret_and_the_point_is_found_by_its_key(
    tmp_path: Path, sweep: Any, leaky: Any
) -> None:
    info = replace(sweep, description=SECRET, experiment_text=TEXT)
    facts = {leaky.key: {"name": leaky.name, "design": leaky.design}}
    with Journal(tmp_path / "x") as journal:
        kept = journal.write(leaky)
        journal.write_sweep(info, [leaky.key], facts, same_experiment)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 4
    assert not [path for path in files if SECRET.encode() in path.read_bytes() or b"other99" in path.read_bytes()]
    assert kept.overrides == ("seed=1", "trace.dir=/data/***")
    assert kept.axes == {"path": "/data/***", "list": ["***", {"deep": "***"}]}
    assert Journal(tmp_path / "x").read(leaky.key) == kept
    assert Journal(tmp_path / "x").outcomes()[leaky.key].design == "b ***"


def test_the_same_experiment_is_recognised_although_its_text_is_kept_without_its_secret(
    tmp_path: Path, sweep: Any, leaky: Any
) -> None:
    info = replace(sweep, experiment_text=TEXT)
    with Journal(tmp_path / "x") as journal:
        journal.write_sweep(info, ["a", "b"], {}, same_experiment)
        journal.write_sweep(replace(info, experiment_text=f"# again\n{TEXT}"), ["b"], {}, same_experiment)
    assert Journal(tmp_path / "x").asked_for() == {"a", "b"}


def test_a_journal_keeps_the_home_folder_since_a_run_is_made_again_from_it(
    tmp_path: Path, outcome: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    with Journal(tmp_path) as journal:
        assert journal.write(outcome(1, overrides=("trace.dir=/home/ann/t",))).overrides == ("trace.dir=/home/ann/t",)


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        *((name, True) for name in ("MY_PAT", "GH_PAT", "MYSQL_PWD", "DB_PASS", "SSL_PRIVATE_KEY", "VAULT_PASSPHRASE")),
        *((name, True) for name in ("DB_PASSWORD", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY")),
        *((name, False) for name in ("PATH", "PWD", "OLDPWD", "COMPASS", "PATTERN", "KEYBOARD", "PASSENGERS")),
    ],
)
def test_secrets_are_known_by_the_names_of_their_variables(name: str, is_secret: bool) -> None:
    assert (Scrubber({name: SECRET})(f"x {SECRET}") == "x ***") == is_secret
