"""From modules to what they declare in Feast, without running them.

Every top-level name that is bound to a call of Feast is read, as Feast itself collects
them. What Feast would make only when the code runs goes to the report.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import TypeVar

from kingpost.integrations.feast.calls import FeastCall, dtype_of
from kingpost.integrations.feast.model import (
    Aggregation,
    Entity,
    FeastModel,
    FeatureView,
    OnDemandView,
    Projection,
    RequestSource,
    SchemaField,
    Service,
    Source,
    UserFunction,
    ValueKind,
)
from kingpost.integrations.feast.names import Dynamic, External, Here, Module, Names, shown
from kingpost.integrations.feast.report import Line, Reason, Report

__all__ = ["RepositoryReader"]

_VIEWS = {"FeatureView", "BatchFeatureView", "StreamFeatureView"}
_DECORATED_VIEWS = {
    "stream_feature_view": "StreamFeatureView",
    "batch_feature_view": "BatchFeatureView",
}
_REQUESTS = {"RequestSource", "RequestDataSource"}
_ON_DEMAND = "on_demand_feature_view"
_STREAMS = {"KafkaSource": "topic", "KinesisSource": "stream_name"}
_LOCATIONS = (
    ("path", "file"),
    ("s3_endpoint_override", "S3 endpoint"),
    ("database", "database"),
    ("schema", "schema"),
    ("table", "table"),
    ("table_ref", "table"),
    ("query", "query"),
    ("topic", "topic"),
    ("stream_name", "stream"),
)
_NO_COUNTERPART = {
    "RequestFeatureView": "list its fields in the request's event type and use `kp.field(...)`",
    "LabelView": "declare the event type with `kp.KnownTime` and take `stream.label(field)`",
    "SavedDataset": "`kingpost backfill` writes a training set as of the requests",
    "ValidationReference": "`kingpost watch` compares live features with those of training",
    "Permission": "API keys have scopes: `kingpost keys create`",
    "OnDemandFeatureView": "decorate its function with @on_demand_feature_view, or write it "
    "as a `@kp.feature` function",
    "FeatureTable": "declare an event type and look up its latest event",
}
_SEND_TRANSFORMED = "send rows that are transformed already, or write it as `@kp.feature`"
_FIX_DYNAMIC = "write it out at the top of a module, or declare it by hand"

_T = TypeVar("_T")
_Read = Entity | FeatureView | OnDemandView | Service | Source | RequestSource | None


class RepositoryReader:
    """Reads the declarations of a repository, each once."""

    def __init__(self, modules: Sequence[Module], names: Names, report: Report) -> None:
        self._modules, self._names, self._report = modules, names, report
        self._read: dict[ast.AST, _Read] = {}
        self.model = FeastModel()

    def read(self) -> FeastModel:
        """Read all modules; what cannot be read is in the report."""
        for module in self._modules:
            for bound in module.bound.values():
                for one in bound:
                    if isinstance(one, ast.expr | ast.FunctionDef):
                        self._known(one, module)
        for module in self._modules:
            self._unread(module)
        return self.model

    def _known(self, node: ast.expr | ast.FunctionDef, module: Module) -> _Read:
        """Return what a node declares, read once; None when it is nothing of Feast's."""
        if node in self._read:
            return self._read[node]
        found = self._decorator(node, module) if isinstance(node, ast.FunctionDef) else None
        call = found or (node if isinstance(node, ast.Call) else None)
        called = self._names.callee(call.func, module) if call else None
        if call is None or called is None or not called.is_feast:
            return None
        self._read[call] = self._read[node] = None  # also what refers to itself ends
        function = UserFunction(node, module) if isinstance(node, ast.FunctionDef) else None
        try:
            self._read[node] = self._declared(called.last, call, module, function)
        except (Dynamic, RecursionError) as error:
            dynamic = (
                error
                if isinstance(error, Dynamic)
                else Dynamic(module.at(call), "is nested too deeply")
            )
            name = self._name_of(call, module) or (function.node.name if function else "")
            what = (
                dynamic.what if dynamic.at == module.at(call) else f"{dynamic.at}: {dynamic.what}"
            )
            self._report.missing(
                _kind(called.last), name or shown(call), module.at(call), what, _FIX_DYNAMIC
            )
        return self._read[node]

    def _decorator(self, node: ast.FunctionDef, module: Module) -> ast.Call | None:
        for one in node.decorator_list:
            if isinstance(one, ast.Call):
                called = self._names.callee(one.func, module)
                if called is not None and called.is_feast:
                    return one
        return None

    def _name_of(self, call: ast.Call, module: Module) -> str:
        for word in call.keywords:
            if word.arg == "name":
                try:
                    return str(self._names.value(word.value, module))
                except Dynamic:
                    return shown(word.value)
        return ""

    def _declared(
        self, what: str, node: ast.Call, module: Module, function: UserFunction | None
    ) -> _Read:
        call = FeastCall(node, module, self._names)
        if what == "Entity":
            return _kept(self.model.entities, self._entity(call))
        if what in _VIEWS or what in _DECORATED_VIEWS:
            view = self._view(_DECORATED_VIEWS.get(what, what), call, function)
            return _kept(self.model.views, view)
        if what == _ON_DEMAND and function is not None:
            return _kept(self.model.on_demand, self._on_demand(call, function))
        if what == "FeatureService":
            return _kept(self.model.services, self._service(call))
        if what in _REQUESTS:
            return _kept(self.model.requests, self._request(call))
        if what.endswith("Source"):
            return _kept(self.model.sources, self._source(what, call))
        if what in _NO_COUNTERPART:
            name = self._name_of(node, module) or shown(node)
            self._report.missing(
                _kind(what), name, call.at, "has no counterpart", _NO_COUNTERPART[what]
            )
        return None

    def _entity(self, call: FeastCall) -> Entity:
        name = call.text("name")
        given = call.given("join_keys")
        keys = () if given is None else self._texts(given, call.module)
        join_keys = keys or (call.text("join_key", default=name),)
        kind, _ = dtype_of(call.given("value_type"), call.module, call.names)
        return Entity(name, join_keys, kind, call.about(), call.at)

    def _texts(self, node: ast.expr, module: Module) -> tuple[str, ...]:
        listed = self._names.elements(node, module)
        return tuple(str(self._names.value(one, inner)) for one, inner in listed)

    def _fields(self, call: FeastCall, *words: str) -> tuple[SchemaField, ...]:
        given = call.given(*words)
        if isinstance(given, ast.Dict):  # the oldest form: {"name": ValueType.INT64}
            return tuple(
                SchemaField(
                    str(self._names.value(key, call.module)),
                    *dtype_of(value, call.module, self._names),
                    "",
                    call.module.at(key),
                )
                for key, value in zip(given.keys, given.values, strict=True)
                if key is not None
            )
        return tuple(self._field(node, module) for node, module in call.elements(*words))

    def _field(self, node: ast.expr, module: Module) -> SchemaField:
        found = self._names.resolve(node, module)
        if isinstance(found, Here) and isinstance(found.node, ast.Call):
            called = self._names.callee(found.node.func, found.module)
            if called is not None and called.is_feast and called.last in ("Field", "Feature"):
                call = FeastCall(found.node, found.module, self._names, ("name", "dtype"))
                kind, dtype = dtype_of(call.given("dtype"), found.module, self._names)
                about = call.shown("description")
                return SchemaField(call.text("name"), kind, dtype, about, call.at)
        raise Dynamic(module.at(node), f"{shown(node)} is no Field that is written out")

    def _source(self, what: str, call: FeastCall) -> Source:
        batch = self._source_of(call, "batch_source")
        where = tuple(
            f"{word}: {text}" for given, word in _LOCATIONS if (text := call.shown(given))
        )
        checks: list[Reason] = []
        if what in _STREAMS:
            topic = call.shown(_STREAMS[what])
            checks.append(
                Reason(
                    f"Kingpost does not read {what.removesuffix('Source')} itself ({topic})",
                    "forward its events to `POST /v1/events/<stream>`",
                )
            )
        formatted = call.given("message_format", "record_format")
        timestamp = call.text("timestamp_field", "event_timestamp_column")
        created = call.text("created_timestamp_column")
        return Source(
            name=call.text("name") or (batch.name if batch else ""),
            type=what,
            timestamp=timestamp or (batch.timestamp if batch else ""),
            created=created or (batch.created if batch else ""),
            mapping=call.texts("field_mapping"),
            where=where or (batch.where if batch else ()),
            columns=self._columns(formatted, call.module) if formatted else {},
            batch=batch,
            checks=tuple(checks),
            at=call.at,
        )

    def _columns(self, node: ast.expr, module: Module) -> dict[str, ValueKind]:
        """Read the columns of a `JsonFormat(schema_json="a integer, b double")`."""
        if isinstance(node, ast.Call):
            for word in node.keywords:
                if word.arg in ("schema_json", "json_schema"):
                    try:
                        text = str(self._names.value(word.value, module))
                    except Dynamic:
                        return {}
                    pairs = (part.split() for part in text.split(","))
                    return {
                        pair[0]: _SQL_KINDS[pair[1].lower()]
                        for pair in pairs
                        if len(pair) == 2 and pair[1].lower() in _SQL_KINDS
                    }
        return {}

    def _source_of(self, call: FeastCall, *words: str) -> Source | None:
        node = call.given(*words)
        if node is None:
            return None
        read = self._refer(node, call.module)
        if isinstance(read, Source):
            return read
        raise Dynamic(call.at, f"its source {shown(node)} was not read")

    def _refer(self, node: ast.expr, module: Module) -> _Read:
        found = self._names.resolve(node, module)
        if isinstance(found, External):
            raise Dynamic(module.at(node), f"{shown(node)} is not in a file that was read")
        return self._known(found.node, found.module)

    def _request(self, call: FeastCall) -> RequestSource:
        return RequestSource(call.text("name"), self._fields(call, "schema"), call.at)

    def _view(self, what: str, call: FeastCall, function: UserFunction | None) -> FeatureView:
        problems: list[tuple[str, Line, Reason]] = []
        if function is None and (given := call.given("udf", "feature_transformation")) is not None:
            function = self._function(given, call.module)
            if function is None:
                at = call.module.at(given)
                what_else = f"its transformation {shown(given)} is not applied"
                problems.append(("transformation", at, Reason(what_else, _SEND_TRANSFORMED)))
        fields: list[SchemaField] = []
        for node, module in call.elements("schema", "features"):
            try:
                fields.append(self._field(node, module))
            except Dynamic as dynamic:
                problems.append((shown(node), module.at(node), Reason(dynamic.what, _FIX_DYNAMIC)))
        aggregations: list[Aggregation] = []
        for node, module in call.elements("aggregations"):
            try:
                aggregations.append(self._aggregation(node, module))
            except Dynamic as dynamic:
                problems.append((shown(node), module.at(node), Reason(dynamic.what, _FIX_DYNAMIC)))
        source = self._source_of(call, "source", "batch_source", "stream_source", "input")
        return FeatureView(
            name=call.text("name") or (function.node.name if function else ""),
            type=what,
            entities=tuple(self._entities(call)),
            ttl=call.length("ttl"),
            fields=tuple(fields),
            source=source,
            timestamp=call.text("timestamp_field") or (source.timestamp if source else ""),
            aggregations=tuple(aggregations),
            transformation=function,
            about=call.about(),
            problems=tuple(problems),
            at=call.at,
        )

    def _function(self, node: ast.expr, module: Module) -> UserFunction | None:
        try:
            found = self._names.resolve(node, module)
        except Dynamic:
            return None
        if isinstance(found, Here) and isinstance(found.node, ast.FunctionDef):
            return UserFunction(found.node, found.module)
        return None

    def _entities(self, call: FeastCall) -> Iterator[Entity]:
        for node, module in call.elements("entities"):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield self._entity_named(node.value, call)  # the oldest form
                continue
            entity = self._refer(node, module)
            if not isinstance(entity, Entity):
                raise Dynamic(call.at, f"its entity {shown(node)} was not read")
            yield entity

    def _entity_named(self, name: str, call: FeastCall) -> Entity:
        for module in self._modules:
            for bound in module.bound.values():
                for one in bound:
                    if isinstance(one, ast.Call):
                        entity = self._known(one, module)
                        if isinstance(entity, Entity) and entity.name == name:
                            return entity
        raise Dynamic(call.at, f"its entity {name!r} is declared nowhere")

    def _aggregation(self, node: ast.expr, module: Module) -> Aggregation:
        found = self._names.resolve(node, module)
        if isinstance(found, Here) and isinstance(found.node, ast.Call):
            called = self._names.callee(found.node.func, found.module)
            if called is not None and called.is_feast and called.last == "Aggregation":
                words = ("column", "function", "time_window", "slide_interval", "name")
                call = FeastCall(found.node, found.module, self._names, words)
                return Aggregation(
                    call.text("column"),
                    call.text("function"),
                    call.length("time_window"),
                    call.length("slide_interval"),
                    call.text("name"),
                    call.at,
                )
        raise Dynamic(module.at(node), f"{shown(node)} is no Aggregation that is written out")

    def _on_demand(self, call: FeastCall, function: UserFunction) -> OnDemandView:
        given = call.given("sources", "inputs")
        nodes: Sequence[tuple[ast.expr, Module]]
        if isinstance(given, ast.Dict):  # the oldest form
            nodes = [(value, call.module) for value in given.values]
        else:
            nodes = call.elements("sources", "inputs")
        inputs: list[Projection | RequestSource] = []
        for node, module in nodes:
            read = self._projection(node, module)
            if read is None:
                raise Dynamic(call.at, f"its source {shown(node)} was not read")
            inputs.append(read)
        checks: list[Reason] = []
        if call.flag("write_to_online_store"):
            checks.append(
                Reason(
                    "Feast computes it when rows are written, Kingpost when a request is answered",
                    "nothing to do; the value of a request is the same",
                )
            )
        if call.given("aggregations") is not None:
            raise Dynamic(call.at, "it aggregates the rows of a request")
        return OnDemandView(
            name=call.text("name") or function.node.name,
            inputs=tuple(inputs),
            fields=self._fields(call, "schema", "features"),
            mode=call.text("mode", default="pandas"),
            singleton=call.flag("singleton"),
            function=function,
            about=call.about(),
            checks=tuple(checks),
            at=Line(function.module.path, function.node.lineno),
        )

    def _projection(self, node: ast.expr, module: Module) -> Projection | RequestSource | None:
        """Read a view, or `view[["a", "b"]]`, or a source of request values."""
        found = self._names.resolve(node, module)
        if isinstance(found, External):
            raise Dynamic(module.at(node), f"{shown(node)} is not in a file that was read")
        features: tuple[str, ...] | None = None
        if isinstance(found.node, ast.Subscript):
            features = self._texts(found.node.slice, found.module)
            read = self._refer(found.node.value, found.module)
        elif isinstance(found.node, ast.Call) and isinstance(found.node.func, ast.Attribute):
            if found.node.func.attr.startswith("with_"):
                raise Dynamic(module.at(node), f"{shown(node)} gives a view other names")
            read = self._known(found.node, found.module)
        else:
            read = self._known(found.node, found.module)
        if isinstance(read, FeatureView | OnDemandView):
            return Projection(read, features)
        return read if isinstance(read, RequestSource) else None

    def _service(self, call: FeastCall) -> Service:
        features: list[Projection] = []
        problems: list[tuple[str, Line, Reason]] = []
        for node, module in call.elements("features"):
            try:
                read = self._projection(node, module)
                reason = Reason(f"{shown(node)} was not read", "declare it by hand")
            except Dynamic as dynamic:
                read, reason = None, Reason(dynamic.what, _FIX_DYNAMIC)
            if isinstance(read, Projection):
                features.append(read)
            else:
                problems.append((shown(node), module.at(node), reason))
        name = call.text("name")
        return Service(name, tuple(features), call.about(), tuple(problems), call.at)

    def _unread(self, module: Module) -> None:
        """Report calls of Feast that no top-level name is bound to: loops, functions, lists."""
        waiting: list[ast.AST] = [one for one in module.tree.body if not _is_script(one)]
        while waiting:
            node = waiting.pop()
            waiting += ast.iter_child_nodes(node)
            if not isinstance(node, ast.Call) or node in self._read:
                continue
            called = self._names.callee(node.func, module)
            if called is not None and called.is_feast and _declares(called.last):
                self._report.missing(
                    _kind(called.last),
                    self._name_of(node, module) or shown(node),
                    module.at(node),
                    "is made in a function, a loop or a branch, or nothing refers to it",
                    _FIX_DYNAMIC,
                )


_SQL_KINDS: dict[str, ValueKind] = {
    "boolean": "bool",
    "double": "float",
    "float": "float",
    "int": "int",
    "integer": "int",
    "long": "int",
    "bigint": "int",
    "string": "str",
}


def _kept(held: list[_T], one: _T) -> _T:
    held.append(one)
    return one


def _declares(what: str) -> bool:
    return (
        what in _VIEWS
        or what in _DECORATED_VIEWS
        or what in ("Entity", "FeatureService", _ON_DEMAND)
        or what in _NO_COUNTERPART
        or what.endswith("Source")
    )


def _kind(what: str) -> str:
    """Turn `FeatureView` into `feature view`, for people."""
    if what == _ON_DEMAND:
        return "on-demand view"
    return re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", what).lower()


def _is_script(node: ast.stmt) -> bool:
    """Whether it is `if __name__ == "__main__":`, which Feast does not run."""
    return isinstance(node, ast.If) and "__name__" in {
        one.id for one in ast.walk(node.test) if isinstance(one, ast.Name)
    }
