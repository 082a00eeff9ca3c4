"""The words an event is declared with.

    class Transaction(kp.Event):
        id: kp.Key[str]
        at: kp.EventTime
        amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]
        embedding: Annotated[kp.Vector, kp.Dimension(384)]

Reading the declaration is `contract_of`'s work.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, ClassVar, Literal, TypeVar, dataclass_transform

import msgspec

from kingpost.contracts.instant import Instant
from kingpost.core import KingpostError, Place, caller_place

__all__ = [
    "GREATEST_DIMENSION",
    "BadDimension",
    "BadResolution",
    "Dimension",
    "Event",
    "EventTime",
    "Key",
    "KnownTime",
    "Length",
    "Personal",
    "Range",
    "Resolution",
    "Subject",
    "Vector",
]

Value = TypeVar("Value")


@dataclass(frozen=True)
class Role:
    """What a field is for, beyond its type."""

    name: Literal["key", "event_time", "known_time"]


Key = Annotated[Value, Role("key")]
"""The identity of an event: a second one with the same key is a duplicate."""

EventTime = Annotated[Instant, Role("event_time")]
"""When it happened."""

KnownTime = Annotated[Instant, Role("known_time")]
"""When we learned it, for events that become known later, such as labels."""


class SubjectMark:
    """Marks the field that names whom an event is about."""

    __slots__ = ()


Subject = Annotated[Value, SubjectMark()]
"""Whom the personal fields of an event are about; who is erased is named by it."""

Policy = Literal["encrypt", "digest", "drop"]


@dataclass(frozen=True)
class Personal:
    """Content about a person: `Annotated[str, kp.Personal()]`.

    Attributes:
        policy: What is stored of it: `"encrypt"`, under the key of the event's `Subject`;
            `"digest"`, a keyed digest only; `"drop"`, nothing.
    """

    policy: Policy = "encrypt"


def Range(
    *,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
) -> msgspec.Meta:
    """Bound a number: at least `ge`, above `gt`, at most `le`, below `lt`."""
    return msgspec.Meta(ge=ge, gt=gt, le=le, lt=lt)  # pyright: ignore[reportCallIssue, reportArgumentType]: its stub forbids even None beside another bound


def Length(*, at_least: int = 0, at_most: int) -> msgspec.Meta:
    """Bound the number of characters of a text."""
    return msgspec.Meta(min_length=at_least, max_length=at_most)


class BadResolution(KingpostError):
    """A resolution that is not a power of ten."""

    code = "bad_resolution"

    def __init__(self, text: str, place: Place) -> None:
        super().__init__(text, place)
        self.text, self.place = text, place

    def __str__(self) -> str:
        return (
            f"{self.place}\n  Resolution({self.text!r}) is not a power of ten from 1 to "
            "0.000000001; write the last digit that counts, such as Resolution('0.01') for cents"
        )


class Resolution:
    """The last digit of a number that counts, as a power of ten: `Resolution("0.01")`.

    Windowed sums, means and comparisons are computed on whole multiples of it, so they
    are exact and do not depend on the order of events. A value between two multiples is
    rounded to the nearer one, half to even.
    """

    __slots__ = ("digits",)
    digits: int

    def __init__(self, step: str) -> None:
        try:
            sign, figures, exponent = Decimal(step).as_tuple()
        except InvalidOperation:
            raise BadResolution(step, caller_place()) from None
        if sign or figures != (1,) or not isinstance(exponent, int) or not -9 <= exponent <= 0:
            raise BadResolution(step, caller_place())
        self.digits = -exponent


GREATEST_DIMENSION = 4096
"""No vector is longer: each of its numbers is a feature, a column and part of every record."""

Vector = tuple[float, ...]
"""Numbers that belong together, such as an embedding; `Dimension` says how many."""


class BadDimension(KingpostError):
    """A number of numbers that no vector can have."""

    code = "bad_dimension"

    def __init__(self, size: object, place: Place) -> None:
        super().__init__(size, place)
        self.size, self.place = size, place

    def __str__(self) -> str:
        return (
            f"{self.place}\n  Dimension({self.size!r}) is not a whole number from 1 to "
            f"{GREATEST_DIMENSION:,}; write how many numbers each vector has, such as Dimension(384)"
        )


class Dimension:
    """How many numbers a vector has: `Annotated[kp.Vector, kp.Dimension(384)]`.

    Each of them is finite and is rounded to float32 when it is read.
    """

    __slots__ = ("size",)
    size: int

    def __init__(self, size: int) -> None:
        if type(size) is not int or not 1 <= size <= GREATEST_DIMENSION:
            raise BadDimension(size, caller_place())
        self.size = size


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class _EventType(msgspec.StructMeta):
    """Makes every event type frozen and its fields named, as type checkers see it too."""

    def __new__(  # noqa: PYI034 a metaclass may not say Self
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, object]
    ) -> "_EventType":
        return super().__new__(
            mcls, name, bases, namespace, frozen=True, kw_only=True, forbid_unknown_fields=True
        )


class Event(msgspec.Struct, metaclass=_EventType):
    """Something that happened, once. Subclass it and annotate the fields, in any order."""

    declared_at: ClassVar[Place] = Place("kingpost", 0)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.declared_at = caller_place()
