"""The features of a decision as a catalogue has them: what each is, reads, takes and feeds.

The rule: the version of a feature is a digest of what its own value depends on and of
nothing else. For a field that is the field's declaration, for a window the stream's
contract, the key, its own window and its own aggregate, for a function its source and the
versions of what it takes. A change of one feature is a new version of it and of those it
feeds; its neighbours keep theirs. What people say of a feature is no part of it.

Pure functions of declarations; who uses a feature is joined to it in `decisions`.
"""

import hashlib
import inspect
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, cast

import msgspec

from kingpost.contracts import Contract, Event, Kind
from kingpost.core import Place, duration_text
from kingpost.features.about import About
from kingpost.features.aggregates import Aggregate, ExactAggregate, Ratio, Reduction
from kingpost.features.declare import FieldFeature, RowFeature, WindowFeatures
from kingpost.features.feature_set import FeatureSet

__all__ = ["FeatureEntry", "FeatureKind", "FieldRead", "ValueType", "catalogue_of"]

FeatureKind = Literal["field", "function", "window", "look-up"]
"""Where a value comes from: the request as it is, a Python function, a window of a stream, or
the latest event of one."""

ValueType = Literal["boolean", "integer", "number"]
"""What a value is; a model takes all of them as numbers."""

_KEPT = ("sum", "min", "max", "first", "last")
_TYPES: dict[Kind, ValueType] = {"boolean": "boolean", "integer": "integer"}


class FieldRead(NamedTuple):
    """A field of a stream that a value depends on."""

    stream: str
    field: str


@dataclass(frozen=True)
class FeatureEntry:
    """One feature as it is declared now.

    Attributes:
        version: SHA-256 of `definition`, in hex.
        definition: All that the value depends on.
        stream: Whose events it is made of; for a field or a function, the request's.
        key: The fields that a window is grouped by; empty for other kinds.
        window, delay: As `7d`; empty where there is none.
        retention: How long windows hold the stream's events; empty where they hold all.
        aggregate: As `mean`, and `field` what it reduces; empty where there is none.
        is_exact: Whether offline and online give the same value whatever the order of
            events, with no error of a sketch.
        default: The value of an empty window; None for other kinds, which have NaN.
        reads: The fields that the value is made of, the key among them.
        takes: Features that a function takes.
        feeds: Functions of the same decision that take it.
        purposes: What entities must consent to, in ascending order; without that it has no
            value.
        dimension: Of a vector, how many features it is, `<name>_0` and on; 0 for one number.
    """

    name: str
    version: str
    kind: FeatureKind
    value_type: ValueType
    stream: str
    about: About
    place: Place
    definition: Mapping[str, object]
    key: tuple[str, ...] = ()
    window: str = ""
    delay: str = ""
    retention: str = ""
    aggregate: str = ""
    field: str = ""
    is_exact: bool = True
    default: float | None = None
    reads: tuple[FieldRead, ...] = ()
    takes: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    dimension: int = 0

    @property
    def summary(self) -> str:
        """Say in words what the value is: `mean of payment.amount over 7d by card`."""
        said = self._value_in_words
        if self.dimension:
            said = f"{said}: a vector of {self.dimension} numbers"
        needed = f", with consent to {' and '.join(self.purposes)}" if self.purposes else ""
        return said + needed

    @property
    def _value_in_words(self) -> str:
        if self.kind == "field":
            return f"{self.stream}.{self.field} as it is"
        if self.kind == "function":
            taken = [*(read.field for read in self.reads), *self.takes]
            return f"function of {', '.join(taken)}" if taken else "function of nothing"
        what = f"{self.stream}.{self.field}" if self.field else f"{self.stream} events"
        later = f", ending {self.delay} before" if self.delay else ""
        if self.kind == "look-up":
            young = "" if self.window == "all" else f", at most {self.window} old"
            return f"latest {what} by {', '.join(self.key)}{young}{later}"
        return f"{self.aggregate} of {what} over {self.window} by {', '.join(self.key)}{later}"


def catalogue_of(features: FeatureSet) -> tuple[FeatureEntry, ...]:
    """Return an entry per feature, one for a whole vector, in the order of the model."""
    made: dict[str, FeatureEntry] = {}
    for one in features.features:
        if isinstance(one, WindowFeatures):
            made.update((entry.name, entry) for entry in _window_entries(one))
        elif isinstance(one, FieldFeature):
            made[one.name] = _field_entry(one, features.request)
    # a function may take windows that are declared after it, but no later function
    for one in features.features:
        if isinstance(one, RowFeature):
            made[one.name] = _function_entry(one, features, made)
    feeds: dict[str, list[str]] = {}
    for one in made.values():
        for name in one.takes:
            feeds.setdefault(features.group_of(name), []).append(one.name)
    return tuple(
        replace(
            made[name],
            feeds=tuple(feeds.get(name, ())),
            purposes=tuple(sorted(one.purpose for one in features.consents_of(name))),
        )
        for name in features.groups
    )


def _window_entries(view: WindowFeatures) -> Iterator[FeatureEntry]:
    contract, filters = view.stream.contract, view.windowed.keyed.filters
    retention_us = view.stream.retention_us
    said = view.description
    described = cast("Sequence[object]", said["aggregates"])
    names = iter(view.groups)
    for window in view.windowed.windows:
        for one, own in zip(view.aggregates.values(), described, strict=True):
            parts = (one.numerator, one.denominator) if isinstance(one, Ratio) else (one,)
            reduced = [part.field for part in parts if part.field is not None]
            fields = dict.fromkeys([*view.keys, *reduced, *(each.field for each in filters)])
            ranks = one.argument if isinstance(one, Aggregate) and one.operation == "top" else 1
            for rank in range(1, ranks + 1):
                definition = {
                    **said,
                    "kind": "window",
                    "stream": view.stream.name,
                    "contract": said["stream"],
                    "windows_us": [window.length_us],
                    "aggregates": [own],
                }
                if ranks > 1:
                    definition["rank"] = rank
                yield FeatureEntry(
                    name=next(names),
                    version=_digest(definition),
                    kind="look-up" if view.is_look_up else "window",
                    value_type=_window_type(one, contract),
                    stream=view.stream.name,
                    about=view.about,
                    place=view.place,
                    definition=_plain(definition),
                    key=view.keys,
                    window=window.text,
                    delay=duration_text(window.delay_us) if window.delay_us else "",
                    retention=duration_text(retention_us) if retention_us else "",
                    aggregate=_said(one),
                    field=reduced[0] if len(parts) == 1 and reduced else "",
                    is_exact=all(isinstance(part, ExactAggregate) for part in parts),
                    default=one.default,
                    reads=tuple(FieldRead(view.stream.name, name) for name in fields),
                    dimension=view.dimension_of(one),
                )


def _said(one: Reduction) -> str:
    """Return an aggregate as people name it."""
    if isinstance(one, Ratio):
        return f"{one.numerator.call} / {one.denominator.call}".replace("kp.", "")
    return one.operation


def _window_type(one: Reduction, contract: Contract[Event]) -> ValueType:
    if isinstance(one, Ratio):
        return "number"
    if one.operation in ("count", "distinct"):
        return "integer"
    if one.field is None or one.operation not in _KEPT:
        return "number"
    kept = _TYPES.get(contract.by_name[one.field].kind, "number")
    return "integer" if (kept, one.operation) == ("boolean", "sum") else kept


def _field_entry(one: FieldFeature, request: Contract[Event]) -> FeatureEntry:
    declared = request.by_name[one.name]
    definition = {**one.description, "kind": "field", "stream": request.name, "field": declared}
    return FeatureEntry(
        name=one.name,
        version=_digest(definition),
        kind="field",
        value_type=_TYPES.get(declared.kind, "number"),
        stream=request.name,
        about=one.about,
        place=one.place,
        definition=_plain(definition),
        field=one.name,
        reads=(FieldRead(request.name, one.name),),
        dimension=declared.dimension,
    )


def _function_entry(
    one: RowFeature, features: FeatureSet, made: Mapping[str, FeatureEntry]
) -> FeatureEntry:
    request = features.request
    fields = [name for name in one.parameters if name in request.by_name]
    takes = tuple(name for name in one.parameters if name not in request.by_name)
    definition = {
        **one.description,
        "kind": "function",
        "stream": request.name,
        "fields": [request.by_name[name] for name in fields],
        "takes": [(name, made[features.group_of(name)].version) for name in takes],
    }
    said = (inspect.getdoc(one.function) or "").partition("\n")[0].strip()
    return FeatureEntry(
        name=one.name,
        version=_digest(definition),
        kind="function",
        value_type=_returned(one),
        stream=request.name,
        about=one.about if one.about.description else replace(one.about, description=said),
        place=one.place,
        definition=_plain(definition),
        reads=tuple(FieldRead(request.name, name) for name in fields),
        takes=takes,
    )


def _returned(one: RowFeature) -> ValueType:
    returned = typing.get_type_hints(one.function).get("return", float)
    return "boolean" if returned is bool else "integer" if returned is int else "number"


def _plain(definition: Mapping[str, object]) -> Mapping[str, object]:
    """Return it as it is read back from JSON."""
    return msgspec.json.decode(msgspec.json.encode(definition), type=dict[str, object])


def _digest(definition: Mapping[str, object]) -> str:
    return hashlib.sha256(msgspec.json.encode(definition, order="sorted")).hexdigest()
