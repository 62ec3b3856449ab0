"""What in a received folder of results is no file: links, named pipes, folders. Nothing is written elsewhere."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sim_core.errors import OutputError
from sync.__main__ import main
from sync.load import load_sweep
from sync.results.inside import (
    linked_inside,
    make_folder,
    refuse_links,
    refuse_links_below,
    replacing_inside,
    write_inside,
)
from sync.results.journal import Journal, JournalError, JournalWarning
from sync.results.lock import lock_holder
from tests.sync.stores import deliver, keep

Maker = Callable[..., Any]
LINK = "is a symbolic link"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file of the user's that nothing may touch."""
    path = tmp_path / "elsewhere" / "profile"
    path.parent.mkdir()
    path.write_text("mine")
    return path


@pytest.fixture
def received(tmp_path: Path, sweep: Any, outcome: Maker) -> Path:
    """A folder of results with two runs of a sweep called `x`."""
    keep(tmp_path / "results", replace(sweep, name="x"), outcome(1), outcome(2))
    return tmp_path / "results"


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def instead(path: Path, make: Callable[[Path], object]) -> Path:
    """The path, with what `make` makes there in place of the file."""
    path.unlink()
    make(path)
    return path


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_lock_that_is_a_link_is_refused_and_its_target_stays(received: Path, target: Path, link: Any) -> None:
    lock = received / "x" / "lock"
    lock.unlink()
    link(target, lock)
    with pytest.raises(JournalError, match=r"x/lock: (is a symbolic link|is a hard link)"):
        Journal(received / "x").__enter__()
    assert target.read_text() == "mine"


def test_a_lock_that_is_a_link_to_nothing_makes_nothing(received: Path, tmp_path: Path) -> None:
    lock = received / "x" / "lock"
    lock.unlink()
    lock.symlink_to(tmp_path / "new")
    with pytest.raises(JournalError, match=LINK):
        Journal(received / "x").__enter__()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("make", "kind"), [(os.mkfifo, "a named pipe"), (os.mkdir, "a folder")])
def test_a_lock_that_is_no_file_is_refused_at_once(received: Path, make: Any, kind: str) -> None:
    (received / "x" / "lock").unlink()
    make(received / "x" / "lock")
    assert lock_holder(received / "x" / "lock") is None
    with pytest.raises(JournalError, match=kind):
        Journal(received / "x").__enter__()


@pytest.mark.parametrize("place", ["x", "x/points"])
def test_a_folder_that_is_a_link_is_neither_read_nor_written(
    received: Path, tmp_path: Path, place: str, outcome: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    (received / place).rename(tmp_path / "moved")
    (received / place).symlink_to(tmp_path / "moved")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(JournalError, match=rf"{place}: {LINK}; .* \(--results itself may be one\)"):
        Journal(received / "x").__enter__()
    with pytest.raises(JournalError, match=LINK):
        load_sweep("x", received).outcomes  # noqa: B018
    assert sorted(tmp_path.rglob("*")) == before
    assert main(["--results", str(received), "show", "x"]) == 1
    assert f"{place}: {LINK}" in capsys.readouterr().err


def test_the_results_folder_itself_may_be_a_link(received: Path, tmp_path: Path, outcome: Maker) -> None:
    (tmp_path / "linked").symlink_to(received)
    with Journal(tmp_path / "linked" / "x") as journal:
        journal.write(outcome(3))
    assert set(load_sweep("x", received).source.outcomes()) == {outcome(number).key for number in (1, 2, 3)}


def test_what_is_set_aside_does_not_leave_through_a_link(received: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (received / "x" / "earlier").symlink_to(tmp_path / "out")
    with Journal(received / "x") as journal, pytest.raises(JournalError, match=LINK):
        journal.set_aside()
    assert len(journal.keys()) == 2 and not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda path: path.symlink_to("/dev/zero"), LINK),
        (lambda path: path.symlink_to("2.json"), LINK),
        (os.mkfifo, "a named pipe"),
        (os.mkdir, "a folder"),
    ],
)
def test_an_entry_that_is_no_file_is_named_and_the_other_is_read(
    received: Path, outcome: Maker, make: Callable[[Path], object], kind: str
) -> None:
    path = instead(received / "x" / "points" / f"{outcome(1).key}.json", make)
    with pytest.warns(JournalWarning, match=f"1 entry of .*x cannot be used: {path.name}: .*{kind}"):
        assert set(Journal(received / "x").outcomes()) == {outcome(2).key}
    with pytest.warns(JournalWarning, match=kind):
        assert Journal(received / "x").read(outcome(1).key) is None


@pytest.mark.parametrize(("make", "kind"), [(lambda p: p.symlink_to("/dev/zero"), LINK), (os.mkfifo, "a named pipe")])
def test_a_table_that_is_no_file_is_refused_at_once(
    received: Path, outcome: Maker, make: Callable[[Path], object], kind: str
) -> None:
    instead(received / "x" / "points" / f"{outcome(1).key}.parquet", make)
    with pytest.warns(JournalWarning, match=kind):
        assert Journal(received / "x").read(outcome(1).key) is None
    with pytest.raises(OSError, match=kind):
        load_sweep("x", received).requests(outcome(1).key)
    with pytest.raises(OSError, match=kind):
        load_sweep("x", received).requests_where()


@pytest.mark.parametrize("make", [lambda path: path.symlink_to("/etc/hostname"), os.mkfifo, os.mkdir])
@pytest.mark.parametrize("name", ["sweep.json", "status.json"])
def test_files_of_the_sweep_that_are_no_files_are_not_read(received: Path, make: Any, name: str) -> None:
    (received / "x" / name).unlink(missing_ok=True)
    make(received / "x" / name)
    journal = Journal(received / "x")
    if name == "status.json":
        assert journal.status() == {}
    else:
        with pytest.warns(JournalWarning, match="sweep.json: cannot be used"):
            assert journal.info() is None


@pytest.mark.parametrize("name", ["sweep.json", "status.json", "points/{key}.json", "points/{key}.parquet"])
def test_a_link_in_place_of_a_file_is_replaced_and_its_target_stays(
    received: Path, target: Path, sweep: Any, outcome: Maker, name: str
) -> None:
    path = received / "x" / name.format(key=outcome(1).key)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    with Journal(received / "x") as journal:
        journal.write(outcome(1))
        journal.note_status({"left": 1})
        if name == "sweep.json":
            with pytest.warns(JournalWarning, match=LINK):
                journal.write_sweep(sweep, [], {}, str.__eq__)
    assert target.read_text() == "mine" and not path.is_symlink()


def test_a_folder_called_as_a_write_that_broke_off_is_left_alone(received: Path) -> None:
    (received / "x" / "points" / "odd.tmp").mkdir()
    with Journal(received / "x"):
        pass


def test_results_are_their_owners_alone_from_the_first_byte(
    tmp_path: Path, sweep: Any, outcome: Maker, open_umask: None
) -> None:
    keep(tmp_path / "new" / "results", replace(sweep, name="x"), outcome(1))
    for path in (tmp_path / "new").rglob("*"):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path
    with replacing_inside(tmp_path / "new" / "y"):
        (partial,) = (tmp_path / "new").glob(".y.*")
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600


@pytest.mark.parametrize("size", [0, 1, 2**18 - 1, 2**18, 2**18 + 1, 3 * 2**18])
def test_what_is_written_in_portions_is_whole_and_another_name_needs_all_of_it(tmp_path: Path, size: int) -> None:
    content, twin = random.Random(size).randbytes(size), tmp_path / "twin"
    write_inside(twin, content)
    assert twin.read_bytes() == content
    assert linked_inside(tmp_path / "name", twin, content)
    assert (tmp_path / "name").samefile(twin)
    for other in {content[:-1], content + b"?", content[:-1] + bytes([content[-1] ^ 1]) if content else b"?"} - {
        content
    }:
        assert not linked_inside(tmp_path / "other", twin, other)


def test_a_folder_that_its_owner_has_opened_stays_open(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    make_folder(tmp_path / "open")
    assert stat.S_IMODE((tmp_path / "open").stat().st_mode) == 0o755


def test_links_and_odd_files_are_found_wherever_they_are(tmp_path: Path, target: Path) -> None:
    (tmp_path / "r" / "x" / "debug" / "instances").mkdir(parents=True)
    refuse_links(tmp_path / "r" / "x" / "debug", tmp_path / "r")
    refuse_links_below(tmp_path / "r")
    refuse_links(target, tmp_path / "r")  # not below it: the user's own affair
    (tmp_path / "r" / "x" / "debug" / "instances" / "0.csv").symlink_to(target)
    with pytest.raises(OutputError, match=rf"0.csv: {LINK}.*remove it"):
        refuse_links_below(tmp_path / "r")
    (tmp_path / "r" / "y").symlink_to(target.parent)
    with pytest.raises(OutputError, match=rf"r/y: {LINK}"):
        refuse_links(tmp_path / "r" / "y" / "report", tmp_path / "r")
    (tmp_path / "r" / "z").write_text("")
    with pytest.raises(OutputError, match="r/z: is not a folder"):
        refuse_links(tmp_path / "r" / "z" / "report", tmp_path / "r")


def test_an_export_does_not_go_through_a_link_in_the_results(
    received: Path, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (received / "out").symlink_to(target.parent)
    (received / "dangling").symlink_to(target.parent / "new")
    for to in ("out/tables", "dangling"):
        assert main(["--results", str(received), "export", "x", "--to", str(received / to)]) != 0
    assert [path.name for path in target.parent.iterdir()] == ["profile"]
    assert LINK in capsys.readouterr().err


def test_an_export_is_readable_by_its_owner_alone(received: Path, tmp_path: Path, open_umask: None) -> None:
    assert main(["--results", str(received), "export", "x", "--to", str(tmp_path / "mine")]) == 0
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o700


def test_a_received_database_does_not_make_the_sink_write_elsewhere(
    results: Path, sweep: Any, outcome: Maker, target: Path
) -> None:
    deliver(results, sweep, outcome(1))
    changed = replace(outcome(1), design="another")  # the run is brought up to date: its files are written again
    with closing(sqlite3.connect(results / "mlflow.db")) as database, database:
        database.execute("UPDATE runs SET artifact_uri = ?", (target.parent.as_uri(),))
    with pytest.raises(OutputError, match="elsewhere: MLflow's database has files of this run there"):
        deliver(results, sweep, changed)
    assert [path.name for path in target.parent.iterdir()] == ["profile"]


def test_files_for_mlflow_do_not_go_through_a_link_in_the_results(
    results: Path, sweep: Any, outcome: Maker, target: Path
) -> None:
    (results / "mlartifacts").symlink_to(target.parent)
    with pytest.raises(OutputError, match=rf"mlartifacts: {LINK}"):
        deliver(results, sweep, outcome(1))
    assert [path.name for path in target.parent.iterdir()] == ["profile"]


def test_a_database_that_is_a_link_is_refused(results: Path, sweep: Any, outcome: Maker, tmp_path: Path) -> None:
    (results / "mlflow.db").rename(tmp_path / "other.db")
    (results / "mlflow.db").symlink_to(tmp_path / "other.db")
    with pytest.raises(OutputError, match=rf"mlflow.db: {LINK}.*MLFLOW_TRACKING_URI may name the database"):
        deliver(results, sweep, outcome(1))


@pytest.mark.parametrize("run_id", ["../../elsewhere", "linked"])
def test_replay_removes_nothing_behind_a_link_or_an_id_that_leads_elsewhere(
    results: Path, sweep: Any, outcome: Maker, target: Path, run_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(results, sweep, outcome(1))
    deliver(results, sweep, outcome(1))
    (results / ".mlflow-cache").mkdir()
    (results / ".mlflow-cache" / "linked").symlink_to(target.parent)
    with closing(sqlite3.connect(results / "mlflow.db")) as database, database:
        (old,) = database.execute("SELECT run_uuid FROM tags WHERE key = 'config.hash'").fetchone()
        for table in ("runs", "tags", "metrics", "params", "latest_metrics"):
            database.execute(f"UPDATE {table} SET run_uuid = ? WHERE run_uuid = ?", (f"../{run_id}", old))
        database.execute("UPDATE runs SET run_uuid = ? WHERE run_uuid = ?", (run_id, f"../{run_id}"))
        database.execute("UPDATE tags SET run_uuid = ? WHERE run_uuid = ?", (run_id, f"../{run_id}"))
    assert main(["--results", str(results), "verify", "quick start", "--prune"]) == 1
    assert main(["--results", str(results), "replay", "quick start", "--prune"]) == 1
    assert [path.name for path in target.parent.iterdir()] == ["profile"] and target.read_text() == "mine"
    assert capsys.readouterr().err.count("error: ") == 2


def test_replay_removes_nothing_behind_a_link_in_place_of_the_former_sinks_folder(
    received: Path, target: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (target.parent / "mine.json").write_text("{}")
    (received / "x" / "local").mkdir()
    (received / "x" / "local" / "outcomes").symlink_to(target.parent)
    assert main(["--results", str(received), "verify", "x", "--prune"]) == 1
    assert f"local/outcomes: {LINK}" in capsys.readouterr().err
