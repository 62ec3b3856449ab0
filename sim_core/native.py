"""What the compiler of `sim_core` needs to be told of a class, and the interpreter does not. Never compiled.
`native.pyi` beside this file tells the compiler that the decorator is its own.

Compiled classes have abstract methods, but no ABC as a base: mypyc gives all subclasses of one the same cache, so that
`issubclass` and `isinstance` of uncompiled code would be wrong after the first question.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def mypyc_attr(**_attributes: bool) -> Callable[[T], T]:
    """Leave the class as it is. Compiled, `allow_interpreted_subclasses` lets classes of uncompiled files inherit from
    it, such as observers and a user's own policies."""
    return lambda decorated: decorated
