"""Names in experiment files: the text as it is written is the name, or one line says to quote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim_core.errors import SpecError
from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment, same_experiment
from sweep.experiment.point import Point, project_root
from sweep.experiment.written import read_text

NAMES = ["123", "2024_05_10", "2024-05-10", "1e3", "0x10", "007", "1_000", "1.50", "true", "null", "on"]
HEADER = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trace of each name, no two of them alike."""
    folder = tmp_path_factory.mktemp("traces")
    for place, name in enumerate([*NAMES, "test"]):
        (folder / f"{name}.csv").write_text(f"{HEADER}0,2,0,1,1,{10 + place},5\n")
    return folder


def points(traces: Path, text: str, *extra: str) -> list[Point]:
    head = f"name: x\noverrides: {{performance_model: db, start_state: baseline, trace.dir: {traces}}}\n"
    return expand(parse_experiment(head + text, "x.yaml"), extra, project_root())


def error_of(traces: Path, text: str, *extra: str) -> str:
    with pytest.raises(SpecError) as caught:
        points(traces, text, *extra)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_axis_of_traces_has_the_names_as_they_are_written(traces: Path) -> None:
    made = points(traces, f"axes:\n  trace.filename: [{', '.join(NAMES)}]\nsystems: {{s: }}")
    assert [point.trace.filename for point in made] == NAMES
    assert [point.axes["trace.filename"] for point in made] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_system_s_trace_is_called_what_is_written_and_its_overrides_say_so_again(traces: Path, name: str) -> None:
    (point,) = points(traces, f"systems:\n  s: {{overrides: {{trace.filename: {name}}}}}")
    assert point.trace.filename == name
    (again,) = points(traces, "systems: {s: }", *[text for text in point.overrides if text.startswith("trace.f")])
    assert again.key == point.key


@pytest.mark.parametrize("written", ["2024_05_10, 1e3, null", '"2024_05_10, 1e3, null"'])
def test_a_text_in_the_sweep_grammar_has_the_names_too(traces: Path, written: str) -> None:
    made = points(traces, f"axes:\n  trace.filename: {written}\nsystems: {{s: }}")
    assert [point.trace.filename for point in made] == ["2024_05_10", "1e3", "null"]


@pytest.mark.parametrize("name", NAMES)
def test_a_trace_on_the_command_line_is_called_what_is_written(traces: Path, name: str) -> None:
    assert points(traces, "systems: {s: }", f"trace.filename={name}")[0].trace.filename == name
    two = points(traces, "systems: {s: }", f"trace.filename={name},test")
    assert [point.trace.filename for point in two] == [name, "test"]


def test_keys_are_names_as_they_are_written() -> None:
    experiment = parse_experiment("name: 2024_05_10\nsystems: {2024_05_10: , 1e3: , 007: , true: }", "x.yaml")
    assert experiment.name == "2024_05_10"
    assert [system.name for system in experiment.systems] == ["2024_05_10", "1e3", "007", "true"]


def test_a_description_may_look_like_a_number() -> None:
    assert parse_experiment("name: a\ndescription: 2024_05\nsystems: {s: {description: 1e3}}", "x").description == (
        "2024_05"
    )


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ("variables: {day: '2024_05_10'}", "2024_05_10"),
        ("axes: {day: '2024_05_10'}", "2024_05_10"),
        ("axes: {day: ['1e3']}", "1e3"),
        ("variables: {day: 123}", "123"),
        ("variables: {day: 1.50}", "1.50"),
        ("variables: {day: 'on'}", "on"),
        ("variables: {d: '1_000', day: '${d}'}", "1_000"),
    ],
)
def test_a_variable_puts_its_text_into_a_name(traces: Path, variables: str, name: str) -> None:
    made = points(traces, f"{variables}\nsystems: {{s: {{overrides: {{trace.filename: '${{day}}'}}}}}}")
    assert [point.trace.filename for point in made] == [name]


@pytest.mark.parametrize("use", ["${day}", "x_${day}"])
@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ("variables: {day: 2024_05_10}", "day is written 2024_05_10 and read as the number 20240510"),
        ("axes: {day: [007]}", "day is written 007 and read as the number 7"),
        ("axes: {day: '1e3, 2e3'}", "day is written 1e3 and read as the number 1000:"),
        ("variables: {day: true}", "day is read as true"),
        ("variables: {day: null}", "day is read as no value"),
        ("variables: {day: [1]}", "day is read as [1]"),
    ],
)
def test_a_variable_that_is_not_known_as_it_is_written_is_to_be_quoted(
    traces: Path, variables: str, said: str, use: str
) -> None:
    message = error_of(traces, f"{variables}\nsystems: {{s: {{overrides: {{trace.filename: '{use}'}}}}}}")
    assert said in message
    assert "trace.filename='${day}'" in message
    assert "in quotes" in message


def test_a_variable_of_an_unusual_spelling_counts_as_its_number(traces: Path) -> None:
    (point,) = points(
        traces,
        "variables: {n: 1_0}\nsystems: {s: {overrides: {trace.filename: 'on', cluster.servers.0.count: '${n}', "
        "seed: \"${eval:'${n} + 1'}\"}}}",
    )
    assert (point.machines, point.trace.seed) == ({"dgx-a100": 10}, 11)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nsystems: {? [x] : }", "cannot be read: a name is a text"),
        ("name: a\nsystems: {s: }\n7: 1\n7: 2", "line 4: not YAML: found duplicate key 7"),
        ("name: a\nsystems: {s: }\nvariables: {x: !!set {a, b}}", "line 3: cannot be read: a value of the kind 'set'"),
        ("name: a\nsystems: {s: }\nvariables: {x: !!timestamp 2024-05-10}", "a value of the kind 'timestamp'"),
        ("name: a\nvariables: &v {x: *v}\nsystems: {s: }", "more than 50 levels"),
        (f"name: a\nvariables: {{x: {'[' * 200}{']' * 200}}}\nsystems: {{s: }}", "more than 50 levels"),
        (f"name: a\nvariables: {{x: {'[' * 5000}{']' * 5000}}}\nsystems: {{s: }}", "more than 50 levels"),
        ("name: a\nvariables: {x: '${'}\nsystems: {s: }", "line 2: cannot be read"),
        ("name: \x01\nsystems: {s: }", "not YAML"),
        ("name: a\n---\nname: b", "not YAML"),
    ],
)
def test_a_text_that_cannot_be_read_is_one_line(text: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_experiment(text, "x.yaml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("x.yaml")
    assert str(caught.value).isprintable()


def test_aliases_of_aliases_are_not_multiplied_out() -> None:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    with pytest.raises(
        SpecError, match=r"234,567,901,246 values, each reference .* at most 100,000 .--allow values=NUMBER"
    ):
        read_text(f"a0: &a0 [1]\n{levels}", "x.yaml")


def test_a_number_that_no_float_can_hold_is_a_text() -> None:
    read = read_text(f"a: {'9' * 400}\nb: 0x{'f' * 390}\nc: 0b_", "x.yaml")
    assert read.values == read.written


def test_merged_mappings_are_as_yaml_has_them() -> None:
    read = read_text("base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}", "x.yaml")
    assert read.values["mine"] == {"x": 1, "y": 3}


def test_names_that_are_written_otherwise_make_another_experiment() -> None:
    head = "name: a\nsystems: {s: {overrides: {trace.filename: "
    assert same_experiment(head + "2024_05_10}}}", head + "2024_05_10}}}")
    assert not same_experiment(head + "2024_05_10}}}", head + "20240510}}}")
