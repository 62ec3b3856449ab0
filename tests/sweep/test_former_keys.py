"""What the code of before has finished stays finished. `data/former` is a journal that commit 8d2a2dd wrote for
`data/former.yaml`."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import sim_core
from sim_core import Code, SimSpec
from sweep.command import main
from sweep.experiment.expand import expand
from sweep.experiment.file import read_experiment
from sweep.experiment.point import Outcome, Point, project_root
from sweep.former import keys as former_keys
from sweep.former.keys import FORMER_CODE, FormerKeys, former_canonical, renew, under_former_keys
from sweep.former.results import changed_since
from sweep.launch.serial import SerialLauncher
from sync.load import load_sweep
from sync.results.code import deciding_code
from sync.results.journal import Journal

DATA = Path(__file__).parent / "data"
EXPERIMENT = DATA / "former.yaml"
KEYS = json.loads((DATA / "former" / "sweep.json").read_text())["keys"]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder of results with the journal of before."""
    shutil.copytree(DATA / "former", tmp_path / "results" / "former")
    return tmp_path / "results"


@pytest.fixture(scope="module")
def points() -> list[Point]:
    return expand(read_experiment(EXPERIMENT), [], project_root())


@pytest.fixture
def former() -> FormerKeys:
    return FormerKeys(deciding_code())


@pytest.fixture
def run(results: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line on that journal."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return lambda *more: main([str(EXPERIMENT), "--local", "--results", str(results), *more])


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def keys_of(results: Path) -> list[str]:
    keys: list[str] = json.loads((results / "former" / "sweep.json").read_text())["keys"]
    return keys


def test_a_journal_of_the_former_code_leaves_nothing_to_run(
    run: Callable[..., int], results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def enter(launcher: object) -> None:
        raise AssertionError("nothing is left to run")

    monkeypatch.setattr(SerialLauncher, "__enter__", enter)
    assert run("--sink", "none") == 0
    assert "3 completed (3 of them finished before), 0 failed, 0 not run" in capsys.readouterr().out
    assert keys_of(results) == KEYS
    assert files(results / "former" / "points") == files(DATA / "former" / "points")
    assert run("--sink", "none") == 0
    assert sorted(load_sweep("former", results).runs["key"]) == sorted(KEYS)
    assert list(load_sweep("former", results).runs["rate"]) == [2.0, 2.0, 2.0]


def test_a_point_found_by_its_former_key_runs_under_it(run: Callable[..., int], results: Path) -> None:
    assert run("--sink", "none", "--point", KEYS[1][:10]) == 0
    assert files(results / "former" / "points").keys() == files(DATA / "former" / "points").keys()
    kept = Journal(DATA / "former").read(KEYS[1])
    made = Journal(results / "former").read(KEYS[1])
    assert made is not None
    assert kept is not None
    assert made.name == kept.name


def test_a_fresh_start_uses_the_keys_of_now(run: Callable[..., int], results: Path, points: list[Point]) -> None:
    assert run("--sink", "none", "--fresh", "--limit", "1") == 0
    assert keys_of(results) == [points[0].key]
    assert points[0].key not in KEYS


def test_the_former_key_is_the_one_that_the_former_code_gave(points: list[Point], former: FormerKeys) -> None:
    assert [former.key_for(point.spec, point.trace_identity) for point in points] == KEYS
    assert former.key_for(points[0].spec, "another trace") not in KEYS


def test_what_is_finished_under_the_key_of_now_is_taken_first(points: list[Point], results: Path) -> None:
    journal = Journal(results / "former")
    outcome = journal.read(KEYS[0])
    assert outcome is not None
    journal.write(replace(outcome, key=points[0].key))
    assert [point.key for point in under_former_keys(points, journal).points] == [points[0].key, *KEYS[1:]]


def test_a_run_whose_entry_is_torn_is_run_again_under_the_key_of_now(points: list[Point], results: Path) -> None:
    path = results / "former" / "points" / f"{KEYS[2]}.json"
    path.write_bytes(path.read_bytes().replace(b'"run/completed": ', b'"run/completed": 1'))
    resumed = under_former_keys(points, Journal(results / "former"))
    assert [point.key for point in resumed.points] == [*KEYS[:2], points[2].key]


def test_a_journal_without_other_entries_is_not_searched(points: list[Point], tmp_path: Path) -> None:
    def asked() -> FormerKeys:
        raise AssertionError("former keys are not wanted")

    assert under_former_keys(points, Journal(tmp_path), asked).points == points


def test_two_points_that_were_one_run_do_not_both_get_its_key(points: list[Point], results: Path) -> None:
    twice = [points[0], replace(points[0], key="ab" * 32)]
    assert [point.key for point in under_former_keys(twice, Journal(results / "former")).points] == [KEYS[0], "ab" * 32]


def copy_of_the_code(folder: Path) -> Path:
    shutil.copytree(Path(sim_core.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("scheduling/mixed_pool.py", [True, False, False]),
        ("start_state/uniform.py", [False, True, True]),
        ("scheduling/random.py", [True, True, True]),
        ("engine.py", [False, False, False]),
        ("observer.py", [True, True, True]),
    ],
)
def test_a_change_of_code_ends_the_former_keys_of_the_runs_that_use_it(
    points: list[Point], tmp_path: Path, file: str, counts: list[bool]
) -> None:
    folder = copy_of_the_code(tmp_path / "sim_core")
    (folder / file).write_text((folder / file).read_text() + "\nADDED = 1\n")
    former = FormerKeys(Code(folder))
    assert [former.key_for(point.spec, point.trace_identity) is not None for point in points] == counts


def test_the_record_is_renewed_for_code_that_gives_the_same_results(tmp_path: Path, points: list[Point]) -> None:
    record = json.loads(FORMER_CODE.read_bytes())
    file = tmp_path / "former_code.json"
    file.write_text(json.dumps(record | {"parts": record["parts"] | {"sim_core.engine": "00"}}))
    assert FormerKeys(deciding_code(), file).key_for(points[0].spec, points[0].trace_identity) is None
    assert "sim_core.engine" in renew(file)
    assert renew(file) == []
    assert FormerKeys(deciding_code(), file).key_for(points[0].spec, points[0].trace_identity) == KEYS[0]


def test_a_run_without_an_end_had_the_former_end(points: list[Point]) -> None:
    spec: Any = points[0].spec
    text = former_canonical(replace(spec, end_time_s=86400.0))
    assert text is not None
    assert '"end_time_s":86400.0' in text
    assert former_canonical(replace(spec, end_time_s=None)) == text


def test_a_spec_that_says_what_could_not_be_said_has_no_former_key(
    points: list[Point], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = points[0].spec
    before = former_keys.FORMER_FIELDS
    older = {**before, "InstanceSpec": tuple(name for name in before["InstanceSpec"] if name != "run_s")}
    monkeypatch.setattr(former_keys, "FORMER_FIELDS", older)
    assert former_canonical(spec) is None
    gained = {**former_keys.GAINED_FIELDS, ("InstanceSpec", "run_s"): (0.0,)}
    monkeypatch.setattr(former_keys, "GAINED_FIELDS", gained)
    text = former_canonical(spec)
    assert text is not None
    assert "run_s" not in text
    state = spec.start_states[0]
    assert state.instance is not None
    slower = replace(spec, start_states=(replace(state, instance=replace(state.instance, run_s=0.5)),))
    assert former_canonical(slower) is None


def with_parallelism(spec: SimSpec, count: int) -> SimSpec:
    state = spec.start_states[0]
    assert state.instance is not None
    return replace(spec, start_states=(replace(state, instance=replace(state.instance, tensor_parallelism=count)),))


def as_llama(spec: SimSpec) -> SimSpec:
    application = spec.applications[0]
    model = replace(application.model, measured_as="llama2-70b")
    servers = tuple(replace(group, processors=group.processors[:2]) for group in spec.servers)
    cut = replace(spec, applications=(replace(application, model=model),), servers=servers)
    return with_parallelism(cut, 2)


def late(outcome: Outcome) -> Outcome:
    """As a trace that starts at a Unix time gives it."""
    return replace(outcome, summary={**outcome.summary, "run/end_s": outcome.summary["run/end_s"] + 1.7e9})


@pytest.mark.parametrize(
    ("reason", "change_spec", "change_outcome"),
    [
        ("they failed", lambda spec: spec, lambda outcome: replace(outcome, status="failed", summary={})),
        (
            "they left requests unfinished",
            lambda spec: spec,
            lambda outcome: replace(outcome, summary={**outcome.summary, "run/unfinished": 1.0}),
        ),
        ("measurements of llama2-70b on two processors were mended", as_llama, lambda outcome: outcome),
        ("their traces do not start within the first second", lambda spec: spec, late),
        (
            "their time was over",
            lambda spec: replace(spec, end_time_s=None),
            lambda outcome: replace(
                outcome,
                summary={
                    **outcome.summary,
                    "run/end_s": 86_400.0,
                    "throughput/requests_per_s": outcome.summary["run/completed"] / 86_400.0,
                },
            ),
        ),
    ],
)
def test_what_the_code_does_otherwise_on_purpose_is_run_again(
    points: list[Point],
    results: Path,
    reason: str,
    change_spec: Callable[[SimSpec], SimSpec],
    change_outcome: Callable[[Outcome], Outcome],
) -> None:
    journal = Journal(results / "former")
    outcome = journal.read(KEYS[0])
    assert outcome is not None
    assert changed_since(points[0].spec, outcome) is None
    assert changed_since(change_spec(points[0].spec), change_outcome(outcome)) == reason
    if change_spec(points[0].spec) == points[0].spec:
        journal.write(change_outcome(outcome))
        resumed = under_former_keys(points, journal)
        assert [point.key for point in resumed.points] == [points[0].key, *KEYS[1:]]
        assert resumed.again == Counter({reason: 1})


def test_the_command_says_which_finished_points_run_again(
    run: Callable[..., int], results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(results / "former")
    outcome = journal.read(KEYS[0])
    assert outcome is not None
    journal.write(replace(outcome, summary={**outcome.summary, "run/unfinished": 1.0}))
    assert run("--sink", "none") == 0
    printed = capsys.readouterr()
    assert "finished by an earlier version and run again: 1, because they left requests unfinished" in printed.err
    assert "3 completed (2 of them finished before)" in printed.out
    assert [key in KEYS for key in keys_of(results)] == [False, True, True]


def test_outcomes_of_before_have_the_facts_of_todays_points(points: list[Point], results: Path) -> None:
    kept = {outcome.point_id: outcome for outcome in load_sweep("former", results).outcomes.values()}
    assert kept.keys() == {point.point_id for point in points}
    assert all(kept[point.point_id].roles == point.roles for point in points)
    assert not [name for outcome in kept.values() for name in outcome.summary if name.startswith("slo/")]
    assert set(load_sweep("former", results).runs.verdict) == {"within SLO"}
