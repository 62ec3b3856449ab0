"""Plugins: files with policies of a user's own, from the file to the results, and every mistake in them in one line."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from configs.compose import CONFIG_DIR, Composer
from sim_core import Code, SimSpec, SpecError, simulate, spec_from_config
from sim_core.errors import PluginError
from sim_core.limits import allowed
from sim_core.performance import PerformanceModel, StepTimes
from sim_core.plugin_tables import FAMILIES, abstract_methods
from sim_core.plugins import check_together, loaded, plugin_of, read_plugin, read_plugins
from sim_core.policies import policies_for, policies_with
from sim_core.policies.checked import _CheckedModel, _CheckedScheduler, _CheckedTimes
from sim_core.scheduling import Scheduler
from sim_core.spec import PerformanceSpec, PluginSpec
from tests.runs import measured
from tests.sim_core import worlds

ROOT = CONFIG_DIR.parent
TRACE = worlds.trace([(row / 8, 200, 5) for row in range(40)])
# The project's own round robin, ORCA, constant times and uniform start state, in other words.
OWN = """\
from dataclasses import dataclass

from sim_core.batching.orca import OrcaBatcher
from sim_core.performance.base import PerformanceModel
from sim_core.performance.step_times import IterationTimes, TimeTable
from sim_core.scheduling.base import Placement, Scheduler
from sim_core.start_state.base import InstancePlan, StartState


@dataclass(frozen=True)
class TurnOptions:
    first: int = 0


class Turn(Scheduler):
    Options = TurnOptions

    def __init__(self, start):
        super().__init__(start)
        self.next = self.options.first

    def place(self, request, view):
        replica = view.replicas[self.next % len(view.replicas)]
        self.next += 1
        return Placement(replica, replica)


class Mine(OrcaBatcher):
    __slots__ = ()


@dataclass(frozen=True)
class FixedOptions:
    prompt: float
    token: float = 10.0


class Fixed(PerformanceModel):
    Options = FixedOptions

    def step_times(self, model, hardware, tensor_parallelism):
        prompt, token = TimeTable(lambda _: self.options.prompt), TimeTable(lambda _: self.options.token)
        return IterationTimes(prompt, token, prompt)


class Everywhere(StartState):
    @classmethod
    def plans(cls, state, machines):
        return [InstancePlan.on(machine, "", state.instance) for machine in machines]


SCHEDULERS = {"turn": Turn}
BATCHING = {"mine": Mine}
PERFORMANCE_MODELS = {"fixed": Fixed}
START_STATES = {"every_where": Everywhere}
"""
SCHEDULER = """\
from sim_core.scheduling.base import Placement, Scheduler


class Mine(Scheduler):
    def place(self, request, view):
        {body}


SCHEDULERS = {{"mine": Mine}}
"""
CHOSEN = {
    "turn": ("applications.0.scheduler=turn",),
    "mine": ("start_state.instance.instance_type=mine",),
    "fixed": ("performance_model=fixed", "performance_model.prompt=1"),
    "every_where": ("start_state=every_where",),
}
OTHER_CODE = "class Turn(Scheduler):\n    unused = 1\n"


def plugin(text: str = OWN) -> PluginSpec:
    return plugin_of(text, "mine.py")


@cache
def composer(text: str) -> Composer:
    return Composer(plugins=[plugin(text)])


def spec_of(*overrides: str, text: str = OWN) -> SimSpec:
    plugins = [plugin(text)]
    config = composer(text).resolved(["cluster=half_half", "cluster.servers.1.count=2", *overrides])
    return spec_from_config(config, ROOT, plugins=plugins)


CODE = Code()


def key_of(spec: SimSpec) -> tuple[str, str]:
    return spec.digest(), CODE.digest_for(spec)


def place_with(body: str) -> SimSpec:
    return spec_of("applications.0.scheduler=mine", text=SCHEDULER.format(body=body))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str, name: str = "mine.py") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", CHOSEN)
def test_a_policy_of_a_plugin_gives_the_results_of_the_same_code_in_the_project(name: str) -> None:
    own, theirs = spec_of(), spec_of(*CHOSEN[name])
    if name == "every_where":
        theirs = replace(theirs, start_states=(replace(theirs.start_states[0], instance=own.start_states[0].instance),))
    results = measured(own, TRACE), measured(theirs, TRACE)
    assert [plugin.file for plugin in theirs.plugins] == ["mine.py"]
    assert own.plugins == ()
    for column in results[0].requests:
        assert list(map(repr, results[0].requests[column])) == list(map(repr, results[1].requests[column])), column
    assert results[0].summary == results[1].summary


def test_all_policies_of_a_plugin_work_together_with_their_options_and_in_another_process_from_the_spec_alone() -> None:
    spec = spec_of(
        *("start_state=mine", "start_state.state_type=every_where", "~start_state.fill_machine"),
        *("applications.0.scheduler=turn", "orchestrator_repo.schedulers.turn.first=1"),
        *("performance_model=fixed", "performance_model.prompt=0.5", "performance_model.token=0.25"),
    )
    assert spec.performance.options == (("prompt", 0.5), ("token", 0.25))
    copied = pickle.loads(pickle.dumps(spec))
    assert copied == spec
    loaded.cache_clear()  # as a process that has never seen it
    result = simulate(copied, TRACE)
    assert result.requests["prompt_instance"][0] == 1
    assert set(result.requests["prompt_instance"]) == {0, 1, 2}
    first_s = result.requests["prompt_end_s"][0] - result.requests["prompt_start_s"][0]
    assert first_s == 0.5


def test_a_batching_policy_has_a_start_state_of_its_name() -> None:
    spec = spec_of("start_state=mine", "start_state.instance.max_batch_size=7")
    assert [(kind.policy, kind.max_batch_size) for kind in spec.start_states[0].kinds] == [("mine", 7)]


def test_the_code_of_a_plugin_is_part_of_the_key_of_runs_that_use_it_and_of_no_other() -> None:
    changed = OWN.replace("self.next += 1", "self.next += 2")
    commented = '"""Words."""\n' + OWN.replace("self.next += 1", "self.next += 1  # the next one")
    turn = ("applications.0.scheduler=turn",)
    assert key_of(spec_of(*turn)) != key_of(spec_of(*turn, text=changed))
    assert key_of(spec_of(*turn)) == key_of(spec_of(*turn, text=commented))
    assert spec_of(*turn).plugins == spec_of(*turn, text=commented).plugins
    assert key_of(spec_of()) == key_of(spec_of(text=changed))
    plain = spec_from_config(Composer().resolved(["cluster=half_half", "cluster.servers.1.count=2"]), ROOT)
    assert key_of(spec_of()) == key_of(plain)
    assert '"plugins"' not in plain.canonical()


def test_where_the_file_of_a_plugin_is_and_what_it_is_called_changes_no_key(tmp_path: Path) -> None:
    specs = []
    for name in ("one/mine.py", "another folder/mine.py", "one/other.name.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(OWN)
        plugins = [read_plugin(path)]
        config = Composer(plugins=plugins).resolved(["applications.0.scheduler=turn", "start_state=mine"])
        specs.append(spec_from_config(config, ROOT, plugins=plugins))
    assert [spec.plugins[0].file for spec in specs] == ["mine.py", "mine.py", "other.name.py"]
    assert len({key_of(spec) for spec in specs}) == len({Code().digest_for(spec) for spec in specs}) == 1


def test_the_modules_that_a_plugin_imports_are_part_of_its_key() -> None:
    parts = CODE.parts_for(spec_of("start_state=mine"))
    assert "sim_core.batching.orca" in parts
    assert "sim_core.batching.splitwise" not in parts
    text = (
        SCHEDULER.format(body="return None") + "\nfrom sim_core.scheduling import SCHEDULERS as OTHERS\nprint(OTHERS)\n"
    )
    assert "sim_core.scheduling.overlap" in CODE.parts_for(spec_of("applications.0.scheduler=mine", text=text))


def test_versions_of_a_plugin_do_not_mix_in_a_process() -> None:
    first, second = (
        place_with(f"return Placement(view.replicas[{index}], view.replicas[{index}])") for index in (0, 1)
    )
    assert set(simulate(first, TRACE).requests["prompt_instance"]) == {0}
    assert set(simulate(second, TRACE).requests["prompt_instance"]) == {1}
    assert set(simulate(first, TRACE).requests["prompt_instance"]) == {0}
    assert policies_for(first).schedulers["mine"] is not policies_for(second).schedulers["mine"]


def test_a_file_is_named_before_its_code_runs_and_counts_once(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("print('it runs')\n" + OWN)
    plugins = read_plugins([path, path], lambda line: print(line, file=sys.stderr))
    said, ran = capsys.readouterr().err.splitlines()
    assert list(plugins) == [str(path)]
    assert said == f"runs code of {path} (sha256 {plugins[str(path)].sha256[:16]})"
    assert ran == "it runs"


BASES = "from sim_core.scheduling.base import Scheduler\n"
BODY = "    def place(self, request, view):\n        pass\n"
OPTIONS = "from dataclasses import dataclass, field\n" + BASES
MISTAKES = {  # the text of a file, the line that the error names, and a part of the error
    "empty": ("  \n", None, "is empty: name its policies in a table, such as SCHEDULERS = {'mine': Mine}"),
    "syntax": ("x = 1\nclass Mine(:\n", 2, "SyntaxError: invalid syntax"),
    "zero byte": ("x = '\0'\n", None, "null bytes"),
    "raises": ("def work():\n    return 1 / 0\n\nwork()\n", 2, "ZeroDivisionError: division by zero (raised while"),
    "exits": ("import sys\nsys.exit('no')\n", 2, "SystemExit: no"),
    "missing module": ("import nonsense_of_mine\n", 1, "ModuleNotFoundError: No module named 'nonsense_of_mine'"),
    "no table": ("class Mine:\n    pass\n", None, "it names no policy: name its policies in a table"),
    "table misspelt": (BASES + "SCHEDULER = {}\n", 2, "SCHEDULER: did you mean SCHEDULERS?"),
    "table is a list": (BASES + "\nSCHEDULERS = [Scheduler]\n", 3, "SCHEDULERS must be a mapping of names to classes"),
    "no class": (BASES + "SCHEDULERS = {'mine': 3}\n", 2, "SCHEDULERS['mine']: 3 must be a class that inherits from"),
    "other class": (
        BASES + "class Mine(Scheduler):\n" + BODY + "BATCHING = {'mine': Mine}\n",
        5,
        "BATCHING['mine']: Mine must be a class that inherits from sim_core.batching.base.Batcher",
    ),
    "no method": (
        BASES + "class Mine(Scheduler):\n    pass\nSCHEDULERS = {'mine': Mine}\n",
        2,
        "Mine lacks place, which Scheduler in sim_core/scheduling/base.py asks for",
    ),
    "no methods": (
        "from sim_core.batching.base import Batcher\nclass Mine(Batcher):\n    pass\nBATCHING = {'mine': Mine}\n",
        2,
        "Mine lacks add, add_behind, wait, wants, queue_length, has_waiting, next_step, ",
    ),
    "no plans": (
        "from sim_core.start_state import StartState\nclass Mine(StartState):\n    pass\nSTART_STATES = {'x': Mine}\n",
        2,
        "Mine lacks plans, which StartState in sim_core/start_state/base.py asks for",
    ),
    "no times": (
        "from sim_core.performance import PerformanceModel\nclass M(PerformanceModel):\n    pass\n"
        "PERFORMANCE_MODELS = {'x': M}\n",
        2,
        "M lacks step_times, which PerformanceModel in sim_core/performance/base.py asks for",
    ),
    "own name": (
        BASES + "class Mine(Scheduler):\n" + BODY + "SCHEDULERS = {'jsq': Mine}\n",
        5,
        "SCHEDULERS['jsq']: a policy of this project has the name: choose another",
    ),
    "bad name": (
        BASES + "class Mine(Scheduler):\n" + BODY + "SCHEDULERS = {'a b': Mine}\n",
        5,
        "SCHEDULERS['a b']: a name begins with a letter of the English alphabet",
    ),
    "name as a value": (
        BASES + "class Mine(Scheduler):\n" + BODY + "SCHEDULERS = {'null': Mine}\n",
        5,
        "SCHEDULERS['null']: settings read null as a value",
    ),
    "options of no dataclass": (
        BASES + "class Mine(Scheduler):\n    class Options:\n        x: int = 1\n" + BODY
        + "SCHEDULERS = {'m': Mine}\n",
        2,
        "Mine.Options must be a dataclass, decorated with @dataclass(frozen=True)",
    ),
    "options of another type": (
        OPTIONS + "@dataclass\nclass O:\n    x: list[int]\nclass Mine(Scheduler):\n    Options = O\n" + BODY
        + "SCHEDULERS = {'m': Mine}\n",
        4,
        "Mine.Options.x is a list[int]: it must be one of float, int, bool, str",
    ),
    "options with a factory": (
        OPTIONS + "@dataclass\nclass O:\n    x: int = field(default_factory=int)\nclass Mine(Scheduler):\n"
        "    Options = O\n" + BODY + "SCHEDULERS = {'m': Mine}\n",
        4,
        "Mine.Options.x: give a default as a plain value",
    ),
    "options with a wrong default": (
        OPTIONS + "@dataclass\nclass O:\n    x: int = 'two'\nclass Mine(Scheduler):\n    Options = O\n" + BODY
        + "SCHEDULERS = {'m': Mine}\n",
        4,
        "Mine.Options.x: the default 'two' is no int",
    ),
    "import of a file beside it": ("import tests.runs\n", 1, "imports tests.runs, which is neither of Python"),
    "import of another floor": ("from sweep import plan\n", 1, "imports sweep, which is neither of Python"),
    "relative import": ("from .helper import x\n", 1, "imports .helper, which is neither of Python"),
    "nested too deeply": ("x = " + "1 + " * 20_000 + "1\n", None, "its expressions are nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_plugin_is_one_line_with_the_place(mistake: str, write: Callable[..., Path]) -> None:
    text, line, message = MISTAKES[mistake]
    path = write(text)
    with pytest.raises(PluginError) as raised:
        read_plugin(path)
    place = f"{path}, line {line}: " if line else f"{path}: "
    assert str(raised.value).startswith(place), raised.value
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_a_plugin_is_refused(write: Callable[..., Path], tmp_path: Path) -> None:
    write(OWN)
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "latin.py").write_bytes(b"x = '\xe9'\n")
    for name, message in {
        "nime.py": "no such file; did you mean 'mine.py'?",
        "mine.txt": "a plugin is a Python file, whose name ends in .py",
        "-x.py": "a plugin is a Python file, whose name ends in .py and has letters, digits and . _ - alone",
        "folder.py": "it is a folder; only regular files are read",
        "latin.py": "is no text in UTF-8 (at place 5)",
    }.items():
        with pytest.raises(PluginError) as raised:
            read_plugin(tmp_path / name)
        assert str(raised.value).startswith(f"{tmp_path / name}: ")
        assert message in str(raised.value)
    with allowed([("plugin_bytes", 100)]), pytest.raises(PluginError, match=r"at most 100 \(--allow plugin_bytes="):
        read_plugin(tmp_path / "mine.py")


def test_two_plugins_may_not_have_files_or_policies_of_one_name() -> None:
    own, other = plugin_of(OWN, "mine.py"), plugin_of(SCHEDULER.format(body="pass"), "other.py")
    check_together([own, other])
    with pytest.raises(PluginError, match=r"mine\.py: two plugins have files of this name: rename one"):
        check_together([own, replace(other, file="mine.py")])
    with pytest.raises(PluginError, match=r"more\.py: BATCHING\['mine'\]: mine\.py has a policy of this name, too"):
        check_together([own, plugin_of(OWN.replace('"turn"', '"more"'), "more.py")])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (OWN.replace('"every_where"', '"mine"'), "START_STATES['mine']: there is a start_state mine of this name"),
        (OWN.replace('"mine": Mine', '"orca": Mine'), "BATCHING['orca']: there is a start_state orca of this name"),
    ],
)
def test_a_name_that_the_configuration_has_is_refused(text: str, message: str) -> None:
    with pytest.raises(PluginError) as raised:
        Composer(plugins=[plugin(text)])
    assert message in str(raised.value)


def test_an_unknown_name_is_answered_with_the_nearest_one_also_of_a_plugin() -> None:
    for override, close in {
        "applications.0.scheduler=tunr": "turn",
        "performance_model=fixd": "fixed",
        "start_state=every_were": "every_where",
        "start_state.instance.instance_type=mime": "mine",
        "orchestrator_repo.schedulers.turn.frist=1": "orchestrator_repo.schedulers.turn.first",
    }.items():
        with pytest.raises(SpecError, match=f"did you mean '{close}'"):
            spec_of(override)
    with pytest.raises(SpecError, match=r"performance_model\.prompt: is missing"):
        spec_of("performance_model=fixed")


FAILURES = {  # the body of `place`, and the error of the run
    "return 1 / 0": "mine.py, line 6: ZeroDivisionError: division by zero",
    "raise SystemExit(3)": "mine.py, line 6: SystemExit: 3",
    "pass": "mine.py, line 5: Mine.place returned None: it must return a Placement",
    "return Placement(view.replicas[0], 3)": "mine.py, line ",
    "import copy; r = copy.copy(self); return r": "mine.py, line 5: Mine.place returned <plugin_",
}


@pytest.mark.parametrize("body", FAILURES)
def test_an_error_in_a_policy_names_the_file_and_the_line(body: str) -> None:
    with pytest.raises(PluginError) as raised:
        simulate(place_with(body), TRACE)
    assert str(raised.value).startswith(FAILURES[body])


def test_a_replica_of_another_run_is_refused() -> None:
    text = SCHEDULER.format(body="KEPT.append(view.replicas[0]); return Placement(KEPT[0], KEPT[0])") + "\nKEPT = []\n"
    spec = spec_of("applications.0.scheduler=mine", text=text)
    assert simulate(spec, TRACE).completed == 40
    with pytest.raises(PluginError, match="it must return replicas of its view, which a100-80gb_0 is not"):
        simulate(spec, TRACE)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lambda _: self.options.token", "lambda _: None.x", "mine.py, line 42: AttributeError"),
        ("lambda _: self.options.token", "lambda _: -1.0", "IterationTimes.seconds returned -"),
        ("lambda _: self.options.token", "lambda _: float('nan')", "seconds returned nan: it must return seconds, a"),
        ("return IterationTimes(prompt, token, prompt)", "return 3", "Fixed.step_times returned 3: it must return"),
    ],
)
def test_times_that_cannot_be_are_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(PluginError) as raised:
        simulate(spec_of(*CHOSEN["fixed"], text=OWN.replace(old, new)), TRACE)
    assert message in str(raised.value)


def test_what_a_policy_did_wrong_without_an_error_of_its_own_is_told_as_its_own() -> None:
    text = OWN.replace("return [InstancePlan", "return 3, [InstancePlan")
    with pytest.raises(PluginError, match=r"mine.py, line \d+: Everywhere.plans returned .*: it must return a list of"):
        simulate(spec_of("start_state=every_where", text=text), TRACE)
    text = OWN.replace("class Mine(OrcaBatcher):", "class Mine(OrcaBatcher):\n    def next_step(self, refill=True):\n"
                       "        return 3\n\nclass Unused:")  # fmt: skip
    with pytest.raises(PluginError, match=r"mine\.py: a policy of it did or returned what its base class"):
        simulate(spec_of("start_state=mine", text=text), TRACE)


@pytest.mark.plain  # a compiled class does not tell its abstract methods
def test_the_methods_that_a_plugin_must_have_are_the_abstract_ones_of_its_base_class() -> None:
    for family in FAMILIES.values():
        abstract = {
            name for name, method in vars(family.base).items() if getattr(method, "__isabstractmethod__", False)
        }
        assert set(abstract_methods(family.base)) == abstract != set(), family.base


@pytest.mark.parametrize(
    ("check", "base", "same_for_all"),
    [
        (_CheckedScheduler, Scheduler, {"Options", "options", "role_of", "spec", "splits", "stream"}),
        (_CheckedModel, PerformanceModel, {"Options", "options", "read", "request_delay_s", "times_of"}),
        (_CheckedTimes, StepTimes, {"measured_to", "mostly"}),
    ],
)
def test_a_check_passes_on_all_that_a_policy_says(check: type, base: type, same_for_all: set[str]) -> None:
    public = {name for name in dir(base) if not name.startswith("_")}
    assert public - same_for_all <= vars(check).keys()


@pytest.mark.parametrize("grows", [True, False])
def test_checked_times_grow_with_context_where_those_of_the_plugin_do(grows: bool) -> None:
    text = f"""
from sim_core.performance import PerformanceModel, StepTimes

class Times(StepTimes):
    grows_with_context = {grows}
    def seconds(self, step, repeat): return 0.5 * repeat
    def steps_within(self, step, elapsed_s): return int(elapsed_s / 0.5)
    def plus(self, overhead_s): return self

class Mine(PerformanceModel):
    def step_times(self, model, hardware, tensor_parallelism): return Times()

PERFORMANCE_MODELS = {{"mine": Mine}}
"""
    policies = policies_with([plugin(text)])
    times = policies.performance(PerformanceSpec("mine")).times_of("bloom-176b", "a100-80gb", 8)
    assert times.grows_with_context is times.plus(0.0).grows_with_context is grows
    assert times.alone(100, 11) == (0.5, 0.5)
