"""Arithmetic in configuration files: `${eval:'int(4.76 * (40 - ${h100}) // 2.21)'}`. No other code is evaluated."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable

from sim_core.errors import SpecError

Number = int | float

MAX_LENGTH = 400  # characters
MAX_BITS = 1024  # of a whole number, which a float can still hold
MAX_DIGITS = 100  # decimal places to round to, or places before the point

_BINARY: dict[type[ast.operator], Callable[[Number, Number], Number]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_UNARY: dict[type[ast.unaryop], Callable[[Number], Number]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_ALLOWED = "numbers, + - * / // % **, parentheses, int, round, min and max"


def evaluate(expression: str | int | float) -> int | float:
    """The value of an arithmetic expression. Raises SpecError for any other text, and for a value that is too large."""
    text = str(expression)
    if len(text) > MAX_LENGTH:
        raise SpecError(f"eval: an expression has at most {MAX_LENGTH} characters, this one has {len(text)}")
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except _Refused as reason:
        raise SpecError(f"eval: cannot evaluate {text!r}: {reason}") from None
    except ZeroDivisionError:
        raise SpecError(f"eval: cannot evaluate {text!r}: division by zero") from None
    except OverflowError:
        raise SpecError(f"eval: cannot evaluate {text!r}: the value is too large") from None
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise SpecError(f"eval: cannot evaluate {text!r}: not an expression of {_ALLOWED}") from None


class _Refused(Exception):
    """The reason why an expression is not evaluated."""


def _value(node: ast.expr) -> Number:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return _bounded(value)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            return _UNARY[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _binary(type(op), _value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
            return _call(name, [_value(argument) for argument in arguments])
    raise _Refused(f"only {_ALLOWED} are allowed")


def _binary(op: type[ast.operator], left: Number, right: Number) -> Number:
    # Check the size of a power before computing it: it could take all memory.
    if op is ast.Pow and isinstance(left, int) and isinstance(right, int) and right > 0:
        if left not in (-1, 0, 1) and (left.bit_length() - 1) * right > MAX_BITS:
            raise OverflowError
        if left in (-1, 0, 1):
            right = right % 2 or 2
    return _bounded(_BINARY[op](left, right))


def _call(name: str, values: list[Number]) -> Number:
    match name, values:
        case "int", [value]:
            return _bounded(int(value))
        case "round", [value]:
            return _bounded(round(value))
        case "round", [value, int(digits)]:
            if abs(digits) > MAX_DIGITS:
                raise _Refused(f"round takes at most {MAX_DIGITS} places")
            return _bounded(round(value, digits))
        case "min", [_, _, *_]:
            return min(values)
        case "max", [_, _, *_]:
            return max(values)
        case (("int" | "round" | "min" | "max"), _):
            raise _Refused(f"wrong arguments for {name}")
    raise _Refused(f"only {_ALLOWED} are allowed")


def _bounded(value: object) -> Number:
    if isinstance(value, int) and value.bit_length() <= MAX_BITS:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, complex):
        raise _Refused("the value is not a real number")
    raise OverflowError
