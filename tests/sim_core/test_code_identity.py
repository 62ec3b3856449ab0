"""Which changes of the simulator's code change which keys. The changes are made to a copy of its files.

Changes are looked for in the keys of SplitwiseSim's schedulers, of which it is known which modules they use.
"""

from __future__ import annotations

import ast
import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sim_core
from sim_core import Code, code_text
from sim_core.scheduling import SCHEDULERS
from sim_core.scheduling.jsq import JoinShortestQueue
from tests.sim_core import worlds

PACKAGE = Path(sim_core.__file__).parent
SPECS = {policy: worlds.spec(policy) for policy in worlds.SPLITWISESIMS}
OTHER_PYTHONS = ["/usr/bin/python3", *map(str, Path.home().glob(".pyenv/versions/*/bin/python"))]
PRINT_PARTS = "import json; from sim_core import Code; print(json.dumps(dict(Code().all_parts())))"

EVERY = set(SPECS)
OVERLAP = {"overlap_kv_jsq", "overlap_kv_token_jsq"}
JSQ = {"jsq", "kv_jsq"} | OVERLAP  # scheduling/overlap.py imports it, for one of its two classes
SPLIT = set(filter(worlds.splits, SPECS))

# A copy differs in few files: the others need not be parsed for each test again.
parsed_once = functools.cache(code_text.module_text)


def digests(code: Code) -> dict[str, str]:
    return {policy: code.digest_for(spec) for policy, spec in SPECS.items()}


class Copy:
    """A copy of the package's files, and the policies whose runs get another digest by what is changed in it."""

    def __init__(self, folder: Path, before: dict[str, str]) -> None:
        self.folder, self.before = folder, before
        shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))

    def replace(self, name: str, old: str, new: str) -> None:
        path = self.folder / name
        text = path.read_text()
        assert text.count(old) >= 1, f"{name} has no {old!r}"
        path.write_text(text.replace(old, new, 1))

    def append(self, name: str, statement: str) -> None:
        path = self.folder / name
        path.write_text(f"{path.read_text()}\n{statement}\n")

    def changed(self) -> set[str]:
        now = digests(Code(self.folder))
        return {policy for policy in SPECS if now[policy] != self.before[policy]}


@pytest.fixture(scope="module")
def unchanged() -> dict[str, str]:
    return digests(Code())


@pytest.fixture
def copy(tmp_path: Path, unchanged: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Copy:
    monkeypatch.setattr(code_text, "module_text", parsed_once)
    return Copy(tmp_path / "sim_core", unchanged)


def test_where_the_package_is_does_not_matter(copy: Copy) -> None:
    assert copy.changed() == set()


def test_runs_of_two_policies_differ_in_their_code() -> None:
    code = Code()
    digests_of_all = {code.digest_for(worlds.spec(policy)) for policy in SCHEDULERS}
    assert len(digests_of_all) == len(SCHEDULERS)


class Mended(ast.NodeTransformer):
    """Replaces words that decide nothing: docstrings (added where there were none) and the texts of errors."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            start = int(ast.get_docstring(node) is not None)
            node.body[:start] = [ast.Expr(ast.Constant("Said better."))]
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc.args = [ast.Constant("plainer") if isinstance(a, ast.JoinedStr) else a for a in node.exc.args]
        return node


def test_comments_layout_docstrings_and_texts_of_errors_change_no_key(copy: Copy) -> None:
    for path in copy.folder.rglob("*.py"):
        tree = Mended().visit(ast.parse(path.read_bytes()))
        path.write_text(f"# mended\n{ast.unparse(ast.fix_missing_locations(tree))}\n")
    assert "Said better." in (copy.folder / "engine.py").read_text()
    assert "plainer" in (copy.folder / "start_state" / "splitwise.py").read_text()
    assert copy.changed() == set()


OUTSIDE = ("__init__", "code_identity", "code_text", "config", "errors", "observer", "section", "table", "version")
TABLES = [f"{family}/__init__" for family in ("batching", "network", "performance", "scheduling", "start_state")]
TABLES.append("replicas")


@pytest.mark.parametrize("name", [*OUTSIDE, *TABLES])
def test_code_that_decides_no_result_changes_no_key(copy: Copy, name: str) -> None:
    copy.append(f"{name}.py", "ADDED = 1")
    assert copy.changed() == set()


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("scheduling/jsq", JSQ),
        ("scheduling/overlap", OVERLAP),
        ("scheduling/ranking", EVERY),
        ("scheduling/base", EVERY),
        ("scheduling/random", {"random"}),
        ("start_state/uniform", EVERY - SPLIT),
        ("start_state/splitwise", SPLIT),
        ("performance/constant", EVERY),
        ("batching/splitwise", EVERY),
        ("batching/orca", set()),
        ("batching/vllm_scheduler", set()),
        ("kv/paged", set()),
        ("engine_replica", set()),
        ("replica", EVERY),
        ("network/base", EVERY),
        ("network/private", EVERY),
        ("network/ports", set()),
        ("network/shared", set()),
        ("batching/long_queue", EVERY),
        ("engine", EVERY),
        ("results", EVERY),
        ("spec", EVERY),
        ("trace", EVERY),
        ("memory", EVERY),
        ("options", EVERY),
    ],
)
def test_a_change_of_code_changes_the_keys_of_the_runs_that_use_it(copy: Copy, name: str, whose: set[str]) -> None:
    copy.append(f"{name}.py", "ADDED = 1")
    assert copy.changed() == whose


@pytest.mark.parametrize("batching", ["DEFAULT", "ORCA"])
def test_another_batching_policy_changes_no_key_of_runs_without_it(copy: Copy, batching: str) -> None:
    spec = worlds.spec("jsq", batching=batching)
    before = Code(copy.folder).digest_for(spec)
    copy.append("batching/splitwise.py", "ADDED = 1")
    assert Code(copy.folder).digest_for(spec) == before
    assert copy.changed() == EVERY  # these use it


def test_an_added_policy_changes_no_key(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = "from sim_core.scheduling.jsq import JoinShortestQueue\n\nclass Mine(JoinShortestQueue):\n    depth = 2\n"
    (copy.folder / "scheduling" / "mine.py").write_text(mine)
    copy.replace("scheduling/__init__.py", "    jsq=", '    mine="mine.Mine",\n    jsq=')
    assert copy.changed() == set()

    Mine = type("Mine", (JoinShortestQueue,), {"__module__": "sim_core.scheduling.mine"})
    monkeypatch.setitem(SCHEDULERS, "mine", Mine)
    code = Code(copy.folder)
    parts = code.parts_for(worlds.spec("mine"))
    assert parts["sim_core.scheduling.SCHEDULERS[mine]"] == "sim_core.scheduling.mine.Mine"
    assert {"sim_core.scheduling.mine", "sim_core.scheduling.jsq", "sim_core.scheduling.ranking"} <= parts.keys()
    assert code.digest_for(worlds.spec("mine")) not in copy.before.values()


def test_the_file_of_a_policy_from_elsewhere_is_part_of_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    class Elsewhere(JoinShortestQueue):
        pass

    monkeypatch.setitem(SCHEDULERS, "elsewhere", Elsewhere)
    parts = Code().parts_for(worlds.spec("elsewhere"))
    assert {__name__, "sim_core.scheduling.jsq"} <= parts.keys()


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
        added = f"\n\ndef step() -> int:\n    {statement}\n    return {used}\n"
        (copy.folder / "scheduling" / "jsq.py").write_text((PACKAGE / "scheduling" / "jsq.py").read_text() + added)
        copy.before = digests(Code(copy.folder))
        (copy.folder / "scheduling" / "helper.py").write_text("STEP = 2\n")
        assert copy.changed() == JSQ, statement
        (copy.folder / "scheduling" / "helper.py").write_text("STEP = 1\n")


def test_what_only_the_words_of_errors_need_decides_nothing() -> None:
    parts = Code().all_parts()
    assert not {f"sim_core.{name}" for name in OUTSIDE} & parts.keys()
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
