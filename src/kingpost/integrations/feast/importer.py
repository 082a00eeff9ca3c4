"""A Feast repository as a Python module of declarations, and what became of each part."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kingpost.integrations.feast.declarations import Declarations, NameAllocator, module_text
from kingpost.integrations.feast.files import Repository, StoreSettings, read_repository
from kingpost.integrations.feast.model import FeastModel, FeatureView, Source
from kingpost.integrations.feast.names import Module, Names, parse_module
from kingpost.integrations.feast.reader import RepositoryReader
from kingpost.integrations.feast.report import FeastState, Item, Line, Reason, Report
from kingpost.integrations.feast.services import ServiceMapper
from kingpost.integrations.feast.views import DeclaredView, ViewMapper

__all__ = ["FeastImport", "import_feast"]

_NOTES = (
    (
        "Feast's rows have no identity. Each event here has one, `id`: give every row one that "
        "stays the same when it is sent again, such as its key and its time joined."
    ),
    (
        "Feast lets any value be missing, so a field that is looked up is `| None`. One that is "
        "aggregated cannot be: a row without it is put aside with the reason."
    ),
    (
        "Feast's created timestamp settles which of two rows of one time counts. Here a row also "
        'counts only once it was known, so a training set cannot see it before; `delay="0s"` says '
        "that nothing more is waited for."
    ),
)


@dataclass(frozen=True)
class FeastImport:
    """What a repository became.

    Attributes:
        text: The declarations, a Python module.
        items: What became of each part, in the order of files and lines.
        notes: What holds for every view.
        unused_resolutions: Those given that no aggregated column took.
    """

    text: str
    items: tuple[Item, ...]
    notes: tuple[str, ...]
    settings: StoreSettings
    files: int
    unused_resolutions: tuple[str, ...]

    def of(self, state: FeastState) -> list[Item]:
        """Return the items of one state."""
        return [item for item in self.items if item.state == state]


def import_feast(root: Path, resolutions: Mapping[str, str] | None = None) -> FeastImport:
    """Read a Feast repository into declarations; nothing of it is imported or run.

    Args:
        root: The folder with `feature_store.yaml`.
        resolutions: The last digit that counts of an aggregated column, by `column` or
            `view:column`; Feast has none, and none is guessed.

    Raises:
        NotAFeastRepository: The folder is none.
        FeastRepositoryTooLarge: It holds more than is read.
    """
    repository = read_repository(root)
    report = Report()
    modules = _modules(repository, report)
    names = Names({module.name: module for module in modules}, root.resolve().name)
    model = RepositoryReader(modules, names, report).read()
    made, allocated = Declarations(), NameAllocator()
    views = ViewMapper(model, resolutions or {}, allocated, made, report)
    for view in model.views:
        views.declare(view)
    services = ServiceMapper(views.declared, names, allocated, made, report)
    for on_demand in model.on_demand:
        services.declare_on_demand(on_demand)
    for service in model.services:
        services.declare_service(service)
    services.declare_requests(model.requests)
    _report_entities(model, views.declared, report)
    _report_sources(model, views.declared, report)
    items = tuple(sorted(report.items, key=lambda item: item.at))
    notes = _NOTES if views.declared else ()
    made.head += _head(repository, notes)
    made.left_out += [
        f"{item.at}: {item.kind} {item.name}: {reason.what}; {reason.mend}"
        for item in items
        if item.state == "not_expressed"
        for reason in item.reasons
    ]
    return FeastImport(
        module_text(made),
        items,
        notes,
        repository.settings,
        len(repository.files),
        tuple(sorted((resolutions or {}).keys() - views.used_resolutions)),
    )


def _modules(repository: Repository, report: Report) -> list[Module]:
    for path, reason in repository.passed_over:
        report.missing("file", path, Line(path, 1), reason, "read it yourself, or put it right")
    modules: list[Module] = []
    for file in repository.files:
        if not re.search(r"\S", file.text):
            continue
        try:
            modules.append(parse_module(file))
        except SyntaxError as error:
            at = Line(file.path, error.lineno or 1)
            report.missing("file", file.path, at, f"is not Python: {error.msg}", "mend the line")
        except (ValueError, RecursionError, MemoryError) as error:
            what = str(error) or type(error).__name__
            report.missing("file", file.path, Line(file.path, 1), f"cannot be read: {what}",
                           "write it plainer")  # fmt: skip
    return modules


def _report_entities(
    model: FeastModel, declared: Mapping[str, DeclaredView], report: Report
) -> None:
    for entity in model.entities:
        reading = [view for view in declared.values() if entity in view.view.entities]
        if not reading:
            report.missing(
                "entity", entity.name, entity.at, "no feature view that was expressed belongs to it",
                "nothing to do: a key is a field of the events that have it",
            )  # fmt: skip
            continue
        checks: list[Reason] = []
        said = {one.name for view in model.views for one in view.fields}
        columns = {name for source in model.sources for name in source.columns}
        unsaid = [key for key in entity.join_keys if key not in said | columns]
        if entity.kind is None and unsaid:
            checks.append(
                Reason(
                    f"nothing says what {', '.join(unsaid)} is; `str` was written",
                    "write `int` where the column holds whole numbers",
                )
            )
        report.expressed("entity", entity.name, entity.at, ", ".join(entity.join_keys), checks)


def _report_sources(
    model: FeastModel, declared: Mapping[str, DeclaredView], report: Report
) -> None:
    for source in model.sources:
        reading = [one.stream for one in declared.values() if _reads(one.view, source)]
        if reading:
            report.expressed("source", source.name or source.type, source.at, ", ".join(reading))
        else:
            report.missing(
                "source", source.name or source.type, source.at,
                "no feature view that was expressed reads it", "nothing to do",
            )  # fmt: skip


def _reads(view: FeatureView, source: Source) -> bool:
    held = view.source
    while held is not None:
        if held is source:
            return True
        held = held.batch
    return False


def _head(repository: Repository, notes: tuple[str, ...]) -> list[str]:
    settings = repository.settings
    said = [
        f"{word}: {value}"
        for word, value in (
            ("project", settings.project),
            ("offline store", settings.offline_store),
            ("online store", settings.online_store),
        )
        if value
    ]
    lines = ["Declarations read from a Feast repository by `kingpost features import-feast`."]
    return [
        *lines,
        *([", ".join(said)] if said else []),
        *(line for note in notes for line in ("", note)),
    ]
