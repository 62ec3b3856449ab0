"""The regularised incomplete gamma functions, which Python's mathematics does not have.

P(a, x) by its power series where x < a + 1, else Q(a, x) by its continued fraction (NIST's Digital Library of
Mathematical Functions, 8.11.4 and 8.9.2), the fraction evaluated from the front by Lentz's method.
"""

from __future__ import annotations

from math import exp, lgamma, log

PRECISION = 1e-16
TINY = 1e-300
MAX_TERMS = 100_000


def lower_gamma(shape: float, x: float) -> float:
    """P(shape, x): the share of a gamma distribution of that shape and scale 1 that is at most x."""
    if x <= 0.0:
        return 0.0
    return _series(shape, x) if x < shape + 1.0 else 1.0 - _fraction(shape, x)


def upper_gamma(shape: float, x: float) -> float:
    """Q(shape, x) = 1 - P(shape, x)."""
    if x <= 0.0:
        return 1.0
    return 1.0 - _series(shape, x) if x < shape + 1.0 else _fraction(shape, x)


def _scale(shape: float, x: float) -> float:
    return exp(shape * log(x) - x - lgamma(shape))


def _series(shape: float, x: float) -> float:
    term = total = 1.0 / shape
    for n in range(1, MAX_TERMS):
        term *= x / (shape + n)
        total += term
        if term < total * PRECISION:
            break
    return min(1.0, total * _scale(shape, x))


def _fraction(shape: float, x: float) -> float:
    b = x + 1.0 - shape
    c, d = 1.0 / TINY, 1.0 / b
    value = d
    for n in range(1, MAX_TERMS):
        a = n * (shape - n)
        b += 2.0
        d = 1.0 / ((a * d + b) or TINY)
        c = (b + a / c) or TINY
        value *= c * d
        if abs(c * d - 1.0) < 2.0 * PRECISION:
            break
    return min(1.0, value * _scale(shape, x))
