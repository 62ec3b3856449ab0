"""Generated traces that are kept from run to run."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sim_core.trace import Trace
from traces import TraceRef, load
from traces.cache import MIN_REQUESTS, VARIABLE, cache_folder, cached, tidy
from traces.named import generate, parse

ROOT = Path(__file__).resolve().parents[2]
NAME = "rr_conv_50_1min"


def make() -> Trace:
    return generate(parse(NAME, 3), NAME)


def never() -> Trace:
    raise AssertionError("was made although it is kept")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path / "traces"


def test_a_trace_is_made_once_and_comes_back_as_it_was(folder: Path) -> None:
    made = cached("abc", NAME, make)
    assert made == make()
    assert [path.name for path in folder.iterdir()] == ["abc.trace"]
    assert cached("abc", NAME, never) == made
    assert cached("abc", "other", never).name == "other"


def test_columns_of_several_values_come_back_too(folder: Path) -> None:
    trace = make()
    trace.batch_size[7] = 5
    trace.application_id[1] = 2
    cached("abc", NAME, lambda: trace)
    assert cached("abc", NAME, never) == trace


def test_a_run_takes_its_workload_from_the_cache_and_each_seed_has_its_own(folder: Path) -> None:
    traces = [load(TraceRef("rr_conv_50_1min", "x", seed), ROOT) for seed in (3, 4, 3)]
    assert traces[0] == traces[2] == make()
    assert traces[1] != traces[0]
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:10],
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: data[:30] + bytes([data[30] ^ 1]) + data[31:],
        lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:],
        lambda data: data[:-9] + bytes([data[-9] ^ 128]) + data[-8:],
        lambda data: b"trace columns 9\n" + data[16:],
        lambda data: bytes(len(data)),
    ],
)
def test_a_damaged_file_is_noticed_and_made_anew(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    cached("abc", NAME, make)
    path = folder / "abc.trace"
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert cached("abc", NAME, make) == make()
    assert path.read_bytes() == whole


def test_a_file_of_a_machine_of_the_other_byte_order_is_made_anew(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "byteorder", "big" if sys.byteorder == "little" else "little")
    cached("abc", NAME, make)
    monkeypatch.undo()
    monkeypatch.setenv(VARIABLE, str(folder.parent))
    with pytest.raises(AssertionError, match="was made although"):
        cached("abc", NAME, never)


def test_small_traces_are_not_kept(folder: Path) -> None:
    small = "rr_conv_5_30s"
    assert len(cached("abc", small, lambda: generate(parse(small, 0), small))) < MIN_REQUESTS
    assert not folder.exists()


def test_off_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "off")
    assert cache_folder("traces") is None
    assert cached("abc", NAME, make) == make()


def test_the_folder_is_outside_the_project_where_the_system_keeps_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder("traces") == Path("/somewhere/llm-cluster-sim/traces")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert cache_folder("traces") == Path("/home/me/.cache/llm-cluster-sim/traces")


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_folder_that_cannot_be_written_stops_nobody(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(Path, "replace", refuse)
    assert cached("abc", NAME, make) == make()
    assert list(folder.iterdir()) == []


def test_a_file_where_the_folder_should_be_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    assert cached("abc", NAME, make) == make()


def test_what_was_used_longest_ago_goes_when_there_is_too_much(folder: Path) -> None:
    for place, digest in enumerate("abcdef"):
        cached(digest, NAME, make)
        os.utime(folder / f"{digest}.trace", (1000.0 + place, 1000.0 + place))
    cached("a", NAME, never)  # which makes it the one used last
    (folder / "note.txt").write_text("not ours")
    size = (folder / "a.trace").stat().st_size
    tidy(folder, max_bytes=4 * size)
    assert sorted(path.name for path in folder.iterdir()) == ["a.trace", "e.trace", "f.trace", "note.txt"]


def test_what_killed_writers_left_is_taken_away_but_not_what_is_being_written(folder: Path) -> None:
    cached("abc", NAME, make)
    (folder / ".old.1-x.tmp").write_text("x")
    os.utime(folder / ".old.1-x.tmp", (1000.0, 1000.0))
    (folder / ".new.2-x.tmp").write_text("x")
    cached("def", NAME, make)
    assert sorted(path.name for path in folder.iterdir()) == [".new.2-x.tmp", "abc.trace", "def.trace"]


def test_many_processes_at_once_all_get_the_trace(folder: Path) -> None:
    program = (
        "from pathlib import Path; from traces import TraceRef, load;"
        f"print(*{{load(TraceRef({NAME!r}, 'x', 3), Path()).digest() for _ in range(20)}})"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    assert {process.communicate()[0].strip() for process in running} == {make().digest()}
    assert [path.suffix for path in folder.iterdir()] == [".trace"]
