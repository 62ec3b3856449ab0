"""The `eval` of configurations: arithmetic, exactly as Python has it, and nothing else."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.arithmetic import MAX_LENGTH, evaluate
from sim_core.errors import SpecError


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("-7 // 2", -4),
        ("-7 % 3", 2),
        ("7 / 2", 3.5),
        ("2 ** 10", 1024),
        ("2 ** -1", 0.5),
        ("-2 ** 2", -4),
        ("1 ** 1000000", 1),
        ("(-1) ** 1000001", -1),
        ("0 ** 0", 1),
        ("0 ** 1000000", 0),
        ("+3", 3),
        ("int(3.9)", 3),
        ("round(2.5)", 2),
        ("round(2.45, 1)", 2.5),
        ("round(1234, -2)", 1200),
        ("min(3, 1.5, 2)", 1.5),
        ("max(3, 1.5, 2)", 3),
        ("  40 - 5 ", 35),
        ("1e3", 1000.0),
        (40, 40),
        (2.5, 2.5),
    ],
)
def test_arithmetic_has_its_value_and_its_type(expression: str | int | float, value: float) -> None:
    result = evaluate(expression)
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize("h100", range(1, 40))
def test_iso_cost_and_iso_power_counts_are_those_of_the_formula(h100: int) -> None:
    assert evaluate(f"int(4.76 * (40 - {h100}) // 2.21)") == int(4.76 * (40 - h100) // 2.21)
    assert evaluate(f"int(44 * (40 - {h100}) // 24.8)") == int(44 * (40 - h100) // 24.8)
    assert evaluate(f"int(44 * (40 - {h100}) // 30.8)") == int(44 * (40 - h100) // 30.8)


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "open('/etc/passwd')",
        "print(1)",
        "abs(-1)",
        "sum([1, 2])",
        "pow(2, 3)",
        "eval('1')",
        "x",
        "int",
        "True",
        "None",
        "'a' * 3",
        "'1'",
        "b'1'",
        "1j",
        "...",
        "[1]",
        "(1, 2)",
        "{1}",
        "[x for x in (1,)]",
        "lambda: 1",
        "1 if 1 else 2",
        "1 < 2",
        "1 and 2",
        "not 1",
        "~1",
        "1 << 2",
        "1 | 2",
        "1 & 2",
        "1 ^ 2",
        "1 @ 2",
        "(1).real",
        "(1).__class__",
        "int.__subclasses__()",
        "f'{1}'",
        "(y := 1)",
        "1; 2",
        "1\n2",
        "x = 1",
        "",
        "1 +",
        "(1",
        "int()",
        "int('1')",
        "int(1, 2)",
        "int(x=1)",
        "round(1, ndigits=1)",
        "round(1, 2, 3)",
        "round(1.5, 0.5)",
        "min(3)",
        "max()",
        "max(*[1, 2])",
        "min(1, 2, key=int)",
        "1 / 0",
        "1 // 0",
        "1 % 0",
        "0 ** -1",
        "(-8) ** 0.5",
        "1e999",
        "1e308 * 10",
        "1e999 - 1e999",
        "int(1e999)",
        "\x00",
    ],
)
def test_anything_else_is_refused_in_one_line(expression: str) -> None:
    with pytest.raises(SpecError) as error:
        evaluate(expression)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "expression",
    [
        "9 ** 9 ** 9 ** 9",
        "2 ** 100000",
        "(2 ** 1000) ** 1000",
        "(-2) ** 99999999999",
        "10.0 ** 400",
        "10 ** 300 * 10 ** 300",
        "round(1, -10 ** 9)",
        "round(1, 10 ** 9)",
        "9" * (MAX_LENGTH + 1),
        "(" * 150 + "1" + ")" * 150,
        "(" * 199 + "1" + ")" * 199 + "*" * 5,
    ],
)
def test_what_would_take_forever_or_no_float_can_hold_is_refused(expression: str) -> None:
    try:
        value = evaluate(expression)
    except SpecError as error:
        assert "\n" not in str(error)
    else:
        assert value == 1  # parentheses alone are harmless, however Python's parser feels about so many


# Not so near to 0 that a quotient is beyond all floats on the way to a result that is not: that is refused here.
floats = st.floats(-1e3, 1e3, allow_nan=False).filter(lambda f: f == 0.0 or abs(f) > 1e-9)
numbers = st.integers(-1000, 1000).map(str) | floats.map(lambda f: f"({f!r})")
expressions = st.recursive(
    numbers,
    lambda inner: st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner).map(
        lambda t: f"({t[0]} {t[1]} {t[2]})"
    ),
    max_leaves=8,
)


@given(expressions)
def test_arithmetic_agrees_with_python(expression: str) -> None:
    try:
        expected = eval(expression, {"__builtins__": {}})  # noqa: S307 - made of numbers and operators above
    except (ZeroDivisionError, OverflowError):
        expected = math.nan
    if len(expression) > MAX_LENGTH or not math.isfinite(expected):
        with pytest.raises(SpecError):
            evaluate(expression)
    else:
        result = evaluate(expression)
        assert (result, type(result)) == (expected, type(expected))


@given(st.text(max_size=60))
def test_any_text_is_a_number_or_a_spec_error(text: str) -> None:
    with contextlib.suppress(SpecError):
        assert isinstance(evaluate(text), int | float)
