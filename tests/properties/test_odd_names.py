"""Odd names and values in experiments and on command lines either work or end in an error of one line.

The tests marked as slow try hundreds of generated inputs, and compose a configuration for each.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from configs.compose import CONFIG_DIR, Composer
from configs.gpu_power import power_from_config
from sim_core.config import spec_from_config
from sim_core.errors import SimError
from sweep.command import main
from sweep.experiment.expand import Grid
from sweep.experiment.file import parse_experiment
from sync.files.perfetto.options import options_from_config
from traces import workload

ROOT = CONFIG_DIR.parent
LONGEST = 3200  # characters of a message

# As they stand in a YAML text: numbers, dates, truth values, nothing, odd texts, lists and mappings, tags, references.
WRITTEN = [
    "0", "-1", "7", "007", "08", "1_000", "2024_05_10", "20240510", "2024-05-10", "2024-05-10T12:00:00Z", "12:30:45",
    "0x10", "0b11", "0o17", "1e3", "1e400", "1.50", "-0.0", ".5", "5.", ".inf", "-.inf", ".nan", "9" * 400, "9" * 5000,
    f"0x{'f' * 300}", "true", "True", "false", "yes", "on", "Off", "n", "null", "Null", "~", "", "''", '""', "' '",
    "'true'", "'null'", "'1e3'", "'2024_05_10'", "'[1, 2]'", "'{a: 1}'", "'a, b'", "'a=b'", "'a.b'", "'a/b'", "'../x'",
    "'..'", "'.'", "'/etc'", "'-'", "'~'", "'+x'", "'@'", "'$x'", "'${'", "'${}'", "'${x}'", "'${seed}'", "'${rate}'",
    "'${trace.filename}'", "'${nope.nope}'", "\"${eval:'1/0'}\"", "\"${eval:'x'}\"", "'${oc.env:NO_SUCH}'",
    "'range(1,3)'", "'range(3,1)'", "'range(0,1,0)'", "'choice(1,2)'", "'glob(*)'", "'interval(1,2)'", "'sort(2,1)'",
    "'int(x)'", "'range(1'", "größe", "'日本語'", "'\U0001f600'", '"\\0"', '"\\x1b[31m"', '"a\\nb"', '"a\\tb"',
    '"\\ud800"', '"\\u202e"', '"\\u2028"', "x" * 300, f"'{'y z ' * 2000}'", "[]", "{}", "[1]", "[a, [b, [c]]]",
    "[null]", "[true, 1, x]", "[{a: 1}]", "{a: 1}", "{a: {b: {c: []}}}", "{1: 2}", "{null: 1}", "{? [a] : 1}",
    f"{'[' * 60}{']' * 60}", "!!str 12", "!!int x", "!!float y", "!!set {a}", "!!binary aGk=", "!!timestamp 2024-01-01",
    "!!python/object:os.system x", "&a [*a]", "*nope", "<<", "=", "|\n  two\n  lines", "'it''s'", "'\"'", "'a b'",
    "'a: b'", "'#'", "'%41'", "'\\'", "'{'", "']'", "'('", "rr_conv_1_20s", "dgx-h100", "mixed_pool", "half_half",
]  # fmt: skip
TEXT = st.text(st.characters(exclude_categories=[]), max_size=20).map(json.dumps)
NUMBERS = (st.integers() | st.floats()).map(repr)
SCALARS = st.sampled_from(WRITTEN) | TEXT | NUMBERS
# Everything that has a name or a value: by default what works.
SLOTS = {
    "name": "odd", "description": "what", "budget kind": "cost", "budget sku": "dgx-h100", "budget value": "4",
    "machine": "dgx-h200", "figure": "dollars_per_hour", "price": "50", "weight": "1.9", "unit": "seconds",
    "phase": "ttft", "percentile": "p99", "limit": "3", "key": "seed", "value": "0", "system key": "end_time",
    "system value": "500", "variable": "workload", "variable value": "conv", "second variable": "length",
    "second value": "20", "axis": "rate", "axis value": "1", "other axis": "stop_at_backlog_s", "other value": "60",
    "system": "one", "machine of prompts": "dgx-h100", "machine of decodes": "dgx-a100", "counts": "prompt_machines",
    "count": "2", "trace key": "trace.filename", "trace": "'rr_${workload}_${rate}_${length}s'",
    "folder": "traces/samples", "top key": "systems", "design key": "design",
}  # fmt: skip
EXPERIMENT = """\
name: {name}
description: {description}
budget: {{? {budget kind} : {{? {budget sku} : {budget value}}}}}
machines: {{? {machine} : {{? {figure} : {price}, power_weight: {weight}}}}}
slo: {{? {unit} : {{? {phase} : {{? {percentile} : {limit}}}}}}}
overrides:
  performance_model: db
  trace.dir: {folder}
  ? {trace key}
  : {trace}
  ? {key}
  : {value}
variables:
  ? {variable}
  : {variable value}
  ? {second variable}
  : {second value}
axes:
  ? {axis}
  : {axis value}
  ? {other axis}
  : [{other value}]
? {top key}
:
  ? {system}
  :
    ? {design key}
    : {{prompt: {machine of prompts}, token: {machine of decodes}}}
    axes: {{? {counts} : {count}}}
    overrides: {{? {system key} : {system value}}}
"""
PLAIN = """\
name: {name}
description: {description}
slo: {limit}
overrides: {{performance_model: db, start_state: baseline, trace.dir: {folder}, ? {key} : {value}}}
variables: {{? {variable} : {variable value}}}
axes: {{? {trace key} : {trace}, ? {axis} : [{axis value}, {other value}]}}
systems: {{? {system} : , two: {{overrides: {{? {system key} : {system value}}}}}}}
"""
PLAIN_SLOTS = SLOTS | {
    "trace": "rr_conv_1_20s", "limit": "null", "variable": "x_1", "variable value": "1000", "axis": "seed",
    "other value": "3", "key": "end_time", "value": "'${x_1}'", "system key": "stop_at_backlog_s",
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def composer() -> Iterator[Composer]:
    """All experiments share the configuration that is composed first: that alone takes longer than all the rest."""
    made = Composer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sweep.experiment.builder.Composer", lambda _, plugins: made)  # files may be read anywhere
        yield made


def assert_one_line(error: SimError) -> None:
    text = str(error)
    assert text.isprintable(), repr(text)
    assert 0 < len(text) < LONGEST
    assert "Traceback" not in text


def read_and_expand(text: str, *extra: str) -> None:
    try:
        Grid(parse_experiment(text, "odd.yaml", [ROOT / "configs"]), extra, ROOT).points(3)
    except SimError as error:
        assert_one_line(error)


CHANGES = st.dictionaries(st.sampled_from(sorted(SLOTS)), SCALARS, min_size=1, max_size=2)
SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)


def test_the_experiments_work_as_long_as_nothing_in_them_is_odd() -> None:
    for template, slots in ((EXPERIMENT, SLOTS), (PLAIN, PLAIN_SLOTS)):
        experiment = parse_experiment(template.format(**slots), "odd.yaml")
        assert Grid(experiment, [], ROOT).points(3)


@pytest.mark.slow
@SETTINGS
@given(CHANGES)
@example({"axis value": "9" * 400})
@example({"limit": "9" * 400})
@example({"limit": '"\\0"'})
@example({"limit": '"\\ud800"'})
@example({"key": "performance_model.db_path", "value": '"\\ud800"'})
def test_an_experiment_with_anything_for_a_name_is_one_line_or_works(changes: dict[str, str]) -> None:
    read_and_expand(EXPERIMENT.format(**SLOTS | changes))
    read_and_expand(PLAIN.format(**PLAIN_SLOTS | changes))


KEYS = [
    "seed", "end_time", "trace.filename", "trace.dir", "cluster", "cluster.servers.0.sku", "cluster.servers.0.count",
    "cluster.servers", "cluster.servers.0", "applications", "applications.0.scheduler", "applications.0.model_size",
    "start_state", "start_state.instance.max_batch_size", "start_state.instance.instance_type", "performance_model",
    "performance_model.prompt_time", "performance_model.db_path", "router.overheads.routing_delay", "tracking.sink",
    "hardware_repo.skus", "perfetto.max_requests", "power_model.idle_power", "output_dir", "debug", "rate", "x", "",
    "stop_at_backlog_s", "trace", "hydra.run.dir", "hydra", "applications.1", "applications.1.scheduler", "nan", "1",
]  # fmt: skip
RAW = [written.replace("\\0", "\0").strip("'\"") for written in WRITTEN]
OVERRIDES = st.builds(
    "{}{}={}".format, st.sampled_from(["", "", "", "+", "++", "~"]), st.sampled_from(KEYS) | st.sampled_from(RAW),
    st.sampled_from([*WRITTEN, *RAW]) | st.text(max_size=10) | NUMBERS,
)  # fmt: skip


ODD_OVERRIDES = [
    "performance_model.db_path='\ud800'", "hardware_repo.skus=" + "9" * 400, "trace.filename=\ud800",
    f"seed={'9' * 5000}", f"seed={'[' * 500}{']' * 500}", f"{'x' * 5000}=1", "~applications.0",
    "+applications.1={application_id: 1}",
]  # fmt: skip


def any_override(test: Callable[..., None]) -> Callable[..., None]:
    """Try a test with overrides of all kinds; ODD_OVERRIDES, which failed once, are always among them."""
    for odd in ODD_OVERRIDES:
        test = example(odd)(test)
    return given(OVERRIDES)(test)


@pytest.mark.slow
@SETTINGS
@any_override
def test_an_experiment_with_any_override_is_one_line_or_works(override: str) -> None:
    read_and_expand(PLAIN.format(**PLAIN_SLOTS), override)


@pytest.mark.slow
@SETTINGS
@any_override
def test_a_single_run_with_any_override_is_one_line_or_can_be_made(composer: Composer, override: str) -> None:
    prepare(composer, override)


def prepare(composer: Composer, override: str) -> None:
    """All of a single run but the simulation itself."""
    try:
        resolved: dict[str, Any] = composer.resolved(["performance_model=db", override])
        spec = spec_from_config(resolved, ROOT)
        options_from_config(resolved), power_from_config(resolved)
        ref = workload.ref_from_config(resolved, spec.seed)
        workload.identity(ref, ROOT)
    except SimError as error:
        assert_one_line(error)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "'a\\nb'"}, {"name": '"\\ud800"'}, {"trace": '"\\0"'}, {"key": '"\\x1b[31m"'}, {"value": "9" * 5000},
        {"variable": '"\\u202e"'}, {"axis value": "{a: 1}"}, {"system": "größe"},
        {"folder": "'x'", "trace": "'\U0001f600'"},
        {"trace": "[" * 60 + "]" * 60}, {"key": "''"}, {"limit": "2024_05_10"},
    ],
)  # fmt: skip
def test_the_command_answers_with_one_line_and_status_2(
    changes: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(PLAIN.format(**PLAIN_SLOTS | changes), encoding="utf-8")
    assert main([str(path), "--dry-run", "--results", str(tmp_path)]) == 2
    answer = capsys.readouterr()
    assert answer.out == ""
    lines = [line for line in answer.err.splitlines() if not line.startswith("preparing points")]
    assert len(lines) == 1
    assert lines[0].startswith("error: ")
