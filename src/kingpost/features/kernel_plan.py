"""How declared windows are put to the kernel: integer edges, columns, outputs.

Windows over the same events share one state: the same stream, key fields and filters are
one `Source`. A feature is one output of one source, or one output over another.

The rule: what a feature's value is does not depend on what else is planned beside it.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from kingpost.contracts import Contract, Event, Field
from kingpost.features.aggregates import Aggregate, Ratio
from kingpost.features.consent import Consent
from kingpost.features.declare import WindowFeatures
from kingpost.features.errors import WrongFeature
from kingpost.features.filters import Filter
from kingpost.features.kernel_columns import Encoding, KernelColumn, packed_default
from kingpost.features.windows import ALL_TIME_US, Window

__all__ = [
    "Division",
    "KernelOutput",
    "KernelPlan",
    "Source",
    "Take",
    "Unpack",
    "Value",
    "WindowPlan",
    "moves_of",
    "sources_of",
    "unpacks_of",
]

KernelOutput = tuple[str, int, int, int, float, int, int]
"""(operation, column, far_us, near_us, default, argument, align_us)."""


@dataclass(frozen=True)
class Source:
    """The events that one state of the kernel holds.

    Attributes:
        keys: The fields they are grouped by.
        filters: The conditions they meet, in ascending order.
        consent: What their entities consent to; None where they need not.
    """

    stream: str
    keys: tuple[str, ...]
    filters: tuple[Filter, ...]
    consent: Consent | None = None


@dataclass(frozen=True)
class KernelPlan:
    """The kernel's view of one source.

    Attributes:
        columns: The value columns, in the kernel's order.
        outputs: One per value that is read; a window is (t − far, t − near], or with an
            alignment the last such one that is complete.
        retention_us: How long events are held; None for as long as they are not erased.
    """

    contract: Contract[Event]
    columns: tuple[KernelColumn, ...]
    outputs: tuple[KernelOutput, ...]
    retention_us: int | None = None

    @property
    def scales(self) -> Sequence[int]:
        """Multiples of each column in one unit; 0 for opaque bits."""
        return [column.scale for column in self.columns]

    def events_digest(self, source: Source) -> str:
        """Digest what the events held depend on: contract, keys, filters, columns, consent and
        retention.

        What is read of them, outputs and windows, is left out: other windows over the same
        events find them as they were.
        """
        parts: tuple[object, ...] = (
            self.contract.digest,
            source.keys,
            [one.description for one in source.filters],
            [(column.field.name, column.encoding) for column in self.columns],
        )
        if source.consent is not None:
            parts = (*parts, source.consent.description)
        if self.retention_us is not None:
            parts = (*parts, f"held for {self.retention_us} us")
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


class Take(NamedTuple):
    """A feature that is one output of a source, by its place among them."""

    source: Source
    output: int


class Division(NamedTuple):
    """A feature that is one output over another; `default` when that is zero."""

    numerator: Take
    denominator: Take
    default: float


class Unpack(NamedTuple):
    """The features of a vector: outputs of a source side by side, two numbers in each.

    Attributes:
        first, end: The outputs.
        width: How many numbers they are.
    """

    source: Source
    first: int
    end: int
    width: int


Value = Take | Division | Unpack
"""Where a feature comes from, or all those of one vector."""


@dataclass(frozen=True)
class WindowPlan:
    """Groups of windowed features, planned together.

    Attributes:
        sources: What is read, in the order in which it was first asked for.
        values: Where the features of each group come from, in the order of its names; one
            value for all of a vector.
        consents: Where each consent is looked up: 1 is given, 0 is not.
    """

    sources: Mapping[Source, KernelPlan]
    values: Sequence[tuple[WindowFeatures, tuple[Value, ...]]]
    consents: Mapping[Consent, Take]

    @classmethod
    def of(cls, views: Iterable[WindowFeatures], consents: Iterable[Consent] = ()) -> "WindowPlan":
        """Plan groups of windowed features; a group given twice is planned once.

        Args:
            consents: To look up as well, as online.

        Raises:
            WrongFeature: A stream is declared twice, with another retention.
        """
        growing: dict[Source, _Growing] = {}
        once = {id(view): view for view in views}.values()
        _check_retentions(once)
        values = [(view, tuple(_values_of(view, growing))) for view in once]
        looked_up = {one: _looked_up(one, growing) for one in consents}
        return cls({source: one.finish() for source, one in growing.items()}, values, looked_up)

    def placed(self, views: Iterable[tuple[WindowFeatures, int]]) -> list[tuple[int, Value]]:
        """Return where features come from, by their place; a vector by that of its first.

        Args:
            views: Some of the groups, with the place of the first feature of each.

        Raises:
            KeyError: A group was not planned.
        """
        planned = {id(view): values for view, values in self.values}
        found: list[tuple[int, Value]] = []
        for view, at in views:
            for one in planned[id(view)]:
                found.append((at, one))
                at += one.width if isinstance(one, Unpack) else 1
        return found


def _check_retentions(views: Iterable[WindowFeatures]) -> None:
    found: dict[str, int | None] = {}
    for view in views:
        stream = view.stream
        if found.setdefault(stream.name, stream.retention_us) != stream.retention_us:
            raise WrongFeature(
                f"the stream {stream.name!r} is declared twice, with another retention",
                "declare it once, and use that one everywhere",
                view.place,
            )


def sources_of(values: Iterable[tuple[int, Value]]) -> dict[Source, None]:
    """Return the sources that features are read from, in the order of the features."""
    return dict.fromkeys(
        part.source
        for _, one in values
        for part in ((one.numerator, one.denominator) if isinstance(one, Division) else (one,))
    )


def unpacks_of(source: Source, values: Iterable[tuple[int, Value]]) -> list[tuple[int, Unpack]]:
    """Return the vectors that come from a source, by the place of their first feature."""
    return [(at, one) for at, one in values if isinstance(one, Unpack) and one.source == source]


def moves_of(source: Source, values: Iterable[tuple[int, Value]]) -> list[tuple[int, int, int]]:
    """Gather the outputs of a source that lie side by side, as their features do, into moves.

    Returns:
        (first, end) among the outputs and the place of the first one among the features.
    """
    moves: list[tuple[int, int, int]] = []
    for at, one in values:
        if not isinstance(one, Take) or one.source != source:
            continue
        if moves:
            first, end, place = moves[-1]
            if one.output == end and at == place + end - first:
                moves[-1] = (first, end + 1, place)
                continue
        moves.append((one.output, one.output + 1, at))
    return moves


@dataclass
class _Growing:
    """A plan to which outputs are still added; an output asked for again is shared."""

    contract: Contract[Event]
    retention_us: int | None
    columns: dict[tuple[str, Encoding, int], KernelColumn] = field(default_factory=dict)
    outputs: dict[tuple[object, ...], tuple[int, KernelOutput]] = field(default_factory=dict)

    def column(self, one: Field, encoding: Encoding, part: int = 0) -> int:
        column = self.columns.setdefault(
            (one.name, encoding, part), KernelColumn(one, encoding, part)
        )
        return list(self.columns.values()).index(column)

    def output(self, output: KernelOutput) -> int:
        # the default by its text: -0.0 is not 0.0, and NaN is NaN
        same = (*output[:4], repr(output[4]), *output[5:])
        return self.outputs.setdefault(same, (len(self.outputs), output))[0]

    def finish(self) -> KernelPlan:
        return KernelPlan(
            self.contract,
            tuple(self.columns.values()),
            tuple(output for _, output in self.outputs.values()),
            self.retention_us,
        )


def _values_of(view: WindowFeatures, growing: dict[Source, _Growing]) -> Iterator[Value]:
    for window in view.windowed.windows:
        for one in view.aggregates.values():
            if isinstance(one, Ratio):
                yield Division(
                    _take(view, one.numerator, window, growing),
                    _take(view, one.denominator, window, growing),
                    one.default,
                )
            elif dimension := view.dimension_of(one):
                pairs = [
                    _take(view, one, window, growing, part=part)
                    for part in range((dimension + 1) // 2)
                ]
                first, last = pairs[0], pairs[-1]
                yield Unpack(first.source, first.output, last.output + 1, dimension)
            elif one.operation == "top":
                for rank in range(1, one.argument + 1):
                    yield _take(view, one, window, growing, argument=rank)
            else:
                yield _take(view, one, window, growing)


def _take(
    view: WindowFeatures,
    one: Aggregate,
    window: Window,
    growing: dict[Source, _Growing],
    *,
    argument: int | None = None,
    part: int = 0,
) -> Take:
    contract, keyed = view.stream.contract, view.windowed.keyed
    found = None if one.field is None else contract.by_name[one.field]
    filters = set(keyed.filters)
    if found is not None and found.optional and not view.is_look_up:
        filters.add(Filter(found.name, "present"))
    ordered = tuple(sorted(filters, key=repr))
    source = Source(contract.name, keyed.keys, ordered, view.consent)
    plan = growing.setdefault(source, _Growing(contract, view.stream.retention_us))
    column = -1
    if found is not None and one.operation != "count":
        column = plan.column(found, _encoding(found, one, is_look_up=view.is_look_up), part)
    default = packed_default(one.default) if view.dimension_of(one) else one.default
    return Take(
        source,
        plan.output(
            (
                one.operation,
                column,
                window.far_us,
                window.near_us,
                default,
                one.argument if argument is None else argument,
                window.align_us,
            )
        ),
    )


def _looked_up(consent: Consent, growing: dict[Source, _Growing]) -> Take:
    source = Source(consent.stream, (consent.entity,), consent.filters)
    plan = growing.setdefault(source, _Growing(consent.contract, None))
    column = plan.column(consent.contract.by_name[consent.field], "multiple")
    return Take(source, plan.output(("last", column, ALL_TIME_US, 0, 0.0, 0, 0)))


def _encoding(found: Field, one: Aggregate, *, is_look_up: bool) -> Encoding:
    if found.kind == "vector":
        return "pair"
    if is_look_up and found.optional:
        return "bits"
    if found.kind == "text":
        return "hash" if one.operation == "distinct" else "choice"
    return "multiple" if found.is_exact else "bits"
