"""How features are declared: streams, windows over them, row features, labels.

    transactions = kp.stream(Transaction)
    spend = transactions.by("customer").over("1d", "7d").features(mean=kp.mean("amount"))

A wrong declaration is an error at import that names the line and the mend. Declarations
hold no data; `FeatureSet` (feature_set.py) resolves them against a request.
"""

import difflib
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from kingpost.contracts import Contract, Event, Field, contract_of
from kingpost.core import BadDuration, Place, caller_place, duration_text, duration_us
from kingpost.features.about import UNDESCRIBED, About
from kingpost.features.aggregates import Aggregate
from kingpost.features.errors import LeakingLabel, WrongFeature

__all__ = [
    "Feature",
    "FieldFeature",
    "Keyed",
    "Label",
    "RowFeature",
    "Stream",
    "WindowFeatures",
    "Windowed",
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
        WrongFeature: The contract has none of that name; the nearest one is suggested.
    """
    found = contract.by_name.get(name)
    if found is None:
        near = difflib.get_close_matches(name, contract.by_name, n=1)
        mend = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(contract.by_name)}"
        raise WrongFeature(f"{contract.type.__name__} has no field {name!r}", mend, place)
    return found


@dataclass(frozen=True)
class Stream(Generic[E_co]):
    """A stream of events of one type, in the order in which we came to hold them."""

    contract: Contract[E_co]
    place: Place

    @property
    def name(self) -> str:
        """The stream's name: its contract's."""
        return self.contract.name

    def by(self, key: str) -> "Keyed":
        """Group the stream by a field, such as the customer.

        Raises:
            WrongFeature: There is no such field, or it cannot be a key.
        """
        place = caller_place()
        found = named_field(self.contract, key, place)
        if found.kind not in ("text", "integer") or found.optional:
            raise WrongFeature(
                f"{key!r} is {'optional' if found.optional else found.kind} and cannot be a key",
                "group by a str or int field that is always there",
                place,
            )
        return Keyed(self, key)

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


def stream(event: type[E]) -> Stream[E]:
    """Declare the stream of an event type.

    Raises:
        BadContract: The type cannot be a contract.
    """
    return Stream(contract_of(event), caller_place())


@dataclass(frozen=True)
class Label:
    """What a model learns to predict, known some time after the event it belongs to."""

    stream: Stream[Event]
    field: str


@dataclass(frozen=True)
class Keyed:
    """A stream grouped by a key field."""

    stream: Stream[Event]
    key: str

    def over(
        self,
        *windows: str | timedelta,
        delay: str | timedelta | None = None,
    ) -> "Windowed":
        """Look back over windows of time, each (t − window, t] for a request at t.

        Args:
            windows: Lengths, as `"1d"`.
            delay: End every window this long before the request: (t − delay − window,
                t − delay]. Streams of labels need one.

        Raises:
            WrongFeature: A window is empty or given twice, or none is given.
            LeakingLabel: The stream becomes known later and no delay is given.
        """
        place = caller_place()
        try:
            lengths = [duration_us(window) for window in windows]
            delay_us = 0 if delay is None else duration_us(delay)
        except BadDuration as error:
            raise WrongFeature(str(error), "write it so", place) from error
        if not lengths or min(lengths) == 0 or len(set(lengths)) < len(lengths):
            raise WrongFeature(
                "windows must be given, longer than zero and different", 'as in "1d", "7d"', place
            )
        if delay is None and self.stream.contract.known_time is not None:
            raise LeakingLabel(
                f"{self.stream.contract.type.__name__} becomes known after it happened, and a "
                "window without a delay would see it before",
                'say how long to wait: `delay="7d"`',
                place,
            )
        return Windowed(self, tuple(lengths), delay_us)


@dataclass(frozen=True)
class Windowed:
    """A grouped stream seen through windows."""

    keyed: Keyed
    windows_us: tuple[int, ...]
    delay_us: int

    def features(self, **aggregates: Aggregate) -> "WindowFeatures":
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
        for aggregate in aggregates.values():
            if aggregate.field is not None:
                _check_aggregated(contract, aggregate, aggregate.field)
        return WindowFeatures(self, aggregates, place)


def _check_aggregated(contract: Contract[Event], aggregate: Aggregate, name: str) -> None:
    found = named_field(contract, name, aggregate.place)
    call = f"kp.{aggregate.operation}({name!r})"
    if found.kind in ("text", "time"):
        raise WrongFeature(
            f"{call}: {name!r} is {found.kind}, a window needs a number",
            "aggregate a float with a resolution, an int or a bool",
            aggregate.place,
        )
    if not found.is_exact:
        raise WrongFeature(
            f"{call}: {name!r} has no resolution, so its sum would depend on the order of events",
            f"declare the last digit that counts: `{name}: "
            'Annotated[float, kp.Resolution("0.01")]`',
            aggregate.place,
        )
    if found.optional:
        raise WrongFeature(
            f"{call}: {name!r} may be missing",
            "give the field a default instead of `| None`",
            aggregate.place,
        )


@dataclass(frozen=True)
class WindowFeatures:
    """Several aggregates over several windows of one grouped stream."""

    windowed: Windowed
    aggregates: Mapping[str, Aggregate]
    place: Place
    about: About = UNDESCRIBED

    @property
    def stream(self) -> Stream[Event]:
        """The stream that is aggregated."""
        return self.windowed.keyed.stream

    @property
    def key(self) -> str:
        """The field that the stream is grouped by."""
        return self.windowed.keyed.key

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names, window by window."""
        return tuple(
            f"{self.key}_{name}_{duration_text(window)}"
            for window in self.windowed.windows_us
            for name in self.aggregates
        )

    @property
    def description(self) -> dict[str, object]:
        """What the values depend on, for the feature's digest."""
        return {
            "stream": self.stream.contract.digest,
            "key": self.key,
            "windows_us": self.windowed.windows_us,
            "delay_us": self.windowed.delay_us,
            "aggregates": [
                (name, one.operation, one.field, str(one.default))
                for name, one in self.aggregates.items()
            ],
        }


@dataclass(frozen=True)
class FieldFeature:
    """A field of the request, as it is."""

    name: str
    place: Place
    about: About = UNDESCRIBED

    @property
    def description(self) -> dict[str, object]:
        """What the value depends on."""
        return {"field": self.name}


def field(name: str) -> FieldFeature:
    """Use a field of the request as a feature."""
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

    @property
    def description(self) -> dict[str, object]:
        """What the value depends on: the function's source."""
        return {"function": inspect.getsource(self.function)}


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
