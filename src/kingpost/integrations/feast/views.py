"""Feature views as event types, streams, look-ups and windows.

A view becomes an event type of its own: the key of the entity, the time, and a field per
feature of a kind that Kingpost has. A plain view is the latest row as of the request; an
aggregating one is windows over its rows.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from kingpost.core import duration_text, duration_us
from kingpost.integrations.feast.declarations import (
    Call,
    Declarations,
    EventType,
    FeatureGroup,
    NameAllocator,
    identifier,
    literal,
)
from kingpost.integrations.feast.model import (
    Aggregation,
    FeastModel,
    FeatureView,
    ValueKind,
)
from kingpost.integrations.feast.report import Reason, Report

__all__ = ["DeclaredView", "ViewMapper"]

_FUNCTIONS = {
    "avg": "mean",
    "approx_count_distinct": "distinct",
    "count": "count",
    "count_distinct": "distinct",
    "first": "first",
    "last": "last",
    "max": "max",
    "mean": "mean",
    "min": "min",
    "std": "std",
    "stddev": "std",
    "stddev_samp": "std",
    "sum": "sum",
    "var": "var",
    "variance": "var",
}
_AS_THEY_ARE = {"distinct", "first", "last"}
"""Aggregates that need no resolution: they compare no sums of a float."""
_LONGEST = timedelta(days=3_650_000)
_IDENTITY = "\0identity"
_NO_KIND = "store it as numbers in fields of their own, or give it to the model by another way"


@dataclass(frozen=True)
class DeclaredView:
    """A view that was declared.

    Attributes:
        stream: The variable of its stream.
        keys: Its key fields and their kinds.
        features: Feast's name of each feature -> its name here.
        groups: The variables of its look-up or windows.
        selectable: Feast's name -> field, when some features can be looked up alone.
        words: The named arguments of the look-up.
    """

    view: FeatureView
    stream: str
    keys: Mapping[str, ValueKind]
    features: Mapping[str, str]
    groups: tuple[str, ...]
    selectable: Mapping[str, str]
    words: tuple[str, ...]


@dataclass
class _Columns:
    """The fields of an event type while it is put together."""

    taken: dict[str, str] = field(default_factory=dict[str, str])
    fields: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    renamed: list[str] = field(default_factory=list[str])

    def add_identity(self, named: set[str]) -> None:
        """Add the key of the event itself, which Feast has none of."""
        name = next(name for name in ("id", "row_id", "kingpost_row_id") if name not in named)
        self.taken[_IDENTITY] = name
        self.fields.append((name, "kp.Key[str]"))

    def add(self, column: str, annotation: str, source_column: str | None = None) -> str:
        """Add a field for a column of Feast's; return its name."""
        name, number = identifier(column), 2
        while name in self.taken.values():
            name, number = f"{identifier(column)}_{number}", number + 1
        self.taken[column] = name
        self.fields.append((name, annotation))
        if (source_column or column) != name:
            self.renamed.append(f"--map {shlex.quote(f'{name}={source_column or column}')}")
        return name


class ViewMapper:
    """Turns feature views into declarations, one by one.

    Args:
        resolutions: Column, or `view:column`, -> the last digit that counts.
    """

    def __init__(
        self,
        model: FeastModel,
        resolutions: Mapping[str, str],
        names: NameAllocator,
        made: Declarations,
        report: Report,
    ) -> None:
        self._model, self._resolutions = model, resolutions
        self._names, self._made, self._report = names, made, report
        self.declared: dict[str, DeclaredView] = {}
        self.used_resolutions: set[str] = set()

    def declare(self, view: FeatureView) -> None:
        """Declare a view; what cannot be is in the report."""
        kind = _words(view.type)
        for name, at, reason in view.problems:
            self._report.missing("feature", f"{view.name}:{name}", at, *reason)
        keys = self._keys(view)
        problem = _problem_of(view, keys, self.declared)
        if problem is not None:
            self._report.missing(kind, view.name, view.at, *problem)
            for one in view.fields:
                self._report.missing(
                    "feature", f"{view.name}:{one.name}", one.at, "its view is not expressed",
                    "see its view",
                )  # fmt: skip
            return
        columns, checks = _Columns(), list(view.source.checks if view.source else ())
        aggregated = {one.column for one in view.aggregations}
        named = {one.name for one in view.fields}
        columns.add_identity(named | keys.keys() | aggregated)
        self._add_times(view, columns, checks)
        for key, key_kind in keys.items():
            columns.add(key, key_kind or "str", self._column(view, key))
        if view.aggregations:
            declared = self._aggregating(view, columns, checks, dict(keys))
        else:
            declared = self._looked_up(view, columns, checks, dict(keys))
        if declared is None:
            self._report.missing(
                kind, view.name, view.at, "none of its features could be expressed",
                "see its features",
            )  # fmt: skip
            return
        self.declared[view.name] = declared
        self._report.expressed(kind, view.name, view.at, ", ".join(declared.groups), checks)

    def _keys(self, view: FeatureView) -> dict[str, ValueKind | None]:
        """Return the join keys with their kinds: as the schema says, else as the entity."""
        said: dict[str, ValueKind | None] = {one.name: one.kind for one in view.fields}
        keys: dict[str, ValueKind | None] = {}
        for entity in view.entities:
            for key in entity.join_keys:
                keys[key] = said.get(key) or entity.kind or self._kind_elsewhere(key)
        return keys

    def _kind_elsewhere(self, key: str) -> ValueKind | None:
        """Return the kind that another schema or a source gives a key."""
        for view in self._model.views:
            if key in {name for entity in view.entities for name in entity.join_keys}:
                for one in view.fields:
                    if one.name == key and one.kind:
                        return one.kind
        for source in self._model.sources:
            if key in source.columns:
                return source.columns[key]
        return None

    def _add_times(self, view: FeatureView, columns: _Columns, checks: list[Reason]) -> None:
        mapping = view.source.mapping if view.source else {}
        timestamp = view.timestamp
        if not timestamp:
            timestamp = "event_timestamp"
            checks.append(
                Reason(
                    "no timestamp_field is said, `event_timestamp` was written",
                    "rename the field when the column has another name",
                )
            )
        columns.add(mapping.get(timestamp, timestamp), "kp.EventTime", timestamp)
        created = view.source.created if view.source else ""
        if created and created != timestamp:
            columns.add(mapping.get(created, created), "kp.KnownTime", created)

    def _column(self, view: FeatureView, name: str) -> str:
        """Return the column of the source that a field of the view comes from."""
        mapping = view.source.mapping if view.source else {}
        return next((column for column, given in mapping.items() if given == name), name)

    def _comments(self, view: FeatureView, columns: _Columns) -> tuple[str, ...]:
        source = view.source
        lines = [f"Feast {_words(view.type)} {view.name!r}, {view.at}", *view.about]
        if source is not None:
            lines.append(f"read from {source.type} {source.name}".rstrip() + f", {source.at}")
            lines += source.where
        if columns.renamed:
            lines.append(f"ingest with: {' '.join(columns.renamed)}")
        lines += [f"{one.name}: {one.description}" for one in view.fields if one.description]
        if view.transformation is not None:
            lines += [
                "Feast transforms the rows before it stores them; here they must come so:",
                *("  " + line for line in view.transformation.source.split("\n")),
            ]
        return tuple(lines)

    def _event_type(self, view: FeatureView, columns: _Columns, checks: list[Reason]) -> EventType:
        if view.transformation is not None:
            checks.append(
                Reason(
                    "its transformation runs in Feast's engine and is quoted, not applied",
                    "send rows that are transformed already, or write it as `@kp.feature`",
                )
            )
        name = self._names.take_type(view.name)
        stream = self._names.take(f"{view.name}_rows")
        made = EventType(name, self._comments(view, columns), tuple(columns.fields), stream)
        self._made.body.append(made)
        return made

    def _looked_up(
        self,
        view: FeatureView,
        columns: _Columns,
        checks: list[Reason],
        keys: dict[str, ValueKind | None],
    ) -> DeclaredView | None:
        selectable: dict[str, str] = {}
        for one in view.fields:
            if one.name in columns.taken:
                continue
            if one.kind is not None:
                added = columns.add(one.name, f"{one.kind} | None", self._column(view, one.name))
                if one.kind != "str":
                    selectable[one.name] = added
        prefix = "_".join(columns.taken[key] for key in keys)
        features = {name: f"{prefix}_{made}" for name, made in selectable.items()}
        self._report_fields(view, features, keys)
        if not selectable:
            return None
        made = self._event_type(view, columns, checks)
        ages = [] if view.ttl is None else [f"max_age={literal(_length(view.ttl))}"]
        words = (*ages, *_waiting(view))
        by = Call("by", tuple(literal(columns.taken[key]) for key in keys))
        fields = tuple(map(literal, selectable.values()))
        latest = Call("latest", (*fields, *words))
        variable = self._names.take(view.name, f"{view.name}_latest")
        self._made.body.append(FeatureGroup(variable, (Call(made.stream), by, latest)))
        return DeclaredView(
            view, made.stream, _plain(columns, keys), features, (variable,), selectable, words
        )

    def _report_fields(
        self,
        view: FeatureView,
        features: Mapping[str, str],
        keys: Mapping[str, ValueKind | None],
    ) -> None:
        for one in view.fields:
            name = f"{view.name}:{one.name}"
            if one.name in keys or one.name == view.timestamp:
                continue
            if one.name in features:
                self._report.expressed("feature", name, one.at, features[one.name])
            elif one.kind == "str":
                self._report.missing(
                    "feature", name, one.at, "is text, and a feature is a number",
                    'the event keeps it as a field; list its choices, `Literal["a", "b"]`, to look it up',
                )  # fmt: skip
            else:
                self._report.missing(
                    "feature", name, one.at, f"no field holds {one.dtype}", _NO_KIND
                )

    def _aggregating(
        self,
        view: FeatureView,
        columns: _Columns,
        checks: list[Reason],
        keys: dict[str, ValueKind | None],
    ) -> DeclaredView | None:
        prefix = "_".join(columns.taken[key] for key in keys)
        calls: dict[str, tuple[str, list[str]]] = {}
        features: dict[str, str] = {}
        for one in view.aggregations:
            made = self._aggregate(view, one, columns)
            if made is None:
                continue
            window = "all" if one.window is None else _length(one.window)
            name = identifier(one.name or f"{one.function}_{one.column}").removesuffix(f"_{window}")
            held = calls.setdefault(name, (made, []))
            if held[0] != made or window in held[1]:
                self._report.missing(
                    "feature", _aggregated_name(view, one), one.at, "is aggregated twice",
                    "give one of the two another name",
                )  # fmt: skip
                continue
            held[1].append(window)
            became = f"{prefix}_{name}_{window}"
            for alias in _aliases(one):
                features.setdefault(alias, became)
            self._report.expressed("feature", _aggregated_name(view, one), one.at, became)
        self._report_outputs(view, features, keys)
        if not features:
            return None
        checks += dict.fromkeys(check for one in view.aggregations for check in _window_checks(one))
        event = self._event_type(view, columns, checks)
        by = Call("by", tuple(literal(columns.taken[key]) for key in keys))
        groups: dict[tuple[str, ...], list[str]] = {}
        for name, (call, windows) in calls.items():
            groups.setdefault(tuple(windows), []).append(f"{name}={call}")
        variables: list[str] = []
        for windows, aggregates in groups.items():
            over = (*map(literal, windows), *_waiting(view))
            variable = self._names.take(view.name, f"{view.name}_windows")
            chain = (Call(event.stream), by, Call("over", over))
            reduced = Call("features", tuple(aggregates))
            self._made.body.append(FeatureGroup(variable, (*chain, reduced)))
            variables.append(variable)
        return DeclaredView(
            view, event.stream, _plain(columns, keys), features, tuple(variables), {}, ()
        )

    def _aggregate(self, view: FeatureView, one: Aggregation, columns: _Columns) -> str | None:
        """Return the aggregate's call; its column becomes a field. None is in the report."""
        function = _FUNCTIONS.get(one.function.lower())

        def missing(what: str, mend: str) -> None:
            self._report.missing("feature", _aggregated_name(view, one), one.at, what, mend)

        if function is None:
            missing(
                f"no aggregate was matched to {one.function!r}",
                f"choose one of Kingpost's: {', '.join(sorted(set(_FUNCTIONS.values())))}",
            )
            return None
        if function == "count":
            return "kp.count()"
        kind = self._kind_of(view, one.column)
        option = f"{view.name}:{one.column}"
        given = option if option in self._resolutions else one.column
        resolution = self._resolutions.get(given)
        if resolution is not None:
            self.used_resolutions.add(given)
        if kind == "str" and function != "distinct":
            missing(f"{one.column!r} is text, a window needs a number", "send a number")
        elif kind is None and (resolution is None or function in _AS_THEY_ARE):
            missing(
                f"no schema says what {one.column!r} is",
                f"add it to the schema, or say its resolution: --resolution {option}=0.01",
            )
        elif kind in (None, "float") and resolution is None and function not in _AS_THEY_ARE:
            missing(
                f"a window over the float {one.column!r} needs the last digit that counts, "
                "and Feast has none",
                f"choose it: --resolution {option}=0.01",
            )
        else:
            name = columns.taken.get(one.column) or columns.add(
                one.column, _annotation(kind, resolution), self._column(view, one.column)
            )
            return f"kp.{function}({literal(name)})"
        return None

    def _kind_of(self, view: FeatureView, column: str) -> ValueKind | None:
        """Return a column's kind: by the view, its source, or a view of the same source."""
        views = [view, *(one for one in self._model.views if one.source is view.source)]
        for one in views:
            for declared in one.fields:
                if declared.name == column:
                    return declared.kind
        source = view.source
        while source is not None:
            if column in source.columns:
                return source.columns[column]
            source = source.batch
        return None

    def _report_outputs(
        self,
        view: FeatureView,
        features: Mapping[str, str],
        keys: Mapping[str, ValueKind | None],
    ) -> None:
        """Report fields of the schema that no aggregation gives and none reads."""
        read = {one.column for one in view.aggregations}
        named = {alias for one in view.aggregations for alias in _aliases(one)}
        for one in view.fields:
            if one.name in keys or one.name in read | named | {view.timestamp}:
                continue
            self._report.missing(
                "feature", f"{view.name}:{one.name}", one.at,
                "no aggregation of its view has this name",
                "look it up: `.by(…).latest(…)` on the same stream, once the field is added",
            )  # fmt: skip


def _problem_of(
    view: FeatureView, keys: Mapping[str, ValueKind | None], declared: Mapping[str, object]
) -> Reason | None:
    if view.name in declared:
        return Reason("another view has this name", "give one of the two another name")
    if not keys:
        return Reason(
            "belongs to no entity, and a stream is grouped by a field",
            "give its rows a key field that is always the same",
        )
    for key, kind in keys.items():
        if kind in ("float", "bool"):
            return Reason(f"its key {key!r} is {kind}", "a key is a str or an int")
    if not view.fields and not view.aggregations:
        return Reason("has no schema; Feast takes it from the data", "write the schema out")
    return None


def _annotation(kind: ValueKind | None, resolution: str | None) -> str:
    if kind in (None, "float") and resolution is not None:
        return f"Annotated[float, kp.Resolution({literal(resolution)})]"
    return kind or "float"


def _waiting(view: FeatureView) -> tuple[str, ...]:
    """Return the delay that a stream with `kp.KnownTime` must name: a row counts once known."""
    return ('delay="0s"',) if view.source is not None and view.source.created else ()


def _window_checks(one: Aggregation) -> Sequence[Reason]:
    if one.window is None:
        return ()
    stepped = "Feast moves its windows in steps of the slide interval"
    if one.slide in (None, one.window):
        stepped = "Feast's window starts anew each time it has passed"
    return (
        Reason(
            f"{stepped}; Kingpost's ends at the request, exact to the event",
            "values differ near a step, so train again",
        ),
    )


def _aliases(one: Aggregation) -> Iterator[str]:
    """Return the names that Feast gives the feature."""
    plain = one.name or f"{one.function}_{one.column}"
    yield plain
    if one.window is not None and not one.name:
        yield f"{plain}_{int(one.window.total_seconds())}s"


def _aggregated_name(view: FeatureView, one: Aggregation) -> str:
    return f"{view.name}:{list(_aliases(one))[-1]}"


def _plain(columns: _Columns, keys: Mapping[str, ValueKind | None]) -> dict[str, ValueKind]:
    return {columns.taken[key]: kind or "str" for key, kind in keys.items()}


def _length(length: timedelta) -> str:
    return "all" if length > _LONGEST else duration_text(duration_us(length))


def _words(name: str) -> str:
    return "".join(f" {one.lower()}" if one.isupper() else one for one in name).strip()
