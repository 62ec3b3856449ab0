from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from rich.console import Console

from sweep.experiment.expand import Grid, expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import Outcome, Point, failed_outcome, project_root
from sweep.launch.backlog import Backlog
from sweep.launch.interrupt import Interrupts
from sweep.launch.serial import SerialLauncher
from sweep.launch.worker import run_point
from sweep.progress import ProgressView
from sweep.service import EndedSweep, Sweeping, finished_before, sweep_id
from sync.results.journal import Journal, JournalError

ROOT = project_root()


class RecordingWriter:
    """Takes outcomes and notes what the journal says of each at that moment."""

    def __init__(self, journal: Journal) -> None:
        self.seen: list[tuple[Outcome, Outcome | None]] = []
        self._journal = journal

    def start(self) -> None:
        """Nothing to open."""

    def submit(self, outcome: Outcome) -> None:
        self.seen.append((outcome, self._journal.read(outcome.key)))

    def submit_key(self, key: str) -> None:
        kept = self._journal.read(key)
        assert kept is not None
        self.seen.append((kept, kept))


class ForbiddenLauncher(SerialLauncher):
    """Fails the test when it is started."""

    def __enter__(self) -> Self:
        raise AssertionError("nothing is left to run")


class InterruptedLauncher(SerialLauncher):
    """Gets a Ctrl-C in the middle of the third point."""

    def outcomes(self, backlog: Backlog, interrupts: Interrupts) -> Generator[Outcome, None, None]:
        for outcome in super().outcomes(backlog, interrupts):
            yield outcome
            if len(backlog) == 2:
                try:
                    with interrupts.at_once():
                        os.kill(os.getpid(), signal.SIGINT)
                        run_point(backlog.next_point() or pytest.fail("two points wait"), ROOT)
                except KeyboardInterrupt:
                    continue

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert error is None


@pytest.fixture
def points(tiny: str) -> list[Point]:
    return expand(parse_experiment(tiny, "tiny.yaml"), [], ROOT)


def sweep(
    points: Sequence[Point], journal: Journal, launcher: SerialLauncher, max_failures: int | None = None
) -> tuple[EndedSweep, list[tuple[Outcome, Outcome | None]]]:
    writer = RecordingWriter(journal)
    known = list(finished_before(points, journal, retry_failed=False))
    with Interrupts() as interrupts:
        sweeping = Sweeping(launcher, journal, writer, interrupts, max_failures=max_failures)
        report = sweeping.run(points, known, lambda tally: ProgressView(Console(quiet=True), tally))
    return report, writer.seen


def test_the_journal_has_an_outcome_whole_before_the_sink_hears_of_it(points: list[Point], tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        report, seen = sweep(points, journal, SerialLauncher(ROOT))
    assert [outcome.key for outcome, _ in seen] == [p.key for p in points]
    assert all(kept == outcome and outcome.requests_parquet for outcome, kept in seen)
    assert [o.index for o in report.outcomes] == [0, 1, 2, 3]
    assert (report.reused, report.missing, report.interrupted) == (0, 0, False)


def test_what_is_finished_starts_no_launcher_but_reaches_the_sink_under_its_present_name(
    points: list[Point], tiny: str, tmp_path: Path
) -> None:
    with Journal(tmp_path) as journal:
        sweep(points, journal, SerialLauncher(ROOT))
        renamed = expand(parse_experiment(tiny.replace("one-h100", "lone"), "tiny.yaml"), ["rate=4,3"], ROOT)
        report, seen = sweep(renamed, journal, ForbiddenLauncher(ROOT))
    assert report.reused == 2
    told = [(o.index, o.name, o.requests_parquet) for o in report.outcomes]
    assert told == [(0, "lone 1xH100 conv 4 rps", b""), (1, "lone 1xH100 conv 3 rps", b"")]
    assert [o.key for o, _ in seen] == [p.key for p in renamed]


def test_an_interrupt_gives_up_the_point_under_way_and_keeps_the_rest(points: list[Point], tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        report, seen = sweep(points, journal, InterruptedLauncher(ROOT))
    assert (report.interrupted, report.missing, len(report.outcomes), len(seen)) == (True, 2, 2, 2)


def test_a_full_disk_ends_the_sweep_and_what_was_finished_before_stays(
    points: list[Point], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Journal(tmp_path) as journal:
        sweep(points[:2], journal, SerialLauncher(ROOT))

        def full(*_: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(JournalError, match="No space left on device"):
                sweep(points, journal, SerialLauncher(ROOT))
        report, _ = sweep(points, journal, SerialLauncher(ROOT))
    assert (report.reused, report.missing, len(report.failed)) == (2, 0, 0)


class FailingLauncher(SerialLauncher):
    """Every point fails."""

    def outcomes(self, backlog: Backlog, interrupts: Interrupts) -> Generator[Outcome, None, None]:
        while point := backlog.next_point():
            yield failed_outcome(point, "planted", version="0")


@pytest.mark.parametrize(("most", "ran", "given_up"), [(1, 1, True), (3, 3, True), (4, 4, False), (None, 4, False)])
def test_as_many_failures_as_are_allowed_end_the_sweep_and_the_next_start_goes_on(
    points: list[Point], tmp_path: Path, most: int | None, ran: int, given_up: bool
) -> None:
    with Journal(tmp_path) as journal:
        report, _ = sweep(points, journal, FailingLauncher(ROOT), max_failures=most)
        assert (len(report.failed), report.missing, report.given_up) == (ran, 4 - ran, given_up)
        report, _ = sweep(points, journal, SerialLauncher(ROOT))
    assert (len(report.failed), report.missing, report.reused) == (ran, 0, ran)


def test_a_sweeps_id_is_its_grid_and_nothing_else(tiny: str) -> None:
    def id_of(text: str, *extra: str) -> str:
        return sweep_id(Grid(parse_experiment(text, "x.yaml"), extra, ROOT).experiment)

    assert id_of(tiny) == id_of(tiny.replace("one machine", "another description")) == id_of(tiny, "rate=range(1,5)")
    assert len({id_of(tiny), id_of(tiny, "rate=1,2,3"), id_of(tiny, "seed=1"), id_of(tiny, "seed=0,1")}) == 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_handlers_of_signals_are_given_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupts() as interrupts:
        assert signal.getsignal(number) != before
        os.kill(os.getpid(), number)
        assert interrupts.requested
    assert signal.getsignal(number) == before


IN_C_CODE = """
import hashlib
from sweep.launch.interrupt import Interrupts
with Interrupts():
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # as the start of Ray does, it runs no handler for long
"""


def test_a_second_signal_ends_the_process_while_the_first_still_waits_for_its_handler() -> None:
    command = [sys.executable, "-c", IN_C_CODE]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                process.send_signal(number)
            _, complaints = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert complaints == "interrupted; finished points are kept, and the same command goes on from there\n"
