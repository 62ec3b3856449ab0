"""A kind of contract that import-linter does not have."""

from __future__ import annotations

import sys

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class StandardLibraryOnly(Contract):
    """The packages import themselves and the standard library, whatever else may be installed."""

    packages = fields.SetField(subfield=fields.StringField())
    except_modules = fields.SetField(subfield=fields.StringField(), required=False, default=frozenset())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Kept when no module of the packages, those excepted, imports anything else directly."""
        packages: set[str] = set(vars(self)["packages"])  # the fields' values, which replace the fields
        excepted: set[str] = set(vars(self)["except_modules"])
        allowed = sys.stdlib_module_names | packages
        others = sorted(
            f"{module} imports {imported}"
            for module in graph.modules
            if module.partition(".")[0] in packages and module not in excepted
            for imported in graph.find_modules_directly_imported_by(module)
            if imported.partition(".")[0] not in allowed or imported in excepted
        )
        return ContractCheck(kept=not others, metadata={"others": others})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print what was imported, and where."""
        for line in check.metadata["others"]:
            output.print_error(f"- {line}")
