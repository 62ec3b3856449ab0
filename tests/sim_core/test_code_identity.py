"""Which changes of the simulator's code change which keys. The changes are made to a copy of its files."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sim_core
from sim_core import Code
from sim_core.scheduling import SCHEDULERS
from sim_core.scheduling.jsq import JoinShortestQueue
from tests.sim_core import worlds

PACKAGE = Path(sim_core.__file__).parent
SPECS = {policy: worlds.spec(policy) for policy in SCHEDULERS}
OTHER_PYTHONS = ["/usr/bin/python3", *map(str, Path.home().glob(".pyenv/versions/*/bin/python"))]
PRINT_PARTS = "import json; from sim_core import Code; print(json.dumps(dict(Code().all_parts())))"

EVERY = set(SCHEDULERS)
OVERLAP = {"overlap_kv_jsq", "overlap_kv_token_jsq"}
JSQ = {"jsq", "kv_jsq"} | OVERLAP  # scheduling/overlap.py imports it, for one of its two classes
RANKED = JSQ | {"token_jsq", "kv_token_jsq", "mixed_pool"}
SPLIT = {policy for policy in SCHEDULERS if policy == "mixed_pool" or "kv" in policy}


def digests(code: Code) -> dict[str, str]:
    return {policy: code.digest_for(spec) for policy, spec in SPECS.items()}


class Copy:
    """A copy of the package's files, and which policies' runs get another digest by what is changed in it."""

    def __init__(self, folder: Path, before: dict[str, str]) -> None:
        self.folder, self.before = folder, before
        shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))

    def replace(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert text.count(old) >= 1, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new, 1))

    def changed(self) -> set[str]:
        now = digests(Code(self.folder))
        return {policy for policy in SPECS if now[policy] != self.before[policy]}


@pytest.fixture(scope="module")
def unchanged() -> dict[str, str]:
    return digests(Code())


@pytest.fixture
def copy(tmp_path: Path, unchanged: dict[str, str]) -> Copy:
    return Copy(tmp_path / "sim_core", unchanged)


def test_where_the_package_is_does_not_matter(copy: Copy) -> None:
    assert copy.changed() == set()


@pytest.mark.parametrize("policy", sorted(SCHEDULERS))
def test_runs_of_two_policies_differ_in_their_code(policy: str) -> None:
    code = Code()
    assert [other for other in SPECS if code.digest_for(SPECS[other]) == code.digest_for(SPECS[policy])] == [policy]


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("engine.py", '"""', '"""Said better. '),  # a module's docstring
        ("scheduling/jsq.py", '"""How many requests', '"""The number of requests that'),  # a class's
        ("memory.py", "# the smallest request: one token in, one out", "# one token in, one out"),
        ("memory.py", "if memory.capacity_tokens", "\n    # a comment more\n\n    if memory.capacity_tokens"),
        ("memory.py", "does not fit: its weights take", "is too large: it takes"),  # the text of an error
        ("memory.py", 'key="start_state",', 'key="start_state.instance",'),
        ("memory.py", "import CapacityError", "import CapacityError, nearest"),
        ("memory.py", "def capacity_tokens(self) -> int:", "def capacity_tokens(self) -> 'int':"),
        ("memory.py", "from dataclasses", "from typing import TYPE_CHECKING\nfrom dataclasses"),
        ("batching/base.py", "if TYPE_CHECKING:", "if TYPE_CHECKING:\n    from sim_core import leftovers"),
        ("simulation.py", "BATCHING, Instance", "BATCHING"),  # which only an annotation uses
        ("report.py", "return", "return 'x' or"),
        ("output.py", "return", "return 'x' or"),
        ("errors.py", "cutoff=0.5", "cutoff=0.7"),
        ("version.py", '__version__ = "', '__version__ = "9.'),
        ("config.py", "MOST_MACHINES = 100_000", "MOST_MACHINES = 200_000"),  # the spec that it makes is hashed
        ("perfetto/tracks.py", "return", "return None or"),
        ("observer.py", "return", "return None or"),
        ("__init__.py", '"Code",', '"Code", "Other",'),
        ("scheduling/__init__.py", '"kv_jsq": KvJ', '"another_name": KvJoinShortestQueue, "kv_jsq": KvJ'),
    ],
)
def test_a_change_that_decides_no_result_changes_no_key(copy: Copy, file: str, old: str, new: str) -> None:
    copy.replace(file, old, new)
    assert copy.changed() == set()


@pytest.mark.parametrize(
    ("file", "old", "new", "whose"),
    [
        ("scheduling/jsq.py", "self.counts[index] += 1", "self.counts[index] += 2", JSQ),
        ("scheduling/overlap.py", "= 10.0", "= 9.0", OVERLAP),
        ("scheduling/ranking.py", "return", "return 0 or", RANKED),
        ("scheduling/base.py", "bandwidth_factor = 1.0", "bandwidth_factor = 2.0", EVERY),
        ("scheduling/random.py", "self.stream.random()", "self.stream.random() / 2", {"random"}),
        ("start_state/uniform.py", "machine.processors,", "machine.processors[:1],", EVERY - SPLIT),
        ("start_state/splitwise.py", "machines[: state.prompt_machines]", "machines[:]", SPLIT),
        ("performance/constant.py", "prompt_s, token_s = spec", "token_s, prompt_s = spec", EVERY),
        ("batching/waits_queue.py", "return", "return 0 or", EVERY),
        ("batching/long_queue.py", "LONG", "SHORT", EVERY),
        ("engine.py", "heap[:] = arrivals", "heap[:] = arrivals[:1]", EVERY),
        ("results.py", "result.completed / span_s", "1.0 / span_s", EVERY),
        ("spec.py", "return 2 * width", "return 3 * width", EVERY),
        ("memory.py", "raise CapacityError(", "raise ValueError(", EVERY),  # who catches it may differ
    ],
)
def test_a_change_that_may_decide_results_changes_the_keys_of_the_runs_that_use_it(
    copy: Copy, file: str, old: str, new: str, whose: set[str]
) -> None:
    copy.replace(file, old, new)
    assert copy.changed() == whose


@pytest.mark.parametrize("batching", ["DEFAULT", "ORCA"])
def test_another_batching_policy_changes_no_key_of_runs_without_it(copy: Copy, batching: str) -> None:
    spec = worlds.spec("jsq", batching=batching)
    before = Code(copy.folder).digest_for(spec)
    copy.replace("batching/splitwise.py", "refill", "fill_again")
    assert Code(copy.folder).digest_for(spec) == before
    assert copy.changed() == EVERY  # these use it


def test_an_added_policy_changes_no_key(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = "from sim_core.scheduling.jsq import JoinShortestQueue\n\nclass Mine(JoinShortestQueue):\n    depth = 2\n"
    (copy.folder / "scheduling" / "mine.py").write_text(mine)
    copy.replace("scheduling/__init__.py", "SCHEDULERS:", "from sim_core.scheduling.mine import Mine\n\nSCHEDULERS:")
    copy.replace("scheduling/__init__.py", '    "jsq":', '    "mine": Mine,\n    "jsq":')
    assert copy.changed() == set()

    Mine = type("Mine", (JoinShortestQueue,), {"__module__": "sim_core.scheduling.mine"})
    monkeypatch.setitem(SCHEDULERS, "mine", Mine)
    code = Code(copy.folder)
    parts = code.parts_for(worlds.spec("mine"))
    assert parts["sim_core.scheduling.SCHEDULERS[mine]"] == "sim_core.scheduling.mine.Mine"
    assert {"sim_core.scheduling.mine", "sim_core.scheduling.jsq", "sim_core.scheduling.ranking"} <= parts.keys()
    assert code.digest_for(worlds.spec("mine")) not in copy.before.values()


def test_another_class_under_the_name_of_a_policy_changes_its_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Code().digest_for(SPECS["kv_jsq"])
    monkeypatch.setitem(SCHEDULERS, "kv_jsq", JoinShortestQueue)  # of the same module
    assert Code().digest_for(SPECS["kv_jsq"]) != before


def test_a_helper_that_a_policy_imports_belongs_to_it_however_it_is_imported(copy: Copy) -> None:
    (copy.folder / "scheduling" / "helper.py").write_text("STEP = 1\n")
    (copy.folder / "scheduling" / "passing.py").write_text("from .helper import STEP\n\n__all__ = ['STEP']\n")
    (copy.folder / "kit").mkdir()
    (copy.folder / "kit" / "__init__.py").write_text("from sim_core.scheduling.passing import STEP as STRIDE\n")
    for statement, used in [
        ("from sim_core.scheduling.helper import STEP", "STEP"),
        ("from sim_core.scheduling import helper", "helper.STEP"),
        ("from . import helper", "helper.STEP"),
        ("from .helper import STEP", "STEP"),
        ("import sim_core.scheduling.helper", "sim_core.scheduling.helper.STEP"),
        ("import sim_core.scheduling.helper as tool", "tool.STEP"),
        ("from sim_core.scheduling.passing import STEP", "STEP"),
        ("from sim_core.kit import STRIDE", "STRIDE"),
    ]:
        plain, helped = "self.counts[index] += 1", f"{statement}\n        self.counts[index] += {used}"
        copy.replace("scheduling/jsq.py", plain, helped)
        copy.before = digests(Code(copy.folder))
        copy.replace("scheduling/helper.py", "STEP = 1", "STEP = 2")
        assert copy.changed() == JSQ, statement
        copy.replace("scheduling/helper.py", "STEP = 2", "STEP = 1")
        copy.replace("scheduling/jsq.py", helped, plain)


def test_what_only_the_words_of_errors_need_decides_nothing() -> None:
    parts = Code().all_parts()
    beside = ("errors", "config", "section", "report", "output", "perfetto", "debug", "leftovers", "version")
    assert [name for name in parts if name.removeprefix("sim_core.").startswith(beside)] == []
    assert [name for name in parts if name.endswith("__init__")] == []
    assert {"sim_core.engine", "sim_core.results", "sim_core.spec", "sim_core.trace", "sim_core.memory"} <= parts.keys()


def test_the_parts_of_a_run_are_among_those_of_all_runs() -> None:
    code = Code()
    assert all(code.parts_for(spec).items() <= code.all_parts().items() for spec in SPECS.values())


def test_the_digest_is_the_same_in_every_python_under_every_hash_seed() -> None:
    wanted = dict(Code().all_parts())
    pythons = [python for python in [sys.executable, *OTHER_PYTHONS] if supported(python)]
    for seed, python in [*((str(number), sys.executable) for number in (1, 2, 77)), *(("0", p) for p in pythons)]:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(PACKAGE.parent)}
        printed = subprocess.run(
            [python, "-c", PRINT_PARTS], env=environment, capture_output=True, text=True, check=True
        ).stdout
        assert json.loads(printed) == wanted, (python, seed)


def supported(python: str) -> bool:
    question = "import sys; print(sys.version_info >= (3, 11))"
    try:
        done = subprocess.run([python, "-c", question], capture_output=True, text=True)
    except OSError:
        return False
    return done.stdout.strip() == "True"


def test_the_ends_of_lines_and_the_optimisation_of_python_do_not_matter(copy: Copy) -> None:
    for path in copy.folder.rglob("*.py"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert copy.changed() == set()
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    printed = subprocess.run(
        [sys.executable, "-OO", "-c", PRINT_PARTS], env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert json.loads(printed) == dict(Code().all_parts())


def test_a_start_reads_each_file_once_however_many_runs_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    parse = ast.parse

    def counted(source: bytes) -> ast.Module:
        parsed.append(source)
        return parse(source)

    monkeypatch.setattr(ast, "parse", counted)
    code = Code()
    for spec in [*SPECS.values(), *SPECS.values()]:
        code.digest_for(spec)
    assert parsed
    assert len(parsed) == len(set(parsed))


def test_importing_the_simulator_does_not_load_the_parser() -> None:
    program = "import sys, sim_core; print('sim_core.code_text' in sys.modules)"
    printed = subprocess.check_output([sys.executable, "-c", program], cwd=PACKAGE.parent, text=True)
    assert printed == "False\n"
