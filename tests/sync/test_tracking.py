from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from mlflow.store.db.utils import _make_parent_dirs_if_sqlite
from sqlalchemy.engine import make_url

from sim_core.errors import SpecError
from sync import make_sink, ui_command, ui_lines
from sync.tracking.address import sqlite_path, sqlite_uri, tracking_uri


def test_the_default_store_is_sqlite_below_the_results_and_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    uri = tracking_uri(Path("my results"), {})
    assert uri == f"sqlite:///{tmp_path}/my results/mlflow.db"
    assert sqlite_path(uri) == tmp_path / "my results" / "mlflow.db"


def test_the_environment_names_another_store():
    assert tracking_uri(Path("results"), {"MLFLOW_TRACKING_URI": " http://host:5000 "}) == "http://host:5000"


def test_a_relative_sqlite_store_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert tracking_uri(Path("r"), {"MLFLOW_TRACKING_URI": "sqlite:///a/b.db"}) == sqlite_uri(tmp_path / "a" / "b.db")


FOLDERS = [
    "my results",
    "a#b",
    "50%",
    "%41",
    "what?",
    "ü 結果",
    "a;b&c=d",
    'it\'s "x"',
    "a@b:c+d",
    "[x]{y}",
    "back\\slash",
]


@pytest.mark.parametrize("name", FOLDERS)
def test_an_address_leads_back_to_its_folder_for_us_for_sqlalchemy_and_makes_no_other(name, tmp_path):
    uri = sqlite_uri(tmp_path / name / "mlflow.db")
    assert sqlite_path(uri) == tmp_path / name / "mlflow.db"
    assert make_url(uri).database == str(tmp_path / name / "mlflow.db")
    _make_parent_dirs_if_sqlite(uri)  # what MLflow does before it connects
    assert [made.name for made in tmp_path.iterdir()] in ([], [name])


def test_an_escaped_address_of_the_user_s_own_is_read_as_sqlalchemy_does():
    assert sqlite_path("sqlite:////tmp/my%20results/mlflow.db?timeout=5") == Path("/tmp/my results/mlflow.db")
    assert sqlite_path("sqlite:///:memory:") is None
    assert sqlite_path("postgresql://host/db") is None


@pytest.mark.parametrize("uri", ["./mlruns", "file:///tmp/mlruns", "htp://host", "databricks", "5000"])
def test_an_address_of_no_store_is_refused_in_one_line(uri):
    with pytest.raises(SpecError) as caught:
        tracking_uri(Path("results"), {"MLFLOW_TRACKING_URI": uri})
    assert f"MLFLOW_TRACKING_URI={uri!r}: not an address of an MLflow store" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_refused_address_does_not_show_its_password():
    with pytest.raises(SpecError) as caught:
        tracking_uri(Path("results"), {"MLFLOW_TRACKING_URI": "htp://ann:hunter22@host"})
    assert "hunter22" not in str(caught.value)
    assert "did you mean 'http'?" in str(caught.value)


def test_an_unknown_sink_is_refused_with_the_nearest_name(tmp_path):
    with pytest.raises(SpecError, match="unknown sink; did you mean 'mlflow'"):
        make_sink("mlfow", tmp_path)


def test_the_ui_command_is_our_own_which_starts_one_quiet_process_and_finds_the_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command = shlex.split(ui_command(sqlite_uri(tmp_path / "my results" / "mlflow.db")))
    assert command[1:] == ["-m", "sync", "--results", "my results", "ui"]
    assert shlex.split(ui_command(sqlite_uri(tmp_path / "results" / "mlflow.db")))[1:] == ["-m", "sync", "ui"]


def test_the_ui_command_names_this_environment_s_python_as_the_reader_s_shell_finds_it(tmp_path, monkeypatch):
    uri, here = sqlite_uri(tmp_path / "mlflow.db"), Path(sys.executable)
    monkeypatch.setenv("PATH", str(here.parent))
    assert shlex.split(ui_command(uri))[0] == "python"
    monkeypatch.setenv("PATH", "/usr/bin")
    assert shlex.split(ui_command(uri))[0] in (str(here), str(here.relative_to(Path.cwd())))


def test_the_ui_command_of_a_store_elsewhere_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(Path(sys.prefix))
    assert f"--results {tmp_path} ui" in ui_command(sqlite_uri(tmp_path / "mlflow.db"))
    assert ui_command(sqlite_uri(tmp_path / "my.db")).startswith(f"MLFLOW_TRACKING_URI=sqlite:///{tmp_path}/my.db ")
    assert ui_command("postgresql://host/db").startswith("MLFLOW_TRACKING_URI=postgresql://host/db ")


@pytest.mark.parametrize("uri", ["http://ann:hunter22@host:5000", "postgresql://ann:hunter22@host/db"])
def test_the_ui_command_shows_no_password(uri):
    command = ui_command(uri)
    assert "hunter22" not in command
    assert "http://host:5000" in command or command.endswith(" -m sync ui")  # by the reader's MLFLOW_TRACKING_URI


def test_the_address_to_open_follows_the_command_that_serves_it(tmp_path):
    lines = ui_lines(sqlite_uri(tmp_path / "mlflow.db"), "#/experiments/3/runs?a=b")
    assert lines[0] == ui_command(sqlite_uri(tmp_path / "mlflow.db"))
    assert lines[1:] == ["then open http://127.0.0.1:5000/#/experiments/3/runs?a=b"]


def test_without_a_page_it_is_the_interface_s_own_address(tmp_path):
    assert ui_lines(sqlite_uri(tmp_path / "mlflow.db"))[1] == "then open http://127.0.0.1:5000/"


@pytest.mark.parametrize("uri", ["http://ann:hunter22@host:5000", "http://ann:hunter22@host:5000/"])
def test_a_server_that_is_there_is_opened_at_the_page_and_without_a_password(uri):
    (line,) = ui_lines(uri, "#/experiments/3/runs?a=b&c=d")
    assert shlex.split(line)[-1] == "http://host:5000/#/experiments/3/runs?a=b&c=d"
