from __future__ import annotations

from pathlib import Path

import pytest

from sim_core.errors import SpecError
from sweep.experiment.file import parse_experiment, read_experiment
from sync.results.slo_file import Slo, slo_of_text


def error_of(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        parse_experiment(text, "x.yaml")
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_an_experiment_keeps_the_order_of_systems_and_axes() -> None:
    experiment = parse_experiment("name: a\naxes: {z: 1, y: '2, 3'}\nsystems: {b: {}, a: }", "x.yaml")
    assert [system.name for system in experiment.systems] == ["b", "a"]
    assert list(experiment.axes.items()) == [("z", (1,)), ("y", (2, 3))]


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("range(5, 40, 5)", (5, 10, 15, 20, 25, 30, 35)),
        ("range(3)", (0, 1, 2)),
        ("range(0.5, 1.6, 0.5)", (0.5, 1.0, 1.5)),
        ("1, 2.5, three", (1, 2.5, "three")),
        ("choice(a, b)", ("a", "b")),
        ("[7, eight]", (7, "eight")),
        ("9", (9,)),
        ("conv", ("conv",)),
        ("\"'a b', c\"", ("a b", "c")),
        ("true, null", (True, None)),
    ],
)
def test_an_axis_is_a_yaml_list_or_hydras_sweep_grammar(written: str, values: tuple[object, ...]) -> None:
    experiment = parse_experiment(f"name: a\naxes:\n  x: {written}\nsystems: {{s: }}", "x.yaml")
    assert experiment.axes["x"] == values


@pytest.mark.parametrize("written", ["range(5, 5)", "[]"])
def test_an_axis_without_values_is_refused(written: str) -> None:
    message = error_of(f"name: a\naxes:\n  x: {written}\nsystems: {{s: }}")
    assert message.startswith("x.yaml: axes.x=")
    assert "empty grid" in message


def test_interval_is_refused_and_range_offered() -> None:
    message = error_of("name: a\nsystems:\n  s:\n    axes:\n      x: interval(1, 5)")
    assert message.startswith("x.yaml: systems.s.axes.x='interval(1, 5)'")
    assert "range(start, stop, step)" in message


def test_glob_is_refused() -> None:
    assert "only lists" in error_of("name: a\naxes:\n  x: glob(*)\nsystems: {s: }")


def test_a_slip_in_the_sweep_grammar_is_one_line() -> None:
    assert "axes.x='range(1'" in error_of("name: a\naxes:\n  x: range(1\nsystems: {s: }")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nsystem: {s: }", "x.yaml: system: unknown key; did you mean 'systems'?"),
        ("name: a\nsystems: {s: {cluster: half_half}}", "axes); a run's settings go below overrides:"),
        ("name: a\nstart_state: baseline", "systems); a run's settings go below overrides:"),
        ("name: a\nsystems: {s: {seed: 1}}", "systems.s.seed: unknown key; did you mean to put seed below overrides:?"),
        ("name: a\nsystems: {s: {trace.dir: x}}", "did you mean to put trace.dir below overrides:?"),
        ("name: a\nsystems: {s: {x.y: 1}}", "axes); a run's settings go below overrides:"),
        ("name: a\nsystems: {s: {axis: {}}}", "x.yaml: systems.s.axis: unknown key; did you mean 'axes'?"),
        ("systems: {s: }", "x.yaml: name: missing"),
        ("name: a", "x.yaml: systems: missing"),
        ("name: a/../b\nsystems: {s: }", "x.yaml: name='a/../b': a name has letters"),
        ("name: a\nsystems: {s/t: }", "x.yaml: systems='s/t': a name has letters"),
        ("name: a\nsystems: [s]", "x.yaml: systems=['s']: expected"),
        ("name: a\nname: b\nsystems: {s: }", "x.yaml, line 2: not YAML: found duplicate key name"),
        ("name: [a", "not YAML"),
        ("- a", "x.yaml: the file=['a']: expected"),
        ("just text", "x.yaml"),
        ("", "x.yaml: name: missing"),
        ("name: a\nvariables: {a-b: 1}\nsystems: {s: }", "x.yaml: variables.a-b: a variable's name"),
        ("name: a\ndescription: [1]\nsystems: {s: }", "x.yaml: description=[1]: expected a text"),
    ],
)
def test_a_slip_in_the_file_is_one_line_that_names_the_place(text: str, said: str) -> None:
    assert said in error_of(text)


def test_a_missing_file_is_an_error_that_names_a_near_one(tmp_path: Path) -> None:
    (tmp_path / "quickstart.yaml").write_text("name: a")
    with pytest.raises(SpecError, match=r"no such experiment file; did you mean 'quickstart\.yaml'"):
        read_experiment(tmp_path / "quickstrat.yaml")


def test_a_number_is_a_good_name() -> None:
    assert parse_experiment("name: 2024\nsystems: {7: }", "x.yaml").name == "2024"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: größe\nsystems: {s: }", "letters of the English alphabet"),
        ("name: a\nsystems: {größe: }", "letters of the English alphabet"),
        ("name: 1.5\nsystems: {s: }", "name=1.5: a name is a text: write it in quotes"),
        ("name: true\nsystems: {s: }", "write it in quotes"),
        ("name: a\naxes: {rate: }\nsystems: {s: }", "x.yaml: axes.rate: has no values"),
        ("name: a\naxes: {rate: ''}\nsystems: {s: }", "x.yaml: axes.rate: has no values"),
        ("name: a\naxes: {rate: 'range(1,10,0)'}\nsystems: {s: }", "axes.rate='range(1,10,0)': the step of a range"),
        ("name: a\naxes: {rate: 'range(1.5,10,0)'}\nsystems: {s: }", "the step of a range must not be 0"),
        ("name: a\naxes: {rate: 'range(0,1e12)'}\nsystems: {s: }", "an axis of 1000000000000 values, more than"),
        ("name: a\naxes: {rate: 'range(0,1,1e-9)'}\nsystems: {s: }", "more than 200000"),
        ("name: a\naxes: {rate: 'range(0,inf)'}\nsystems: {s: }", "from a number to a number"),
    ],
)
def test_names_and_axes_that_cannot_be_say_what_would_be_good(text: str, said: str) -> None:
    assert said in error_of(text)


# -- limits from a file ------------------------------------------------------------------------------------------------

LIMITS = Slo(slowdown={"ttft": {"p50": 4.0}}, seconds={"e2e": {"p99": 30.0}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    below = tmp_path / "mine"
    (below / "slo").mkdir(parents=True)
    for path in (below / "slo" / "lax.yaml", tmp_path / "outside.yaml"):
        path.write_text("slowdown: {ttft: {p50: 4}}\nseconds: {e2e: {p99: 30}}\n")
    (below / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    return below


@pytest.mark.parametrize(
    "written",
    [
        "name: a\nslo: slo/lax.yaml  # ours\nsystems: {s: }\n",
        "slo: 'slo/lax.yaml'\nname: a\nsystems: {s: }",
        '{name: a, "slo": slo/lax.yaml, systems: {s: }}',
        "name: a\ndescription: >\n  slo: of\n  two\nslo:\n  slo/lax.yaml\nsystems: {s: }",
    ],
)
def test_limits_can_be_a_file_below_the_experiments_folder_and_its_text_then_has_them(
    folder: Path, written: str
) -> None:
    (folder / "a.yaml").write_text(written)
    experiment = read_experiment(folder / "a.yaml")
    assert experiment.slo == LIMITS
    assert slo_of_text(experiment.text, "kept") == LIMITS
    assert parse_experiment(experiment.text, "kept").slo == LIMITS
    assert experiment.description in ("", "slo: of two")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../outside.yaml", "leads out of"),
        ("link.yaml", "leads out of"),
        ("/etc/hostname", "leads out of"),
        ("slo/lxa.yaml", "did you mean 'slo/lax.yaml'"),
        ("slo", "no such file of limits"),
    ],
)
def test_a_file_of_limits_that_is_not_there_or_leads_out_is_refused(folder: Path, name: str, reason: str) -> None:
    (folder / "a.yaml").write_text(f"name: a\nslo: {name}\nsystems: {{s: }}")
    with pytest.raises(SpecError, match=reason):
        read_experiment(folder / "a.yaml")


def test_a_mistake_in_a_file_of_limits_names_that_file(folder: Path) -> None:
    (folder / "slo" / "lax.yaml").write_text("slowdown: {ttft: {p5: 4}}")
    (folder / "a.yaml").write_text("name: a\nslo: slo/lax.yaml\nsystems: {s: }")
    with pytest.raises(SpecError, match=r"lax.yaml: slowdown.ttft.p5: unknown key"):
        read_experiment(folder / "a.yaml")


@pytest.mark.parametrize("written", ["slo: >-\n  slo/lax.yaml\n", "variables: {x: &f slo/lax.yaml}\nslo: *f\n"])
def test_a_name_that_cannot_be_replaced_by_the_limits_is_refused(folder: Path, written: str) -> None:
    (folder / "a.yaml").write_text(f"name: a\n{written}systems: {{s: }}")
    with pytest.raises(SpecError, match=r"a.yaml: slo=.*plainly"):
        read_experiment(folder / "a.yaml")
