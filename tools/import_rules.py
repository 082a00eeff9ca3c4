"""Import contracts that import-linter does not bring along.

They read the same graph as its own contracts, so an import inside a function or
under `if TYPE_CHECKING` counts like any other. `pyproject.toml` names them under
`contract_types`; `make check` runs them together with the floors.
"""

from collections.abc import Iterator
from typing import NamedTuple, cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.application import contract_utils

__all__ = ["FacesContract", "NoDetourContract"]


class _Breach(NamedTuple):
    importer: str
    imported: str


class _ImportRule(Contract):
    """A rule that judges one import at a time."""

    mend = ""
    ignore_imports = fields.SetField(subfield=fields.ImportExpressionField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        removed = contract_utils.remove_ignored_imports_and_report(
            graph=graph,
            ignore_imports=self.ignore_imports,  # pyright: ignore[reportArgumentType]: a parsed field
            unmatched_alerting=contract_utils.AlertLevel.ERROR,
        )
        breaches = [
            (breach, sorted(d["line_number"] for d in graph.get_import_details(**breach._asdict())))
            for breach in sorted(self.breaches(graph))
        ]
        return ContractCheck(
            kept=not breaches,
            warnings=list(removed.warnings),
            ignored_import_count=removed.ignored_import_count,
            metadata={"breaches": breaches},
        )

    def breaches(self, graph: ImportGraph) -> Iterator[_Breach]:
        raise NotImplementedError

    def render_broken_contract(self, check: ContractCheck) -> None:
        for breach, lines in cast("list[tuple[_Breach, list[int]]]", check.metadata["breaches"]):
            where = ", ".join(map(str, lines))
            output.print_error(f"- {breach.importer} -> {breach.imported} (l.{where})", bold=False)
        output.new_line()
        output.print_error(self.mend, bold=False)
        output.new_line()


class FacesContract(_ImportRule):
    """Code outside a package imports from the package's face, never from its modules."""

    type_name = "faces"
    mend = "Import from the package itself, and add the name to its `__all__` if it is missing."
    packages_of = fields.StringField()

    def breaches(self, graph: ImportGraph) -> Iterator[_Breach]:
        for package in graph.find_children(str(self.packages_of)):
            for module in graph.find_descendants(package):
                for importer in graph.find_modules_that_directly_import(module):
                    if importer != package and not importer.startswith(f"{package}."):
                        yield _Breach(importer, module)


class NoDetourContract(_ImportRule):
    """A module never imports a package that it lies in: its face imports the module already."""

    type_name = "no_detour"
    mend = "Import the module that defines the name: this way round is a cycle."
    roots = fields.SetField(subfield=fields.StringField())

    def breaches(self, graph: ImportGraph) -> Iterator[_Breach]:
        for root in cast("set[str]", self.roots):
            for module in graph.find_descendants(root):
                for imported in graph.find_modules_directly_imported_by(module):
                    if module.startswith(f"{imported}."):
                        yield _Breach(module, imported)
