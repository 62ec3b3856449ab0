"""What `${...}` may do while a configuration is resolved: name settings and calculate, and nothing else."""

import os

import pytest
from omegaconf import OmegaConf

from configs.compose import Composer, compose, resolve
from configs.resolvers import only_our_resolvers, resolvers_in
from sim_core.errors import SpecError


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PAT", "1234567")


@pytest.mark.parametrize(
    "text",
    [
        *("${oc.env:MY_PAT}", "${oc.decode:${oc.env:MY_PAT}}", "${oc.select:nope,${oc.env:MY_PAT}}", "${oc.env:NO,x}"),
        *(
            "${oc.create:{a:1}}",
            "${oc.dict.keys:cluster}",
            "${oc.deprecated:seed}",
            "${now:%Y}",
            "${hydra:runtime.cwd}",
        ),
        *("${python_version:}", "x ${oc.env:MY_PAT} y", "${eval:${oc.env:MY_PAT}}"),
    ],
)
def test_resolvers_that_are_not_ours_are_refused(text: str) -> None:
    cfg = compose([f"trace.path='{text}'"])
    with pytest.raises(SpecError, match=r"trace.path: \$\{[\w.]+:...\} is not read here") as error:
        resolve(cfg)
    assert "1234567" not in str(error.value)


def test_a_name_that_is_put_together_while_it_is_resolved_reaches_no_resolver_either() -> None:
    cfg = compose(["trace.path='${${trace.dir}}'", "trace.dir='oc.env:MY_PAT'"])
    with pytest.raises(SpecError):
        resolve(cfg)


def test_arithmetic_and_names_of_settings_are_resolved() -> None:
    config = Composer().resolved(["seed=3", "end_time='${eval:\"${seed} * 2\"}'", "trace.path='${trace.dir}/x'"])
    assert (config["end_time"], config["trace"]["path"]) == (6, "traces/samples/x")


def test_resolvers_that_the_person_at_the_command_line_writes_are_known_where_they_are_asked_for() -> None:
    typed = "trace.path=${oc.env:MY_PAT}"
    assert resolvers_in([typed, "${ eval :1}"]) == {"oc.env", "eval"}
    cfg = compose(["trace.path='${oc.env:MY_PAT}'"])
    assert resolve(cfg, resolvers_in([typed]))["trace"]["path"] == "1234567"


def test_all_resolvers_are_there_again_after_an_error() -> None:
    with pytest.raises(ValueError, match="stop"), only_our_resolvers():
        assert not OmegaConf.has_resolver("oc.env")
        OmegaConf.register_new_resolver("of_a_test", str)
        raise ValueError("stop")
    assert OmegaConf.create({"a": "${oc.env:MY_PAT}"}).a == os.environ["MY_PAT"]
    assert OmegaConf.clear_resolver("of_a_test")


def doubled(steps: int, form: str) -> list[str]:
    last = f"+power_model.v{steps}={'ha' if form == 'text' else '{a: 1}'}"
    parts = "'${{power_model.v{0}}}${{power_model.v{0}}}'"
    if form == "list":
        parts = "['${{power_model.v{0}}}','${{power_model.v{0}}}']"
    return [f"+power_model.v{n}=" + parts.format(n + 1) for n in range(steps)] + [last]


@pytest.mark.parametrize("form", ["text", "list"])
def test_references_that_double_a_value_again_and_again_end_in_one_line(form: str) -> None:
    with pytest.raises(SpecError, match=r"references \$\{...\} have to be followed; at most 2,000"):
        Composer().resolved(doubled(31, form))


def test_a_text_that_its_references_make_too_long_ends_in_one_line() -> None:
    overrides = [f"trace.dir='{'x' * 90_000}'", "trace.path='${trace.dir}${trace.dir}'"]
    with pytest.raises(SpecError, match=r"180,000 characters with its references \$\{...\} replaced"):
        Composer().resolved(overrides)


def test_a_circle_of_references_ends_in_one_line() -> None:
    with pytest.raises(SpecError, match="Recursive interpolation"):
        Composer().resolved(["trace.path='${trace.dir}'", "trace.dir='${trace.path}'"])


@pytest.mark.parametrize("arguments", ["", "1,2", "[1,2]", "{a:1}"])
def test_eval_takes_one_expression(arguments: str) -> None:
    with pytest.raises(SpecError, match="takes one expression in quotes"):
        Composer().resolved([f"end_time='${{eval:{arguments}}}'"])


def test_values_with_too_many_levels_end_in_one_line() -> None:
    for value in ("[" * 200 + "]" * 200, "{a:" * 200 + "1" + "}" * 200):
        with pytest.raises(SpecError) as error:
            Composer().resolved([f"cluster.servers={value}"])
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 1000
