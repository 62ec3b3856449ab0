from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_core.errors import SpecError
from sweep.experiment.grammar import override_values, parse_override, references, substitute, to_override

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3), max_leaves=5)


@given(values)
def test_a_value_survives_being_written_as_an_override(value: Any) -> None:
    assert override_values(parse_override(to_override("key", value)), "key") == (value,)


@pytest.mark.parametrize(
    ("value", "worked_out"),
    [
        ("${h}", 5),
        ("${name}", "conv"),
        ("rr_${name}_${h}_2min", "rr_conv_5_2min"),
        ("${eval:'int(4.76 * (40 - ${h}) // 2.21)'}", 75),
        ("${eval:'(86 - ${h})'}", 81),
        ("n${eval:'${h} + 1'}", "n6"),
        (["${h}", "x"], [5, "x"]),
        ({"a": "${h}"}, {"a": 5}),
        ("${seed}", "${seed}"),
        ("${cluster.servers.0.count}", "${cluster.servers.0.count}"),
        ("${eval:'${h} + ${seed}'}", "${eval:'5 + ${seed}'}"),
        (7, 7),
    ],
)
def test_variables_and_arithmetic_are_worked_out_and_the_rest_is_left(value: Any, worked_out: Any) -> None:
    found = substitute(value, {"h": 5, "name": "conv"}, "key")
    assert found == worked_out
    assert type(found) is type(worked_out)


@pytest.mark.parametrize("text", ["__import__('os')", "1 / 0", "h + 1", "'a' * 3"])
def test_arithmetic_that_is_none_is_one_line(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        substitute('${eval:"' + text + '"}', {}, "cluster.servers.0.count")
    assert str(caught.value).startswith("cluster.servers.0.count=")
    assert "\n" not in str(caught.value)


def test_references_are_found_inside_arithmetic_and_lists() -> None:
    value = ["${a}", {"k": "${eval:'${b} + ${c.d}'}"}, "${oc.env:HOME}"]
    assert list(references(value)) == ["a", "b", "c", "oc"]


def test_a_deletion_is_written_without_a_value() -> None:
    assert to_override("~trace", None) == "~trace"
