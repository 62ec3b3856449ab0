"""What is mutated: an example of each kind of file that a stranger may send, and how it is used."""

from __future__ import annotations

import io
import json
import math
import os
import random
import re
import shutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import cache, partial
from pathlib import Path
from typing import Protocol
from unittest.mock import patch

import yaml

from configs.compose import CONFIG_DIR, Composer
from sim_core.errors import SpecError
from sim_core.performance.measurements import read_curves
from sim_core.trace import Trace
from sweep.command import main
from sweep.experiment.expand import Grid
from sweep.experiment.file import read_experiment
from sweep.experiment.plugins import with_plugins
from sweep.status import status_command
from sync.__main__ import main as sync
from sync.analysis.answers import answers, sentences, tables
from sync.load import load_sweep
from sync.results.entry import json_bytes
from sync.results.journal import Journal
from sync.results.outcome import Outcome, SweepInfo, checksum
from sync.results.slo_file import read_slo
from tests.fuzz.mutate import mutated, mutated_value
from tests.traces.examples import SAMPLES
from traces import TraceRef, load, read_file

LATEST_ARRIVAL_S = 1e12
MOST_TOKENS = 2**53
MEASURED_CSV = (CONFIG_DIR.parent / "data" / "performance_curves.csv").read_bytes()[:3000].rpartition(b"\n")[0]
CASES_A_COMMAND = 20  # of a journal's cases one in so many also goes through the commands
MOST_NAME = 10_000  # names may hold any sign that UTF-8 has: screens and pages get them escaped
EXPERIMENT = """\
name: fuzzed
description: What does a tighter target cost?
plugins: []
budget: {cost: {dgx-h100: 2}}
slo: {seconds: {ttft: {p99: 1.0}, tbt: {p99: 0.1}}, slowdown: {e2e: {p50: 1.25}}}
machines: {dgx-h200: {dollars_per_hour: 50, power_weight: 1.9}}
variables: {length: 20}
overrides:
  performance_model: db
  trace.filename: rr_${workload}_${rate}_${length}s
axes:
  workload: conv
  rate: range(1, 4, 2)
  seed: 0, 1
systems:
  baseline-h100: {design: {baseline: dgx-h100}}
  splitwise-ha:
    design: {prompt: dgx-h100, token: dgx-a100}
    axes: {prompt_machines: 1}
    overrides: {applications.0.scheduler: mixed_pool}
"""
RECIPE = """\
duration_s: 20
max_requests: 50
applications:
  - workload: conv
    arrivals: gamma:rate=2,cv=2
  - id: 1
    prompt: lognormal:mean=1024,sigma=0.8
    output: gamma:mean=200,cv=1.1
    arrivals: onoff:rate=5,on_s=10,off_s=60
    batch_size: 1
"""
SLO = """\
slowdown: {ttft: {p50: 2, p90: 3, p99: 6}, tbt: {p50: 1.25}}
seconds: {ttft: {p99: 1.0}, e2e: {p95: 20}}
"""
SWEEP = """\
name: fuzzed
overrides: {performance_model: db, trace.filename: "rr_conv_${rate}_10s", cluster: solo_h100, start_state: baseline}
axes: {rate: "1, 2"}
systems: {one: {}}
"""
STATUS = {
    "at": "2026-01-31T12:00:00+00:00",
    "elapsed_s": 5.5,
    "left_s": 60.0,
    "left": 2,
    "running": 1,
    "speed": "9 runs/min",
}
_COMMIT = re.compile(r"[0-9a-f]{7,64}")


class Believed(AssertionError):
    """A file says what cannot be, and was taken for sound."""


class Kind(Protocol):
    """One kind of file; made once with a folder to work in."""

    def use(self, rng: random.Random) -> object:
        """Mutate the file and use it as the commands do."""


class _Experiment:
    """An experiment file; all share one composer, which reads the project's own settings once."""

    def __init__(self, folder: Path) -> None:
        self._file = _Text(folder, EXPERIMENT.encode(), "fuzzed.yaml", _experiment)
        patch("sweep.experiment.builder.Composer", cache(Composer)).start()  # `inside` is equal in all cases

    def use(self, rng: random.Random) -> object:
        return self._file.use(rng)


class _Text:
    """A file that is used by its path."""

    def __init__(self, folder: Path, content: bytes, name: str, use: Callable[[Path], object]) -> None:
        self._content, self._path, self._use_file = content, folder / name, use

    def use(self, rng: random.Random) -> object:
        is_yaml = self._path.suffix == ".yaml" and rng.random() < 0.5
        self._path.write_bytes(_yaml(self._content, rng) if is_yaml else mutated(self._content, rng))
        return self._use_file(self._path)


def _yaml(content: bytes, rng: random.Random) -> bytes:
    return yaml.safe_dump(mutated_value(yaml.safe_load(content), rng), sort_keys=False).encode("utf-8", "replace")


def _experiment(path: Path) -> None:
    experiment = with_plugins(read_experiment(path), [], lambda line: None)
    for point in Grid(experiment, (), CONFIG_DIR.parent).points(2):
        _believe(all(count > 0 for count in point.machines.values()), f"machines {point.machines}")
        _believe(_is_amount(point.cost) and _is_amount(point.power), f"cost {point.cost}, power {point.power}")


def _curves(path: Path) -> None:
    for curve in read_curves(path, path.name).values():
        times = (*curve.prompt_s, *curve.token_s)
        _believe(all(0 < time_s < math.inf for time_s in times), f"times {times}")


def _trace(path: Path) -> None:
    _sound(read_file(path))


def _recipe(path: Path) -> None:
    _sound(load(TraceRef(path.stem, str(path.parent), seed=0), path.parent))


def _sound(trace: Trace) -> None:
    for row, arrival_s in enumerate(trace.arrival_s):
        _believe(math.isfinite(arrival_s) and abs(arrival_s) <= LATEST_ARRIVAL_S, f"row {row} arrives at {arrival_s} s")
    for column in (trace.prompt_tokens, trace.output_tokens):
        _believe(all(0 <= tokens < MOST_TOKENS for tokens in column), f"{max(column)} tokens")


class _Journal:
    """The journal of a sweep that ran, one of its files mutated: its bytes, or its values with digests that fit."""

    def __init__(self, folder: Path, target: str) -> None:
        self._results = folder / "results"
        experiment = folder / "fuzzed.yaml"
        experiment.write_text(SWEEP)
        status = main([str(experiment), "--local", "--sink", "none", "--results", str(self._results)])
        assert status == 0
        self._file = min(self._results.glob(f"fuzzed/{target}"))
        self._content = self._file.read_bytes()
        keys = sorted(path.stem for path in self._results.glob("fuzzed/points/*.json"))
        self._points, self._pair = len(keys), [f"fuzzed:{key}" for key in keys[:2]]

    def use(self, rng: random.Random) -> None:
        self._file.write_bytes(self._mutated(rng))
        sweep = load_sweep("fuzzed", self._results, "journal")
        for outcome in sweep.outcomes.values():
            _check(outcome)
        found = answers(list(sweep.outcomes.values()), sweep.slo)
        assert [sentences(found), [tables(workload) for workload in found.workloads]]
        assert len(sweep.runs) == len(sweep.outcomes)
        for key in sweep.outcomes:
            sweep.requests(key)
        if rng.randrange(CASES_A_COMMAND) == 0:
            self._commands()
        if len(sweep.outcomes) < self._points:
            raise SpecError("an entry was left out")

    def _commands(self) -> None:
        results, folder = ["--results", str(self._results)], self._results.parent / "exported"
        for command in (["show", "fuzzed", "--format", "json"], ["answers", "fuzzed"], ["compare", *self._pair]):
            _printed(sync, [*results, *command, "--source", "journal"])
        _printed(sync, [*results, "export", "fuzzed", "--to", str(folder), "--source", "journal"])
        shutil.rmtree(folder, ignore_errors=True)
        _printed(status_command, results)

    def _mutated(self, rng: random.Random) -> bytes:
        content = self._content
        if self._file.suffix != ".json" or rng.random() < 0.3:
            return mutated(content, rng)
        values = json.loads(content)
        if "outcome" not in values:
            return _json(mutated_value(values, rng))
        if rng.random() < 0.2:
            return _json(mutated_value(values, rng))
        values["outcome"] = mutated_value(values["outcome"], rng)
        try:
            return json_bytes({**values, "outcome_sha256": checksum(values["outcome"])})
        except (ValueError, UnicodeError):  # numbers that JSON does not have
            return _json(values)


class _Status:
    """What a sweep under way has noted last, mutated: its journal is locked, so `sweep status` shows it."""

    def __init__(self, folder: Path) -> None:
        self._results = folder / "results"
        self._journal = Journal(self._results / "fuzzed")
        self._journal.__enter__()
        info = SweepInfo("fuzzed", "", "1", "name: fuzzed", 3, "python -m sweep fuzzed.yaml")
        self._journal.write_sweep(info, ["a", "b", "c"], {}, lambda *_: True)
        self._file = self._results / "fuzzed" / "status.json"

    def use(self, rng: random.Random) -> None:
        content = json_bytes(STATUS)
        is_text = rng.random() < 0.5
        self._file.write_bytes(mutated(content, rng) if is_text else _json(mutated_value(STATUS, rng)))
        for form in ("table", "json"):
            assert "fuzzed" in _printed(status_command, ["--results", str(self._results), "--format", form])
        if not self._journal.status():
            raise SpecError("the status was left out")


def _printed(command: Callable[[list[str]], int], arguments: list[str]) -> str:
    """What a command prints; only text, and no secret of the environment."""
    output = io.StringIO()
    with redirect_stdout(output), redirect_stderr(output):
        status = command(arguments)
    text = output.getvalue()
    _believe(status in (0, 1, 2), f"exit status {status}")
    odd = {sign for sign in text.replace("\n", "") if not sign.isprintable()}
    _believe(not odd, f"{arguments[2:4]} prints {sorted(odd)}")
    _believe(os.environ.get("MY_SECRET_TOKEN", "\0") not in text, f"{arguments[2:4]} prints a secret")
    return text


def _json(value: object) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _check(outcome: Outcome) -> None:
    """Raise Believed for an outcome that no run can have."""
    for name in ("cost", "power", "watts", "cpu_s", "wall_s"):
        _believe(_is_amount(getattr(outcome, name)), f"{name} {getattr(outcome, name)!r}")
    for name in ("name", "system", "design", "workload", "key", "trace", "started_at", "version"):
        value = getattr(outcome, name)
        _believe(isinstance(value, str) and "\0" not in value and len(value) <= MOST_NAME, f"{name} {value!r:.80}")
    _believe(outcome.git_commit is None or _COMMIT.fullmatch(outcome.git_commit), f"git_commit {outcome.git_commit!r}")
    _believe(outcome.rate is None or _is_amount(outcome.rate), f"rate {outcome.rate!r}")
    counts = [*outcome.machines.values(), *(n for skus in outcome.roles.values() for n in skus.values())]
    _believe(all(type(count) is int and 0 <= count <= 10**9 for count in counts), f"machines {counts}")
    _believe(type(outcome.index) is int and outcome.index >= 0, f"index {outcome.index!r}")
    _believe(type(outcome.seed) is int, f"seed {outcome.seed!r}")
    for name, value in outcome.summary.items():
        _believe(type(value) is float, f"{name} {value!r}")
        if name.startswith("run/"):
            _believe(math.isfinite(value) and (value >= 0 or "growth" in name), f"{name} {value!r}")


def _believe(is_possible: object, what: str) -> None:
    if not is_possible:
        raise Believed(what)


def _is_amount(value: object) -> bool:
    return type(value) in (int, float) and 0 <= value < math.inf  # type: ignore[operator]


def _kinds() -> dict[str, Callable[[Path], Kind]]:
    kinds: dict[str, Callable[[Path], Kind]] = {
        "experiment": _Experiment,
        "recipe": lambda folder: _Text(folder, RECIPE.encode(), "fuzzed.yaml", _recipe),
        "slo": lambda folder: _Text(folder, SLO.encode(), "fuzzed.yaml", read_slo),
        "config csv": lambda folder: _Text(folder, MEASURED_CSV, "fuzzed.csv", _curves),
        "status": _Status,
        "journal entry": lambda folder: _Journal(folder, "points/*.json"),
        "journal table": lambda folder: _Journal(folder, "points/*.parquet"),
        "journal sweep": lambda folder: _Journal(folder, "sweep.json"),
    }
    for name, example in SAMPLES.items():
        made = partial(_Text, content=example.content, name=f"fuzzed{example.suffix}", use=_trace)
        kinds[f"trace {name}"] = made
    return kinds


KINDS = _kinds()
