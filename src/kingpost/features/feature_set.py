"""The features of one decision, resolved against its request: names, order, digest.

The rule: a value is computed by one piece of code, whatever asks for it. Windows come
from the kernel, fields as they are, row functions by calling the same Python function
for one request and for a million. What cannot be computed is NaN.
"""

import contextlib
import hashlib
import math
import struct
from array import array
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import groupby
from operator import attrgetter
from struct import Struct
from typing import NamedTuple

import msgspec

from kingpost.contracts import Contract, Event, Field, Instant, NaiveTime
from kingpost.core import Place
from kingpost.features.consent import Consent
from kingpost.features.declare import (
    Feature,
    FieldFeature,
    RowFeature,
    WindowFeatures,
    components,
    named_field,
)
from kingpost.features.errors import WrongFeature

__all__ = ["FeatureSet", "Unavailable", "VectorSlot", "WindowSlot"]

NOT_COMPUTABLE = (ArithmeticError, ValueError, LookupError)
"""What a row function may raise to say that it has no value for this request."""

_EXAMPLES: dict[str, object] = {
    "text": "",
    "integer": 1,
    "number": 1.0,
    "boolean": True,
    "time": Instant(1_533_081_600_000_000),
}


class Unavailable(NamedTuple):
    """Features that have no value for a request; they are NaN.

    Attributes:
        names: All of them.
        no_consent: The purposes that the entity does not consent to.
    """

    names: tuple[str, ...] = ()
    no_consent: tuple[str, ...] = ()


ALL_AVAILABLE = Unavailable()


@dataclass(frozen=True)
class WindowSlot:
    """Where a group of windowed features starts in the row of values."""

    view: WindowFeatures
    start: int


class VectorSlot(NamedTuple):
    """Where the numbers of a vector start in the row of values, and how many they are."""

    start: int
    width: int


class _Fields(NamedTuple):
    """Fields whose features lie side by side, from `start` on.

    Attributes:
        all: Gets the values of all of them; None where there is one.
        row: Their values as they lie in a row.
        each: Gets one value, and the place of its feature.
    """

    all: Callable[[Event], tuple[float | None, ...]] | None
    row: Struct
    start: int
    each: Sequence[tuple[Callable[[Event], float | None], int]]


class FeatureSet:
    """The features of one decision in the order in which its model takes them.

    Args:
        request: The contract of the event that asks for the decision.
        features: As declared.
        place: Where the decision stands, for errors.

    Raises:
        WrongFeature: Two features share a name, one needs what the request does not
            have, or a function asks a moment for its hour without naming a zone.
    """

    def __init__(self, request: Contract[Event], features: Iterable[Feature], place: Place) -> None:
        self.request = request
        self.features = tuple(features)
        if not self.features:
            raise WrongFeature("a decision has no features", "list at least one", place)
        names: list[str] = []
        windows: list[WindowSlot] = []
        fields: list[tuple[str, int]] = []
        rows: list[tuple[RowFeature, int]] = []
        vectors: dict[str, VectorSlot] = {}
        vector_fields: list[tuple[str, VectorSlot]] = []
        owners: dict[str, Place] = {}
        for one in self.features:
            start = len(names)
            if isinstance(one, WindowFeatures):
                self._check_keys(one)
                windows.append(WindowSlot(one, start))
                names.extend(one.names)
                for name, width in one.vectors.items():
                    at = names.index(f"{name}_0", start)
                    vectors[name] = VectorSlot(at, width)
            elif isinstance(one, FieldFeature):
                width = self._check_field(one)
                if width:
                    vectors[one.name] = VectorSlot(start, width)
                    vector_fields.append((one.name, vectors[one.name]))
                    names.extend(components(one.name, width))
                else:
                    fields.append((one.name, start))
                    names.append(one.name)
            else:
                rows.append((one, start))
                names.append(one.name)
            grouped = [name for name, slot in vectors.items() if slot.start >= start]
            for name in (*names[start:], *grouped):
                if name in owners:
                    raise WrongFeature(
                        f"two features are called {name!r}; the other is at {owners[name]}",
                        "rename one: the name given in `.features(<name>=…)`, or the function's",
                        one.place,
                    )
                owners[name] = one.place
        self.names = tuple(names)
        self.windows = tuple(windows)
        self.field_slots = tuple(fields)
        self.row_slots = tuple(rows)
        self.vectors: Mapping[str, VectorSlot] = vectors
        self._vector_of = {
            self.names[at]: name
            for name, slot in vectors.items()
            for at in range(slot.start, slot.start + slot.width)
        }
        self.vector_fields = tuple(vector_fields)
        self.consents = tuple(dict.fromkeys(one.consent for one in self.features if one.consent))
        self._needs = self._needed_consents()
        self._withheld = lru_cache(self._withheld_from)
        self._fields = tuple(_side_by_side(fields))
        self._vectors = tuple((attrgetter(name), slot) for name, slot in self.vector_fields)
        self._rows = tuple((row.function, self._sources(row, at), at) for row, at in rows)
        for row, _ in rows:
            self._probe(row)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def groups(self) -> tuple[str, ...]:
        """The features by name, each vector once, by its own."""
        return tuple(dict.fromkeys(map(self.group_of, self.names)))

    @property
    def inputs(self) -> list[str]:
        """The features that are fields of the request as they are."""
        fields = {name for name, _ in (*self.field_slots, *self.vector_fields)}
        return [name for name in self.names if self.group_of(name) in fields]

    def group_of(self, name: str) -> str:
        """Return the vector that a feature is one number of, or the feature itself."""
        return self._vector_of.get(name, name)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over everything the values depend on, in hex."""
        text = msgspec.json.encode(
            [self.request.digest, [one.description for one in self.features]], order="sorted"
        )
        return hashlib.sha256(text).hexdigest()

    def consents_of(self, name: str) -> frozenset[Consent]:
        """Return the consents without which a feature, or a whole vector, has no value."""
        at = self.vectors[name].start if name in self.vectors else self.names.index(name)
        return self._needs[at]

    def needing(self, consent: Consent) -> tuple[int, ...]:
        """Return the places of the features that have no value without a consent."""
        return tuple(at for at, needed in enumerate(self._needs) if consent in needed)

    @property
    def streams(self) -> tuple[Contract[Event], ...]:
        """The contracts of the streams that values are made of, those that say who consents too."""
        found = [slot.view.stream.contract for slot in self.windows]
        found += [consent.contract for consent in self.consents]
        return tuple({contract.name: contract for contract in found}.values())

    def complete(
        self,
        event: Event,
        out: "array[float]",
        start: int,
        refused: tuple[Consent, ...] = (),
    ) -> Unavailable:
        """Fill in fields and row functions; the windows are already in `out[start:]`.

        Args:
            refused: The consents that the request's entities do not give.
        """
        if refused:
            return self._complete_without(event, out, start, refused)
        failed = self._fill_fields(event, out, start, ())
        if self._vectors or self._rows:
            failed += self._compute(event, out, start, ())
        return Unavailable(failed) if failed else ALL_AVAILABLE

    def _complete_without(
        self,
        event: Event,
        out: "array[float]",
        start: int,
        refused: tuple[Consent, ...],
    ) -> Unavailable:
        withheld = self._withheld(refused)
        for at in withheld:
            out[start + at] = math.nan
        failed = self._fill_fields(event, out, start, withheld)
        failed += self._compute(event, out, start, withheld)
        names = {self.names[at] for at in withheld} | set(failed)
        return Unavailable(
            tuple(name for name in self.names if name in names),
            tuple(one.purpose for one in refused),
        )

    def _compute(
        self, event: Event, out: "array[float]", start: int, withheld: Collection[int]
    ) -> tuple[str, ...]:
        """Fill in vectors and row functions, once the fields are there."""
        failed: tuple[str, ...] = ()
        for get, slot in self._vectors:
            if slot.start in withheld:
                continue
            value = get(event)
            if value is None:
                failed += self.names[slot.start : slot.start + slot.width]
                value = (math.nan,) * slot.width
            at = start + slot.start
            out[at : at + slot.width] = array("d", value)
        for function, sources, at in self._rows:
            if at in withheld:
                continue
            values = [
                get(event)
                if get
                else out[start + slot]
                if isinstance(slot, int)
                else tuple(out[start + slot.start : start + slot.start + slot.width])
                for get, slot in sources
            ]
            try:
                out[start + at] = function(*values)
            except NOT_COMPUTABLE:
                failed += (self.names[at],)
                out[start + at] = math.nan
        return failed

    def _fill_fields(
        self, event: Event, out: "array[float]", start: int, withheld: Collection[int]
    ) -> tuple[str, ...]:
        """Fill in fields as they are, those side by side at once where all have a value."""
        failed: tuple[str, ...] = ()
        for get_all, row, at, fields in self._fields:
            if get_all is not None and not withheld:
                try:
                    row.pack_into(out, 8 * (start + at), *get_all(event))
                except struct.error:  # one of them is None
                    pass
                else:
                    continue
            for get, place in fields:
                if place in withheld:
                    continue
                value = get(event)
                if value is None:
                    failed += (self.names[place],)
                    value = math.nan
                out[start + place] = value
        return failed

    def _withheld_from(self, refused: tuple[Consent, ...]) -> frozenset[int]:
        """Return the places of features that have no value without any of some consents."""
        return frozenset(at for one in refused for at in self.needing(one))

    def _needed_consents(self) -> tuple[frozenset[Consent], ...]:
        """Say for each feature which consents it needs: its own, and those of what it takes."""
        needs: dict[str, frozenset[Consent]] = {}
        fields: dict[str, frozenset[Consent]] = {}
        for one in self.features:
            own = frozenset[Consent]() if one.consent is None else frozenset([one.consent])
            self._check_consent(one)
            if isinstance(one, WindowFeatures):
                needs.update(dict.fromkeys((*one.names, *one.vectors), own))
            elif isinstance(one, FieldFeature):
                fields[one.name] = own
                width = self.vectors[one.name].width if one.name in self.vectors else 0
                needs.update(dict.fromkeys((one.name, *components(one.name, width)), own))
        for one in self.features:
            if isinstance(one, RowFeature):
                own = frozenset[Consent]() if one.consent is None else frozenset([one.consent])
                taken = (fields.get(name) or needs.get(name, own) for name in one.parameters)
                needs[one.name] = own.union(*taken)
        return tuple(needs[name] for name in self.names)

    def _check_consent(self, one: Feature) -> None:
        if one.consent is None:
            return
        grouped = one.consent.contract.by_name[one.consent.entity]
        asked = self.request.by_name.get(grouped.name)
        if asked is None or asked.kind != grouped.kind:
            found = "none" if asked is None else f"one of kind {asked.kind}"
            raise WrongFeature(
                f"consent by {grouped.name!r} ({grouped.kind}) needs that field in the request "
                f"{self.request.type.__name__}, which has {found}",
                f"add `{grouped.name}` to the request",
                one.place,
            )

    def _check_keys(self, view: WindowFeatures) -> None:
        for key in view.keys:
            grouped = named_field(view.stream.contract, key, view.place)
            asked = self.request.by_name.get(key)
            if asked is None or asked.kind != grouped.kind:
                found = "none" if asked is None else f"one of kind {asked.kind}"
                raise WrongFeature(
                    f"features by {key!r} ({grouped.kind}) need that field in the request "
                    f"{self.request.type.__name__}, which has {found}",
                    f"add `{key}` to the request or group by a field it has",
                    view.place,
                )

    def _check_field(self, one: FieldFeature) -> int:
        """Return the dimension of the field, 0 when it is no vector."""
        found = named_field(self.request, one.name, one.place)
        if found.kind in ("text", "time"):
            raise WrongFeature(
                f"field {one.name!r} is {found.kind} and a model takes numbers",
                "make a number of it in a @kp.feature function",
                one.place,
            )
        return found.dimension

    def _sources(
        self, row: RowFeature, at: int
    ) -> tuple[tuple[Callable[[Event], object] | None, int | VectorSlot], ...]:
        """Say where each parameter of a function comes from: the request or a feature."""
        sources: list[tuple[Callable[[Event], object] | None, int | VectorSlot]] = []
        later = {one.name for one in self.features[self._index_of(row) :]
                 if isinstance(one, RowFeature)}  # fmt: skip
        for name in row.parameters:
            if name in self.request.by_name:
                policy = self.request.by_name[name].personal
                if policy not in (None, "encrypt"):
                    raise WrongFeature(
                        f"feature {row.name!r} takes {name!r}, of which "
                        f"{'nothing' if policy == 'drop' else 'only a digest'} is stored",
                        "encrypt it, `kp.Personal()`: else no decision could be made again",
                        row.place,
                    )
                sources.append((attrgetter(name), 0))
            elif name in self.names and name not in later:
                sources.append((None, self.names.index(name)))
            elif name in self.vectors:
                sources.append((None, self.vectors[name]))
            else:
                raise WrongFeature(
                    f"feature {row.name!r} takes {name!r}, which is neither a field of "
                    f"{self.request.type.__name__} nor a feature before it",
                    f"use one of {', '.join([*self.request.by_name, *self.names[:at]])}",
                    row.place,
                )
        return tuple(sources)

    def _index_of(self, row: RowFeature) -> int:
        return next(i for i, one in enumerate(self.features) if one is row)

    def _probe(self, row: RowFeature) -> None:
        """Call the function once, to hear of a time without a zone now and not in service."""
        arguments = [
            (0.5,) * self.vectors[name].width
            if name in self.vectors
            else _example(self.request.by_name.get(name))
            for name in row.parameters
        ]
        with contextlib.suppress(*NOT_COMPUTABLE):
            try:
                row.function(*arguments)
            except NaiveTime as error:
                raise WrongFeature(
                    f"feature {row.name!r}: {error.text} has no time zone",
                    "name one, as in `at.in_zone('Asia/Kolkata').hour`",
                    row.place,
                ) from error
            except AttributeError as error:
                raise WrongFeature(
                    f"feature {row.name!r}: {error}", "use what the field has", row.place
                ) from error


def _side_by_side(slots: Sequence[tuple[str, int]]) -> Iterator[_Fields]:
    """Gather fields whose features lie side by side."""
    for _, run in groupby(enumerate(slots), key=lambda one: one[1][1] - one[0]):
        fields = [slot for _, slot in run]
        names = [name for name, _ in fields]
        each = tuple((attrgetter(name), at) for name, at in fields)
        get_all = attrgetter(*names) if len(names) > 1 else None
        yield _Fields(get_all, Struct(f"={len(names)}d"), fields[0][1], each)


def _example(field: Field | None) -> object:
    if field is None:
        return 1.0
    if field.kind == "vector":
        return (0.5,) * field.dimension
    return field.choices[0] if field.choices else _EXAMPLES[field.kind]
