"""What a Feast repository declares, in Feast's own words.

Only what the declarations need; where the data lies is kept as text.
"""

import ast
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from kingpost.integrations.feast.names import Module
from kingpost.integrations.feast.report import Line, Reason

__all__ = [
    "Aggregation",
    "Entity",
    "FeastModel",
    "FeatureView",
    "OnDemandView",
    "Projection",
    "RequestSource",
    "SchemaField",
    "Service",
    "Source",
    "UserFunction",
    "ValueKind",
]

ValueKind = Literal["int", "float", "str", "bool"]


@dataclass(frozen=True)
class Entity:
    """What features belong to; the kind of its key is None when it is not said."""

    name: str
    join_keys: tuple[str, ...]
    kind: ValueKind | None
    about: tuple[str, ...]
    at: Line


@dataclass(frozen=True)
class SchemaField:
    """A named value; the kind is None where Kingpost has none for its dtype."""

    name: str
    kind: ValueKind | None
    dtype: str
    description: str
    at: Line


@dataclass(frozen=True)
class Source:
    """Where rows come from.

    Attributes:
        where: Lines that say it: the path, table or query.
        mapping: Column -> field, where the names differ.
        columns: Column -> kind, when the source says so itself, as a Kafka schema does.
        batch: The source that holds the history of a stream.
    """

    name: str
    type: str
    timestamp: str
    created: str
    mapping: dict[str, str]
    where: tuple[str, ...]
    columns: dict[str, ValueKind]
    batch: "Source | None"
    checks: tuple[Reason, ...]
    at: Line


@dataclass(frozen=True)
class RequestSource:
    """Values that come with the request."""

    name: str
    fields: tuple[SchemaField, ...]
    at: Line


@dataclass(frozen=True)
class Aggregation:
    """One column over one window; the window is None when it is all time."""

    column: str
    function: str
    window: timedelta | None
    slide: timedelta | None
    name: str
    at: Line


@dataclass(frozen=True)
class UserFunction:
    """A function of the repository, with the module whose names it uses."""

    node: ast.FunctionDef
    module: Module

    @property
    def source(self) -> str:
        """Its text, decorators left out."""
        lines = self.module.text.splitlines()
        return "\n".join(lines[self.node.lineno - 1 : self.node.end_lineno])


@dataclass(frozen=True)
class FeatureView:
    """Rows of an entity with features, perhaps aggregated, perhaps transformed before."""

    name: str
    type: str
    entities: tuple[Entity, ...]
    ttl: timedelta | None
    fields: tuple[SchemaField, ...]
    source: Source | None
    timestamp: str
    aggregations: tuple[Aggregation, ...]
    transformation: UserFunction | None
    about: tuple[str, ...]
    problems: tuple[tuple[str, Line, Reason], ...]
    at: Line


@dataclass(frozen=True)
class Projection:
    """A view, or some of its features (None: all of them)."""

    view: "FeatureView | OnDemandView"
    features: tuple[str, ...] | None


@dataclass(frozen=True)
class OnDemandView:
    """Features computed when they are asked for."""

    name: str
    inputs: tuple[Projection | RequestSource, ...]
    fields: tuple[SchemaField, ...]
    mode: str
    singleton: bool
    function: UserFunction | None
    about: tuple[str, ...]
    checks: tuple[Reason, ...]
    at: Line


@dataclass(frozen=True)
class Service:
    """The features of one model."""

    name: str
    features: tuple[Projection, ...]
    about: tuple[str, ...]
    problems: tuple[tuple[str, Line, Reason], ...]
    at: Line


@dataclass
class FeastModel:
    """All that a repository declares, in the order of files and lines."""

    entities: list[Entity] = field(default_factory=list[Entity])
    sources: list[Source] = field(default_factory=list[Source])
    requests: list[RequestSource] = field(default_factory=list[RequestSource])
    views: list[FeatureView] = field(default_factory=list[FeatureView])
    on_demand: list[OnDemandView] = field(default_factory=list[OnDemandView])
    services: list[Service] = field(default_factory=list[Service])
