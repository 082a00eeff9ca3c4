"""How features are declared: streams, windows over them, row features, labels.

    transactions = kp.stream(Transaction)
    spend = transactions.by("customer").over("1d", "7d").features(mean=kp.mean("amount"))
    limits = profiles.by("customer").latest("limit", max_age="90d")

A wrong declaration is an error at import that names the line and the mend. Declarations
hold no data; `FeatureSet` (feature_set.py) resolves them against a request.
"""

import difflib
import inspect
import math
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from kingpost.contracts import Contract, Event, Field, contract_of
from kingpost.core import Place, caller_place
from kingpost.features.about import UNDESCRIBED, About
from kingpost.features.aggregates import Aggregate, ExactAggregate, Ratio, Reduction
from kingpost.features.consent import Consent
from kingpost.features.errors import LeakingLabel, WrongFeature
from kingpost.features.filters import Filter, Value, checked_filters
from kingpost.features.windows import (
    Window,
    delay_of,
    refuse_beyond,
    retention_of,
    sliding,
    tumbling,
)

__all__ = [
    "Feature",
    "FieldFeature",
    "Filtered",
    "Keyed",
    "Label",
    "RowFeature",
    "Stream",
    "WindowFeatures",
    "Windowed",
    "components",
    "feature",
    "field",
    "named_field",
    "stream",
]

E = TypeVar("E", bound=Event)
E_co = TypeVar("E_co", bound=Event, covariant=True)


def named_field(contract: Contract[Event], name: str, place: Place) -> Field:
    """Return a field by its name.

    Raises:
        WrongFeature: The contract has none of that name, the nearest one is suggested; or
            it is personal.
    """
    found = contract.by_name.get(name)
    if found is None:
        near = difflib.get_close_matches(name, contract.by_name, n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(contract.by_name)}"
        raise WrongFeature(f"{contract.type.__name__} has no field {name!r}", mend, place)
    if found.personal:
        raise WrongFeature(
            f"field {name!r} of {contract.type.__name__} is personal, and what features and labels "
            "hold lies in snapshots, records and training sets",
            "use another field; an encrypted one of the request may be taken by a @kp.feature",
            place,
        )
    return found


@dataclass(frozen=True)
class Stream(Generic[E_co]):
    """A stream of events of one type, in the order in which we came to hold them.

    Attributes:
        retention_us: How long windows hold an event; None for as long as it is not erased.
    """

    contract: Contract[E_co]
    place: Place
    retention_us: int | None = None

    @property
    def name(self) -> str:
        """The stream's name: its contract's."""
        return self.contract.name

    def by(self, *keys: str) -> "Keyed":
        """Group the stream by a field, such as the customer, or by several together.

        Raises:
            WrongFeature: There is no such field, or it cannot be a key.
        """
        return _keyed(self, (), keys, caller_place())

    def where(
        self,
        field: str,
        *,
        equals: Value | None = None,
        above: float | None = None,
        below: float | None = None,
        one_of: Iterable[Value] | None = None,
    ) -> "Filtered":
        """Look only at events that meet a condition on a field; one without a value does not.

        Args:
            above: An exclusive limit, of a number.
            below: An exclusive limit, of a number.

        Raises:
            WrongFeature: There is no such field, or it can never meet the condition.
        """
        place = caller_place()
        found = named_field(self.contract, field, place)
        return Filtered(
            self,
            checked_filters(
                self.contract, found, place, equals=equals, above=above, below=below, one_of=one_of
            ),
        )

    def label(self, field: str) -> "Label":
        """Declare that a field of this stream is what a model learns to predict.

        The stream's key is the key of the event that the label belongs to.

        Raises:
            WrongFeature: There is no such field, or it is neither boolean nor numeric.
            LeakingLabel: The stream does not say when a label became known.
        """
        place = caller_place()
        found = named_field(self.contract, field, place)
        if found.kind not in ("boolean", "integer", "number"):
            raise WrongFeature(f"label {field!r} is {found.kind}", "use a bool or a number", place)
        if self.contract.known_time is None:
            raise LeakingLabel(
                f"{self.contract.type.__name__} does not say when a label became known, "
                "so training could use it before it was",
                "add `known_at: kp.KnownTime`",
                place,
            )
        return Label(self, field)


def stream(event: type[E], *, retention: str | timedelta | None = None) -> Stream[E]:
    """Declare the stream of an event type.

    Args:
        retention: How long windows hold an event, by its time, as `"400d"`; older ones are let
            go. No window over the stream may look back farther. It changes no value: what it
            leaves beyond the longest window is how late a request may come. None holds all.

    Raises:
        BadContract: The type cannot be a contract.
        WrongFeature: The retention is no length of time, or shorter than a second.
    """
    place = caller_place()
    return Stream(contract_of(event), place, retention_of(retention, place))


@dataclass(frozen=True)
class Label:
    """What a model learns to predict, known some time after the event it belongs to."""

    stream: Stream[Event]
    field: str


@dataclass(frozen=True)
class Filtered:
    """The events of a stream that meet some conditions, all of them."""

    stream: Stream[Event]
    filters: tuple[Filter, ...]

    def by(self, *keys: str) -> "Keyed":
        """Group the events that pass, as `Stream.by` does.

        Raises:
            WrongFeature: There is no such field, or it cannot be a key.
        """
        return _keyed(self.stream, self.filters, keys, caller_place())

    def where(
        self,
        field: str,
        *,
        equals: Value | None = None,
        above: float | None = None,
        below: float | None = None,
        one_of: Iterable[Value] | None = None,
    ) -> "Filtered":
        """Add a condition, as `Stream.where` does.

        Raises:
            WrongFeature: There is no such field, or it can never meet the condition.
        """
        place = caller_place()
        contract = self.stream.contract
        found = named_field(contract, field, place)
        more = checked_filters(
            contract, found, place, equals=equals, above=above, below=below, one_of=one_of
        )
        return Filtered(self.stream, (*self.filters, *more))


def _keyed(
    stream: Stream[Event], filters: tuple[Filter, ...], keys: tuple[str, ...], place: Place
) -> "Keyed":
    if not keys or len(set(keys)) < len(keys):
        raise WrongFeature(
            "a group needs a key, and each once", 'as in `.by("customer", "shop")`', place
        )
    for key in keys:
        found = named_field(stream.contract, key, place)
        if found.kind not in ("text", "integer") or found.optional:
            raise WrongFeature(
                f"{key!r} is {'optional' if found.optional else found.kind} and cannot be a key",
                "group by a str or int field that is always there",
                place,
            )
    return Keyed(stream, keys, tuple(sorted(set(filters), key=repr)))


@dataclass(frozen=True)
class Keyed:
    """A stream grouped by key fields.

    Attributes:
        filters: The conditions that its events meet, in ascending order.
    """

    stream: Stream[Event]
    keys: tuple[str, ...]
    filters: tuple[Filter, ...] = ()

    def over(
        self,
        *windows: str | timedelta,
        delay: str | timedelta | None = None,
    ) -> "Windowed":
        """Look back over windows of time, each (t − window, t] for a request at t.

        Args:
            windows: Lengths, as `"1d"`; `"all"` is all time.
            delay: End every window this long before the request: (t − delay − window,
                t − delay]. Streams of labels need one.

        Raises:
            WrongFeature: A window is empty or given twice, or none is given, or one looks back
                farther than the stream's retention.
            LeakingLabel: The stream becomes known later and no delay is given.
        """
        place = caller_place()
        found = sliding(windows, self._delay_us(delay, place), place)
        self._refuse_beyond(found, place, 'look over at most "{}"')
        return Windowed(self, found)

    def tumbling(
        self,
        *windows: str | timedelta,
        delay: str | timedelta | None = None,
    ) -> "Windowed":
        """Look at the last whole one of windows that follow one another, by UTC.

        At 12:34 the window of `"1h"` is [11:00, 12:00). Its features' names end in
        `_tumbling`.

        Args:
            windows: Lengths, as `"1h"`; they begin at multiples of it since 1970.
            delay: As in `over`; a whole number of windows.

        Raises:
            WrongFeature: As `over`, or the delay cuts a window.
            LeakingLabel: The stream becomes known later and no delay is given.
        """
        place = caller_place()
        found = tumbling(windows, self._delay_us(delay, place), place)
        self._refuse_beyond(found, place, 'reach back at most "{}": twice a window, and its delay')
        return Windowed(self, found)

    def latest(
        self,
        *fields: str,
        max_age: str | timedelta = "all",
        delay: str | timedelta | None = None,
        default: float = math.nan,
    ) -> "WindowFeatures":
        """Look up fields of the latest event of the key, as of the request's own time.

        A feature is named `<key>_<field>`. Any number, integer or boolean can be looked up,
        also one without a resolution; a text of declared choices gives its place among
        them; a vector gives `<key>_<field>_0` and on, one number each. A field without a
        value in that event is NaN.

        Args:
            max_age: An older event counts as none.
            delay: As in `over`.
            default: The value when there is no event.

        Raises:
            WrongFeature: A field is missing or free text, or none is given, or `max_age` and
                `delay` are longer than the stream's retention.
            LeakingLabel: The stream becomes known later and no delay is given.
        """
        place = caller_place()
        if not fields or len(set(fields)) < len(fields):
            raise WrongFeature(
                "a look-up needs fields, and each once", 'as in `.latest("limit")`', place
            )
        ages = sliding((max_age,), self._delay_us(delay, place), place)
        self._refuse_beyond(ages, place, 'give `max_age`, at most "{}"')
        windowed = Windowed(self, ages)
        found = {name: ExactAggregate("last", name, default, place) for name in fields}
        for name, one in found.items():
            _check_read(named_field(self.stream.contract, name, place), one)
        return WindowFeatures(windowed, found, place, is_look_up=True)

    def consent(self, field: str, *, purpose: str) -> Consent:
        """Declare that the stream says who consents to a purpose, for `kp.consented`.

        Args:
            field: A boolean: true where consent is given, false where it is taken back.
            purpose: What for, as records name it.

        Raises:
            WrongFeature: The stream is grouped by several fields or has a retention, the field
                is missing, not boolean or may have no value, or the purpose is no name.
        """
        place = caller_place()
        contract = self.stream.contract
        found = named_field(contract, field, place)
        entity, *others = self.keys
        if others:
            raise WrongFeature(
                f"consent is given by one entity, and {', '.join(self.keys)} are several fields",
                'group by one, as in `.by("customer")`',
                place,
            )
        if self.stream.retention_us is not None:
            raise WrongFeature(
                f"consents of {contract.name!r} would be let go for their age, and whoever gave one "
                "would no longer consent",
                "leave out the `retention` of a stream that says who consents",
                place,
            )
        if found.kind != "boolean" or found.optional:
            raise WrongFeature(
                f"{field!r} is {'optional' if found.optional else found.kind} and does not say "
                "whether consent is given",
                "use a bool that is always there",
                place,
            )
        if not purpose or purpose != purpose.strip() or not purpose.isprintable():
            raise WrongFeature(
                f"purpose {purpose!r} is no name", 'as in `purpose="marketing"`', place
            )
        return Consent(purpose, contract.name, entity, self.filters, field, contract, place)

    def _refuse_beyond(self, windows: tuple[Window, ...], place: Place, mend: str) -> None:
        stream = self.stream
        refuse_beyond(stream.retention_us, windows, stream.name, place, mend)

    def _delay_us(self, delay: str | timedelta | None, place: Place) -> int:
        if delay is None and self.stream.contract.known_time is not None:
            raise LeakingLabel(
                f"{self.stream.contract.type.__name__} becomes known after it happened, and a "
                "window without a delay would see it before",
                'say how long to wait: `delay="7d"`',
                place,
            )
        return delay_of(delay, place)


@dataclass(frozen=True)
class Windowed:
    """A grouped stream seen through windows."""

    keyed: Keyed
    windows: tuple[Window, ...]

    def features(self, **aggregates: Reduction) -> "WindowFeatures":
        """Reduce each window, one feature per aggregate and window.

        A feature is named `<key>_<aggregate's name here>_<window>`: `customer_mean_7d`.

        Raises:
            WrongFeature: An aggregate names a field that is missing, not numeric or
                without a resolution.
        """
        place = caller_place()
        contract = self.keyed.stream.contract
        if not aggregates:
            raise WrongFeature("no aggregate is given", "as in `count=kp.count()`", place)
        for one in aggregates.values():
            parts = (one.numerator, one.denominator) if isinstance(one, Ratio) else (one,)
            for part in parts:
                if part.field is not None:
                    _check_aggregated(named_field(contract, part.field, part.place), part)
        return WindowFeatures(self, aggregates, place)


_BY_IDENTITY = ("count", "distinct")
_BY_PLACE = ("first", "last", "top")
_OF_VECTORS = ("count", "first", "last")


def _check_aggregated(found: Field, one: Aggregate) -> None:
    if found.kind == "vector" and one.operation not in _OF_VECTORS:
        raise WrongFeature(
            f"{one.call}: {found.name!r} is a vector, of which a window gives no {one.operation}",
            "take kp.last, kp.first or kp.count of it, or a number made of it at the source",
            one.place,
        )
    if one.operation in _BY_IDENTITY and found.kind != "time":
        return
    if one.operation in ("first", "last"):
        _check_read(found, one)
        return
    if found.kind == "time" or (found.kind == "text" and one.operation not in _BY_PLACE):
        raise WrongFeature(
            f"{one.call}: {found.name!r} is {found.kind}, a window needs a number",
            "aggregate a float with a resolution, an int or a bool",
            one.place,
        )
    if found.kind == "text":
        _check_read(found, one)
    elif not found.is_exact:
        raise WrongFeature(
            f"{one.call}: {found.name!r} has no resolution, so its sum would depend on the "
            "order of events",
            f"declare the last digit that counts: `{found.name}: "
            'Annotated[float, kp.Resolution("0.01")]`',
            one.place,
        )


def _check_read(found: Field, one: Aggregate) -> None:
    """Check a field whose values are given as they are."""
    if found.kind == "time" or (found.kind == "text" and not found.choices):
        raise WrongFeature(
            f"{one.call}: {found.name!r} is {found.kind} and a model takes numbers",
            'declare its choices, as in `Literal["web", "shop"]`, or take kp.distinct of it',
            one.place,
        )


@dataclass(frozen=True)
class WindowFeatures:
    """Several aggregates over several windows of one grouped stream.

    Attributes:
        is_look_up: Whether they are the fields of the latest event, named without a window.
    """

    windowed: Windowed
    aggregates: Mapping[str, Reduction]
    place: Place
    is_look_up: bool = False
    about: About = UNDESCRIBED
    consent: Consent | None = None

    @property
    def stream(self) -> Stream[Event]:
        """The stream that is aggregated."""
        return self.windowed.keyed.stream

    @property
    def keys(self) -> tuple[str, ...]:
        """The fields that the stream is grouped by."""
        return self.windowed.keyed.keys

    @property
    def key(self) -> str:
        """The key as the features are named by it."""
        return "_".join(self.keys)

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, window by window."""
        found: list[str] = []
        vectors = self.vectors
        for name in self.groups:
            found += components(name, vectors[name]) if name in vectors else [name]
        return tuple(found)

    @property
    def vectors(self) -> dict[str, int]:
        """The vectors among the features, with their dimensions."""
        reduced = {name: self.dimension_of(one) for name, one in self.groups.items()}
        return {name: dimension for name, dimension in reduced.items() if dimension}

    @property
    def groups(self) -> dict[str, Reduction]:
        """What each number and each vector is, by name, window by window."""
        if self.is_look_up:
            return {f"{self.key}_{name}": one for name, one in self.aggregates.items()}
        return {
            f"{self.key}_{part}_{window.text}": one
            for window in self.windowed.windows
            for name, one in self.aggregates.items()
            for part in _parts(name, one)
        }

    def dimension_of(self, one: Reduction) -> int:
        """Return how many features an aggregate gives as one vector; 0 when it gives none."""
        if not isinstance(one, Aggregate) or one.field is None or one.operation == "count":
            return 0
        return self.stream.contract.by_name[one.field].dimension

    @property
    def description(self) -> dict[str, object]:
        """What the values depend on, for the feature's digest."""
        windows, filters = self.windowed.windows, self.windowed.keyed.filters
        found: dict[str, object] = {
            "stream": self.stream.contract.digest,
            "key": self.keys[0] if len(self.keys) == 1 else self.keys,
            "windows_us": [window.length_us for window in windows],
            "delay_us": windows[0].delay_us,
            "aggregates": [(name, *one.description) for name, one in self.aggregates.items()],
        }
        if filters:
            found["filters"] = [one.description for one in filters]
        if windows[0].is_tumbling:
            found["is_tumbling"] = True
        if self.is_look_up:
            found["is_look_up"] = True
        return found | _consent_of(self.consent)


def _consent_of(consent: Consent | None) -> dict[str, object]:
    return {} if consent is None else {"consent": consent.description}


def _parts(name: str, one: Reduction) -> tuple[str, ...]:
    """Name the values of one aggregate: several for the most frequent ones."""
    if isinstance(one, Aggregate) and one.operation == "top":
        return tuple(f"{name}_{rank}" for rank in range(1, one.argument + 1))
    return (name,)


def components(name: str, dimension: int) -> list[str]:
    """Name the numbers of a vector."""
    return [f"{name}_{at}" for at in range(dimension)]


@dataclass(frozen=True)
class FieldFeature:
    """A field of the request, as it is."""

    name: str
    place: Place
    about: About = UNDESCRIBED
    consent: Consent | None = None

    @property
    def description(self) -> dict[str, object]:
        """What the value depends on."""
        return {"field": self.name, **_consent_of(self.consent)}


def field(name: str) -> FieldFeature:
    """Use a field of the request as a feature; a vector as one feature for each number."""
    return FieldFeature(name, caller_place())


@dataclass(frozen=True)
class RowFeature:
    """A Python function of the request's fields and of features before it.

    Attributes:
        parameters: The names the function takes, each a field of the request or a feature.
    """

    name: str
    function: Callable[..., float]
    parameters: tuple[str, ...]
    place: Place
    about: About = UNDESCRIBED
    consent: Consent | None = None

    @property
    def description(self) -> dict[str, object]:
        """What the value depends on: the function's source."""
        return {"function": inspect.getsource(self.function), **_consent_of(self.consent)}


def feature(function: Callable[..., float]) -> RowFeature:
    """Make a feature of a function; its parameters are fields or features by name.

    Raises:
        WrongFeature: It takes something other than named values, or says it returns
            something that is not a number.
    """
    place = Place(function.__code__.co_filename, function.__code__.co_firstlineno)
    name = function.__name__
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            raise WrongFeature(
                f"feature {name!r} takes {parameter}", "take fields by their plain names", place
            )
    returned = typing.get_type_hints(function).get("return", float)
    if returned not in (bool, int, float):
        raise WrongFeature(f"feature {name!r} returns {returned}", "return a number", place)
    return RowFeature(name, function, tuple(inspect.signature(function).parameters), place)


Feature = WindowFeatures | FieldFeature | RowFeature
