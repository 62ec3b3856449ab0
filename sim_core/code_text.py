"""The text of a module as far as it decides results: its syntax tree in a canonical form.

The text leaves out what decides no figure: positions, comments, docstrings, annotations (but those of a class body,
where they make the fields of a dataclass), `pass`, statements under `if TYPE_CHECKING`, the message of an assertion,
the texts of a raised error, calls of `warnings.warn`, functions decorated with `reads_configuration` (the spec that
they make is part of the key), and imports of names that the rest does not use. The form is the same in all versions of
Python: it leaves out empty fields, such as those that a later version adds, and writes text in ASCII.

`sim_core.code_identity` imports this module when it is first asked for a key: nothing else needs `ast`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

_NO_PART = frozenset({"ctx", "kind", "type_comment", "returns", "msg"})  # fields; `msg` is an assertion's


@dataclass(frozen=True, slots=True)
class Imported:
    """A name that an import statement takes from `module`; `name` is None for the module itself, "*" for all names."""

    module: str
    name: str | None


@dataclass(frozen=True, slots=True)
class ModuleText:
    """The deciding text of a module. `imports` has the imports that its code uses or its annotations name; `binds` has
    all imports, by the name that each is bound to."""

    text: str
    imports: tuple[Imported, ...]
    binds: dict[str, Imported]


def module_text(source: bytes, module: str, *, is_package: bool) -> ModuleText:
    """The text of the module called `module`, whose file holds `source`."""
    tree = ast.parse(source)
    writer = _Writer(module if is_package else module.rpartition(".")[0])
    for statement in tree.body:
        writer.visit(statement)
        if isinstance(statement, ast.Assign) and _is_called(statement.targets[0], "__all__"):
            writer.used.update(part.value for part in ast.walk(statement) if isinstance(part, ast.Constant))
    pieces: list[str] = []
    imports: dict[Imported, None] = {}
    binds: dict[str, Imported] = {}
    for part in writer.parts:
        if isinstance(part, str):
            pieces.append(part)
            continue
        name, imported = part
        binds[name] = imported
        if name in writer.used or imported.name == "*":
            pieces.append(f"Import({imported.module} {imported.name or ''} {name})")
        if name in writer.used or name in writer.named or imported.name == "*":
            imports[imported] = None
    return ModuleText("".join(pieces), tuple(imports), binds)


class _Writer(ast.NodeVisitor):
    """Writes a tree into `parts`. An import is kept as a pair of the name that it binds and what it imports, since only
    the whole module shows whether code uses that name (`used`) or an annotation names it (`named`)."""

    def __init__(self, package: str) -> None:
        self.parts: list[str | tuple[str, Imported]] = []
        self.used: set[object] = set()  # only asked for members, never iterated over
        self.named: set[str] = set()
        self._package = package
        self._in_class = False

    def generic_visit(self, node: ast.AST) -> None:
        self.parts.append(f"{type(node).__name__}(")
        for name in node._fields:
            value = getattr(node, name, None)
            if value is not None and value != [] and name not in _NO_PART:
                self.parts.append(f"{name}=")
                self._write(value)
        self.parts.append(")")

    def _write(self, value: object) -> None:
        if isinstance(value, ast.AST):
            self.visit(value)
        elif isinstance(value, list):
            self.parts.append("[")
            for item in value:
                self._write(item)
            self.parts.append("]")
        else:
            self.parts.append(f"{value!a},")

    def visit_Constant(self, node: ast.Constant) -> None:
        self.parts.append(f"Constant({node.value!a})")

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        # Versions of Python differ in where they divide the text between two values, and in empty pieces of it.
        joined: list[ast.expr] = []
        for value in node.values:
            last = joined[-1] if joined else None
            if isinstance(value, ast.Constant) and isinstance(last, ast.Constant):
                joined[-1] = ast.Constant(str(last.value) + str(value.value))
            elif not (isinstance(value, ast.Constant) and value.value == ""):
                joined.append(value)
        self.parts.append("JoinedStr")
        self._write(joined)

    def visit_Name(self, node: ast.Name) -> None:
        self.used.add(node.id)
        self.parts.append(f"Name({node.id!a})")

    def visit_Expr(self, node: ast.Expr) -> None:
        # left out: docstrings, `...` and warnings
        if not isinstance(node.value, ast.Constant) and not _is_warning(node.value):
            self.generic_visit(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        """Decides nothing."""

    def visit_If(self, node: ast.If) -> None:
        if not _is_called(node.test, "TYPE_CHECKING"):
            self.generic_visit(node)
            return
        for statement in node.orelse:
            self.visit(statement)

    def visit_Raise(self, node: ast.Raise) -> None:
        error = node.exc
        if not isinstance(error, ast.Call):
            self.generic_visit(node)
            return
        # An error is caught by its class, which is part of the text. The module that defines the class decides nothing,
        # unless code outside of raise statements uses the class too.
        used_before = self.used
        self.used = set()
        self.parts.append("Raise(")
        self.visit(error.func)
        self.used = used_before
        self._write([value for value in error.args if not _is_text(value)])
        self._write([keyword for keyword in error.keywords if not _is_text(keyword.value)])
        if node.cause is not None:
            self.visit(node.cause)
        self.parts.append(")")

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._inside(node, in_class=True)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if not any(_is_called(decorator, "reads_configuration") for decorator in node.decorator_list):
            self._annotation(node.returns)
            self._inside(node, in_class=False)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._annotation(node.returns)
        self._inside(node, in_class=False)

    def _inside(self, node: ast.AST, *, in_class: bool) -> None:
        before, self._in_class = self._in_class, in_class
        self.generic_visit(node)
        self._in_class = before

    def visit_arg(self, node: ast.arg) -> None:
        self._annotation(node.annotation)
        self.parts.append(f"arg({node.arg!a})")

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if self._in_class:
            self.generic_visit(node)
            return
        self._annotation(node.annotation)
        if node.value is not None:
            self.visit(ast.Assign(targets=[node.target], value=node.value))
        else:
            self.parts.append("Declared(")
            self.visit(node.target)
            self.parts.append(")")

    def _annotation(self, annotation: ast.expr | None) -> None:
        if annotation is not None:
            self.named.update(part.id for part in ast.walk(annotation) if isinstance(part, ast.Name))

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            bound = alias.asname or alias.name.partition(".")[0]
            self.parts.append((bound, Imported(alias.name, None)))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level:  # from .base import ...: one dot is the package itself, each further dot one above
            above = self._package.split(".")[: -(node.level - 1) or None]
            module = ".".join(filter(None, [*above, module]))
        for alias in node.names:
            self.parts.append((alias.asname or alias.name, Imported(module, alias.name)))


def _is_called(value: ast.expr, name: str) -> bool:
    """Whether `value` is that name, or an attribute of that name, such as `typing.TYPE_CHECKING`."""
    return getattr(value, "id", None) == name or getattr(value, "attr", None) == name


def _is_text(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp):
        return _is_text(value.left) or _is_text(value.right)
    return isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str))


def _is_warning(node: ast.expr) -> bool:
    call = node.func if isinstance(node, ast.Call) else None
    return isinstance(call, ast.Attribute) and call.attr == "warn" and _is_called(call.value, "warnings")
