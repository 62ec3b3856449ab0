"""What of a module's source decides results, in small."""

from __future__ import annotations

import pytest

from sim_core.code_text import Imported, ModuleText, module_text


def read(source: str) -> ModuleText:
    return module_text(source.encode(), "sim_core.family.policy", is_package=False)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1", "x = 1  # a comment"),
        ("f(a, b)", "f(\n    a,\n    b,\n)"),
        ("x = 'a'", 'x = "a"'),
        ("def f():\n    return 1", "def f():\n    'What it does.'\n    return 1"),
        ("class A:\n    x = 1", "class A:\n    x = 1\n    'What x is.'"),
        ("class A:\n    'It is empty.'", "class A:\n    pass"),
        ("def f(): ...", "def f():\n    pass"),
        ("def f(a, *b): return a", "def f(a: int, *b: str) -> float: return a"),
        ("x = 1", "x: int = 1"),
        ("def f(self): self.x = 1", "def f(self): self.x: int = 1"),
        ("import math\nx = 1", "x = 1"),
        ("from math import ceil\nx = ceil(1)", "from math import ceil, floor\nx = ceil(1)"),
        ("x = 1", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import math\nx = 1"),
        ("x = 1", "import typing\nif typing.TYPE_CHECKING:\n    import math\nx = 1"),
        ("assert x", "assert x, f'{x} is nothing'"),
        ("raise Odd('no')", "raise Odd(f'{value} is not a number')"),
        ("raise Odd('no')", "raise Odd('no: ' + choices(name), key='a.b')"),
        ("raise Odd('no', value=1)", "raise Odd(f'{x}' 'no', key='a.b', value=1)"),
        ("raise Odd('no')", "from errors import choices\nraise Odd(f'no{choices(1)}')"),
        ("x = f'{a} and ' f'{b}'", "x = f'{a} and {b}'"),
        ("x = 1", "x = 1\n@reads_configuration\ndef read(section): return section.number('a')"),
        ("x = 1", "from a import b\nx = 1\n@reads_configuration\ndef read(c: b): return b"),
    ],
)
def test_what_decides_nothing_leaves_the_text_as_it_is(before: str, after: str) -> None:
    assert read(before).text == read(after).text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("x = None", "x = ..."),
        ("x = -1", "x = 1"),
        ("x = a < b", "x = a <= b"),
        ("x = f'{a}'", "x = f'{b}'"),
        ("x = f'{a}'", "x = f'{a!r}'"),
        ("x = f'{a:.1f}'", "x = f'{a:.2f}'"),
        ("x = {**a}", "x = {None: a}"),
        ("def f(a): return a", "def f(a=1): return a"),
        ("def f(a, *, b): return a", "def f(a, b): return a"),
        ("class A:\n    x = 1", "class A:\n    x: int = 1"),  # a field of a dataclass
        ("class A:\n    x: int = 1", "class A:\n    x: ClassVar[int] = 1"),
        ("@cache\ndef f(): return 1", "def f(): return 1"),
        ("from a import b\nx = b", "from c import b\nx = b"),
        ("from a import b\nx = b", "from a import c as b\nx = b"),
        ("if TYPE_CHECKING:\n    pass\nelse:\n    x = 1", "if TYPE_CHECKING:\n    pass\nelse:\n    x = 2"),
        ("raise Odd('no')", "raise Strange('no')"),
        ("raise Found(1)", "raise Found(2)"),  # somebody may catch it for what it carries
        ("raise Odd('no')", "return"),
        ("reason = 'full'\nreject(reason)", "reason = 'no room'\nreject(reason)"),  # a text that is a result
    ],
)
def test_what_may_decide_something_changes_the_text(before: str, after: str) -> None:
    assert read(before).text != read(after).text


@pytest.mark.parametrize(
    ("source", "imports"),
    [
        ("from .base import A\nx = A", [("sim_core.family.base", "A")]),
        ("from . import base\nx = base.A", [("sim_core.family", "base")]),
        ("from ..engine import A\nx = A", [("sim_core.engine", "A")]),
        ("from .. import engine\nx = engine", [("sim_core", "engine")]),
        ("import sim_core.engine as e\nx = e.A", [("sim_core.engine", None)]),
        ("def f():\n    from sim_core.engine import A\n    return A", [("sim_core.engine", "A")]),
        ("from a import *", [("a", "*")]),
        ("from a import A\n\n__all__ = ['A']", [("a", "A")]),
        ("from a import A\ndef f(x: A): return x", [("a", "A")]),  # it is handed in
        ("from a import A\ndef f(x) -> list[A]: return x", [("a", "A")]),
        ("from a import A", []),
        ("from a import A\nraise A('no')", []),
        ("from a import A\nraise A('no')\ntry:\n    f()\nexcept A:\n    g()", [("a", "A")]),
        ("from a import A, B\nraise A(B)", [("a", "B")]),
        ("if TYPE_CHECKING:\n    from a import A\ndef f(x: A): return x", []),
    ],
)
def test_a_module_needs_what_its_code_uses_or_is_handed(source: str, imports: list[tuple[str, str | None]]) -> None:
    assert list(read(source).imports) == [Imported(module, name) for module, name in imports]


def test_dots_count_from_the_package_itself_in_its_init() -> None:
    text = module_text(b"from .base import A\nx = A", "sim_core.family", is_package=True)
    assert text.imports == (Imported("sim_core.family.base", "A"),)
