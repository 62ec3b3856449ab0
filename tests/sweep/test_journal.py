from __future__ import annotations

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep.experiment.file import same_experiment
from sweep.experiment.point import Outcome, SweepInfo
from sync.results.entry import entry_bytes, parse_entry
from sync.results.growing import Growth
from sync.results.journal import Journal, JournalError, JournalWarning

ROOT = Path(__file__).resolve().parents[2]


def test_what_was_written_is_read_back_whole(tmp_path: Path, outcome: Outcome) -> None:
    with Journal(tmp_path / "a") as journal:
        kept = journal.write(outcome)
    assert Journal(tmp_path / "a").read(outcome.key) == outcome
    assert kept.requests_sha256 == hashlib.sha256(outcome.requests_parquet).hexdigest()  # which MLflow keeps, too
    without = replace(kept, requests_parquet=b"")
    assert parse_entry(entry_bytes({}, without))["parquet_sha256"] == hashlib.sha256(b"").hexdigest()


def test_a_point_never_written_is_none_without_a_warning(tmp_path: Path) -> None:
    assert Journal(tmp_path).read("00") is None


def test_a_failed_outcome_needs_no_table(tmp_path: Path, outcome: Outcome) -> None:
    failed = replace(outcome, status="failed", error="why", summary={}, requests_parquet=b"")
    with Journal(tmp_path) as journal:
        journal.write(failed)
        assert journal.read(outcome.key) == failed
    assert not list(tmp_path.glob("points/*.parquet"))


def _tear_json(points: Path, key: str) -> None:
    path = points / f"{key}.json"
    path.write_bytes(path.read_bytes()[:100])


def _empty_json(points: Path, key: str) -> None:
    (points / f"{key}.json").write_bytes(b"")


def _list_instead(points: Path, key: str) -> None:
    (points / f"{key}.json").write_text("[]")


def _older_format(points: Path, key: str) -> None:
    path = points / f"{key}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 0}))


def _another_points(points: Path, key: str) -> None:
    path = points / f"{key}.json"
    path.write_text(path.read_text().replace(key, "ef" * 32))


def _tear_table(points: Path, key: str) -> None:
    path = points / f"{key}.parquet"
    path.write_bytes(path.read_bytes()[:5])


def _flip_a_byte(points: Path, key: str) -> None:
    path = points / f"{key}.parquet"
    path.write_bytes(path.read_bytes().replace(b"table", b"tablE"))


def _change_a_figure(points: Path, key: str) -> None:
    path = points / f"{key}.json"
    path.write_text(path.read_text().replace('"ttft/p50_s": 0.1', '"ttft/p50_s": 0.01'))


def _lose_table(points: Path, key: str) -> None:
    (points / f"{key}.parquet").unlink()


@pytest.mark.parametrize(
    "damage",
    [
        _tear_json,
        _empty_json,
        _list_instead,
        _older_format,
        _another_points,
        _tear_table,
        _flip_a_byte,
        _change_a_figure,
        _lose_table,
    ],
)
def test_a_damaged_entry_is_ignored_with_a_warning_and_can_be_written_again(
    tmp_path: Path, outcome: Outcome, damage: Callable[[Path, str], None]
) -> None:
    with Journal(tmp_path) as journal:
        journal.write(outcome)
        damage(tmp_path / "points", outcome.key)
        for table in (True, False):
            with pytest.warns(JournalWarning, match="run again"):
                assert journal.read(outcome.key, table=table) is None
        journal.write(outcome)
        assert journal.read(outcome.key) == outcome


def test_an_entry_can_be_read_without_its_table(tmp_path: Path, outcome: Outcome) -> None:
    with Journal(tmp_path) as journal:
        journal.write(outcome)
        assert journal.read(outcome.key, table=False) == replace(outcome, requests_parquet=b"")


def test_what_is_set_aside_is_all_there_and_no_longer_counts(tmp_path: Path, outcome: Outcome) -> None:
    info = SweepInfo("n", "d", "n-1", "name: n", 2, "python -m sweep n.yaml")
    with Journal(tmp_path) as journal:
        journal.set_aside()
        assert not (tmp_path / "earlier").exists(), "there was nothing"
        for _ in range(2):
            journal.write_sweep(info, [outcome.key], {}, same_experiment)
            journal.write(outcome)
            journal.set_aside()
            assert journal.read(outcome.key) is None
        journal.write(replace(outcome, error="another"))
    aside = sorted((tmp_path / "earlier").iterdir())
    assert [Journal(folder).read(outcome.key) for folder in aside] == [outcome, outcome]
    assert all((folder / "sweep.json").exists() for folder in aside)


def test_who_writes_is_told_as_long_as_he_does(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.holder() is None
    with Journal(tmp_path):
        assert journal.holder() == str(os.getpid())
    assert journal.holder() is None


def test_the_latest_word_is_kept_and_a_torn_one_is_none(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.status() == {}
    for left in (2, 1):
        journal.note_status({"left": left})
    assert journal.status() == {"left": 1}
    (tmp_path / "status.json").write_text('{"left"')
    assert journal.status() == {}
    Journal(tmp_path / "nowhere").note_status({"left": 1})  # raises nothing


def test_a_second_sweep_of_the_name_is_refused_and_told_whose_it_is(tmp_path: Path) -> None:
    with Journal(tmp_path), pytest.raises(JournalError, match=rf"process {os.getpid()}\) is writing here"):
        Journal(tmp_path).__enter__()
    with Journal(tmp_path):
        pass  # free again


def test_remnants_of_a_write_that_was_cut_off_are_cleared_away(tmp_path: Path, outcome: Outcome) -> None:
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / f"{outcome.key}.parquet.tmp").write_bytes(b"half")
    with Journal(tmp_path) as journal:
        assert journal.read(outcome.key) is None
        assert not list(tmp_path.glob("points/*"))


@pytest.mark.parametrize("call", ["fsync", "write"])
def test_a_full_disk_is_a_clear_error_and_leaves_what_was_there(
    tmp_path: Path, outcome: Outcome, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Journal(tmp_path) as journal:
        journal.write(outcome)
        if call == "fsync":
            monkeypatch.setattr(os, "fsync", full)
        else:
            monkeypatch.setattr(Path, "replace", full)
        with pytest.raises(JournalError, match=r"No space left on device; what was finished before is safe"):
            journal.write(replace(outcome, key="ef" * 32))
        monkeypatch.undo()
        assert journal.read(outcome.key) == outcome
        assert not list(tmp_path.glob("points/*.tmp"))


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="file"):
        Journal(tmp_path / "file" / "name").__enter__()


def test_the_facts_of_the_sweep_are_kept_beside_the_points(tmp_path: Path) -> None:
    info = SweepInfo("n", "d", "n-1", "name: n", 2, "python -m sweep n.yaml")
    with Journal(tmp_path) as journal:
        journal.write_sweep(info, ["a", "b"], {}, same_experiment)
    kept = json.loads((tmp_path / "sweep.json").read_text())
    assert (kept["sweep_id"], kept["keys"]) == ("n-1", ["a", "b"])


@pytest.mark.parametrize(
    ("next_text", "earlier"),
    [
        ("name: n\naxes: {rate: 1}", ["a"]),
        ("# a comment\nname: n\ndescription: d\nslo: {seconds: {ttft: {p99: 1}}}\naxes: {rate: 1}", ["a"]),
        ("name: n\naxes: {rate: 2}", []),
        ("[", []),
    ],
)
def test_points_of_an_earlier_start_are_kept_in_mind_while_the_experiment_asks_for_the_same(
    tmp_path: Path, next_text: str, earlier: list[str]
) -> None:
    info = SweepInfo("n", "d", "n-1", "name: n\naxes: {rate: 1}", 2, "python -m sweep n.yaml")
    with Journal(tmp_path) as journal:
        journal.write_sweep(info, ["a", "b"], {}, same_experiment)
        for _ in range(2):  # once more changes nothing
            journal.write_sweep(replace(info, experiment_text=next_text), ["b", "c"], {}, same_experiment)
    kept = json.loads((tmp_path / "sweep.json").read_text())
    assert (kept["keys"], kept["earlier_keys"]) == (["b", "c"], earlier)


def facts_by_key(keys: str) -> dict[str, dict[str, object]]:
    return {key: {"index": ord(key), "system": "s", "design": key, "workload": "w"} for key in keys}


def keep(journal: Journal, outcome: Outcome, *keys: str) -> None:
    for key in keys:
        journal.write(replace(outcome, key=key))


@pytest.mark.parametrize(("text", "earlier"), [("name: n\n# a comment", {"a"}), ("name: n\naxes: {rate: 2}", set())])
def test_a_sweep_that_grows_has_the_points_that_are_finished_or_wanted_and_is_counted_whole_when_it_is_killed(
    tmp_path: Path, outcome: Outcome, text: str, earlier: set[str]
) -> None:
    info = SweepInfo("n", "d", "n-1", "name: n", 0, "python -m sweep n.yaml")
    with Journal(tmp_path) as journal:
        keep(journal, outcome, "z")  # of another experiment
        first = journal.growing(info, same_experiment)
        first.write(facts_by_key("ab"), is_done=False)
        keep(journal, outcome, "a")
        second = journal.growing(replace(info, experiment_text=text), same_experiment)
        second.write(facts_by_key("cd"), is_done=False)
        keep(journal, outcome, "c", "e")  # the last was wanted after the keys were written
        assert journal.last_started() == {"c", "d", "e"}
        assert journal.asked_for() == {"c", "d", "e"} | earlier
        plan = journal.plan()
        assert plan is not None and plan.points == 3 + len(earlier)
        second.write(facts_by_key("ce"), is_done=True)
        keep(journal, outcome, "y")
        assert journal.last_started() == {"c", "e"}, "the point that was not run is not asked for any more"
        assert journal.asked_for() == {"c", "e"} | earlier
        assert journal.point_facts() == facts_by_key("".join(sorted({"c", "e"} | earlier)))
    kept = Journal(tmp_path)
    assert (kept.growth(), (kept.info() or info).points) == (Growth(is_done=True, others=frozenset()), 2)


@pytest.mark.parametrize(
    "edited",
    [{"keys": 3}, {"keys": [["a"]]}, {"earlier_keys": "ab"}, {"point_facts": ["a"]}, {"point_facts": {"a": 1}}],
)
def test_a_sweep_json_of_another_form_counts_as_torn(tmp_path: Path, edited: dict[str, object]) -> None:
    info = SweepInfo("n", "d", "n-1", "name: n", 2, "python -m sweep n.yaml")
    with Journal(tmp_path) as journal:
        journal.write_sweep(info, ["a", "b"], {}, same_experiment)
    path = tmp_path / "sweep.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | edited))
    journal = Journal(tmp_path)
    assert (journal.info(), journal.asked_for(), journal.outcomes()) == (None, frozenset(), {})


def test_a_writer_killed_at_any_step_leaves_an_entry_whole_or_absent(tmp_path: Path, outcome: Outcome) -> None:
    script = textwrap.dedent(
        """
        import json, os, signal, sys
        from pathlib import Path
        from sync.results.journal import Journal
        from sweep.experiment.point import Outcome
        folder, step = Path(sys.argv[1]), int(sys.argv[2])
        outcome = Outcome.from_json_dict(json.loads(sys.stdin.read()), b"PAR1 a table PAR1")
        calls = 0
        def dying(real):
            def call(*arguments, **named):
                global calls
                calls += 1
                if calls == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **named)
            return call
        with Journal(folder) as journal:
            os.fdopen, os.fsync, Path.replace = dying(os.fdopen), dying(os.fsync), dying(Path.replace)
            journal.write(outcome)
        """
    )
    text = json.dumps(outcome.to_json_dict())
    codes = []
    for step in range(1, 9):
        folder = tmp_path / str(step)
        ended = subprocess.run(
            [sys.executable, "-c", script, str(folder), str(step)], input=text, text=True, cwd=ROOT, check=False
        )
        codes.append(ended.returncode)
        with Journal(folder) as journal:  # the lock went with its holder
            assert journal.read(outcome.key) == (None if step <= 6 else outcome)
    assert codes == [-signal.SIGKILL] * 7 + [0]
