"""A planner of bisections. As a module it runs one, and can kill itself:

    python -m tests.sweep.fake_planner EXPERIMENT RESULTS [OUTCOMES]

runs the points of the experiment one at a time in their order as one search, and ends by SIGKILL when it has taken that
many outcomes. The keys of the points that it runs go to RESULTS/runs.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice, zip_longest
from pathlib import Path

from rich.console import Console

from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment, same_experiment
from sweep.experiment.point import Outcome, Point, SweepInfo, project_root
from sweep.launch.backlog import Backlog
from sweep.launch.base import Launcher
from sweep.launch.interrupt import Interrupts
from sweep.launch.serial import SerialLauncher
from sweep.planned import EarlierOutcomes, run_planned
from sweep.progress import ProgressView
from sweep.service import EndedSweep, Sweeping, Writer
from sync.results.found import Plan
from sync.results.journal import Journal

Probe = Sequence[Point]  # all of its points have to carry
Carries = Callable[[Outcome], bool]


def rate_below(rate: float) -> Carries:
    """A run carries its rate if that is below `rate`."""
    return lambda outcome: outcome.status == "completed" and outcome.rate is not None and outcome.rate < rate


class Bisections:
    """A `Planning`: in each of several rows of probes it looks for the last one that carries."""

    def __init__(self, searches: Mapping[str, Sequence[Probe]], carries: Carries) -> None:
        self._searches, self._carries = searches, carries
        self.outcomes: dict[str, Outcome] = {}

    @property
    def is_done(self) -> bool:
        return not self.wanted(0)

    def wanted(self, room: int) -> Sequence[Point]:
        needed = [self._missing(probes, *self._bracket(probes)) for probes in self._searches.values()]
        first = [point for points in zip_longest(*needed) for point in points if point is not None]
        ahead = chain.from_iterable(zip(*map(self._ahead, self._searches.values()), strict=False))
        likely = chain.from_iterable(islice(ahead, 64))
        others = dict.fromkeys(point.key for point in first)
        unique = {point.key: point for point in likely if point.key not in others and point.key not in self.outcomes}
        return [*first, *islice(unique.values(), max(0, room - len(first)))] if first else []

    def took(self, outcome: Outcome) -> None:
        assert outcome.key not in self.outcomes, "each outcome is taken once"
        self.outcomes[outcome.key] = outcome

    def brackets(self) -> Sequence[str]:
        found = {name: self._bracket(probes) for name, probes in self._searches.items()}
        return [f"{name}: {low} to {high}" for name, (low, high) in found.items() if high - low > 1]

    def plan(self) -> Plan:
        wasted = len(self.outcomes.keys() - self._needed())
        return Plan((), runs=len(self.outcomes), wasted=wasted, is_done=self.is_done)

    def answers(self) -> dict[str, int]:
        """The index of the last probe that carries, -1 where none does."""
        return {name: self._bracket(probes)[0] for name, probes in self._searches.items()}

    def _bracket(self, probes: Sequence[Probe]) -> tuple[int, int]:
        """The last probe that is known to carry, and the first that does not; the next one to try is between them."""
        low, high = -1, len(probes)
        while high - low > 1:
            middle = (low + high) // 2
            outcomes = [self.outcomes.get(point.key) for point in probes[middle]]
            if None in outcomes:
                break
            low, high = (middle, high) if all(self._carries(o) for o in outcomes if o) else (low, middle)
        return low, high

    def _missing(self, probes: Sequence[Probe], low: int, high: int) -> list[Point]:
        if high - low < 2:
            return []
        return [point for point in probes[(low + high) // 2] if point.key not in self.outcomes]

    def _ahead(self, probes: Sequence[Probe]) -> Iterator[Probe]:
        """The probes that may be needed, the soonest first."""
        brackets = [self._bracket(probes)]
        for low, high in brackets:
            if high - low > 1:
                middle = (low + high) // 2
                yield probes[middle]
                brackets += [(low, middle), (middle, high)]

    def _needed(self) -> set[str]:
        keys: set[str] = set()
        for probes in self._searches.values():
            low, high = -1, len(probes)
            while high - low > 1 and all(point.key in self.outcomes for point in probes[(low + high) // 2]):
                middle = (low + high) // 2
                keys.update(point.key for point in probes[middle])
                carries = all(self._carries(self.outcomes[point.key]) for point in probes[middle])
                low, high = (middle, high) if carries else (low, middle)
        return keys


class Silent:
    """A `Writer` that notes the keys that it is given."""

    def __init__(self) -> None:
        self.submitted: list[str] = []
        self.keys: list[str] = []

    def start(self) -> None:
        """Nothing to open."""

    def submit(self, outcome: Outcome) -> None:
        self.submitted.append(outcome.key)

    def submit_key(self, key: str) -> None:
        self.keys.append(key)


class Kept:
    """A `Keeping` of a journal, that notes the plans."""

    def __init__(self, journal: Journal, info: SweepInfo) -> None:
        self.keep_points = journal.growing(info, same_experiment).write
        self.plans: list[Plan] = []

    def keep_found(self, plan: Plan) -> None:
        self.plans.append(plan)


class Recording(SerialLauncher):
    """Writes the key of each point that it has run to a file."""

    def __init__(self, file: Path) -> None:
        super().__init__(project_root())
        self._file = file

    def outcomes(self, backlog: Backlog, interrupts: Interrupts) -> Generator[Outcome, None, None]:
        for outcome in super().outcomes(backlog, interrupts):
            with self._file.open("a") as file:
                file.write(outcome.key + "\n")
            yield outcome


def info_of(text: str) -> SweepInfo:
    return SweepInfo("planned", "", "planned-0", text, 0, "python -m sweep planned.yaml")


def plan_with(
    planner: Bisections,
    journal: Journal,
    text: str,
    launcher: Launcher,
    *,
    writer: Writer | None = None,
    screen: Console | None = None,
    max_failures: int | None = None,
    retry_failed: bool = False,
    interrupts: Interrupts | None = None,
) -> EndedSweep:
    """Run a planned sweep of the experiment `text` with an entered journal."""
    view = partial(ProgressView, screen or Console(quiet=True))
    earlier = EarlierOutcomes(journal, retry_failed=retry_failed)
    with interrupts or Interrupts() as handling:
        sweeping = Sweeping(launcher, journal, writer or Silent(), handling, max_failures)
        return run_planned(sweeping, planner, earlier.read, view, Kept(journal, info_of(text)))


class Killed(Bisections):
    """Ends the process by SIGKILL when it is given an outcome too many."""

    most = sys.maxsize

    def took(self, outcome: Outcome) -> None:
        super().took(outcome)
        if len(self.outcomes) > self.most:
            os.kill(os.getpid(), signal.SIGKILL)


def _main(experiment: str, results: str, most: str = str(sys.maxsize)) -> None:
    text, folder = Path(experiment).read_text(), Path(results)
    points = expand(parse_experiment(text, "x.yaml"), [], project_root())
    planner = Killed({"one": [[point] for point in points]}, rate_below(6))
    planner.most = int(most)
    with Journal(folder / "planned") as journal:
        ended = plan_with(planner, journal, text, Recording(folder / "runs"))
    print(planner.answers(), ended.reused, ended.missing)


if __name__ == "__main__":
    _main(*sys.argv[1:])
