"""An hour, or a minute, of one bundle's decisions, in counts that add up.

An hour's summary counts the decisions whose requests happened in it, however late they
came, and, once they are known, their labels; a minute's counts those that were made while
the stream stood in it, and is what the windows of the monitors are made of. Reviews count
in the hour in which the stream stood when they were given. All counts are integers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.monitoring.counts import COLUMNS_AT, STAGES, STAGES_AT, Count, StageName
from kingpost.monitoring.errors import NewerSummary
from kingpost.monitoring.observations import OUTCOMES
from kingpost.monitoring.window import HOUR_US, MINUTE_US
from kingpost.records import Outcome
from kingpost.stats import HISTOGRAM_BINS, BinMismatch, LogHistogram

__all__ = [
    "Resolution",
    "Summary",
    "decode_summary",
    "encode_summary",
]

Resolution = Literal["minute", "hour"]
"""Whether a summary is of a minute or of an hour."""


@dataclass(frozen=True, eq=False, slots=True)
class Summary:
    """One bundle's decisions of one stretch of stream time.

    Attributes:
        bundle: Digest of the bundle that ran.
        start_us, resolution_us: Where the stretch begins, and how long it is.
        widths: Bins of each column, in the order of the profile's columns.
        counts: Int64, shape (COLUMNS_AT + sum(widths),).
    """

    tenant: str
    decision: str
    bundle: bytes
    start_us: int
    resolution_us: int
    widths: tuple[int, ...]
    counts: NDArray[np.int64]

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Summary)
            and self.place == other.place
            and self.widths == other.widths
            and np.array_equal(self.counts, other.counts)
        )

    __hash__ = None  # pyright: ignore[reportAssignmentType]  # the counts may be changed

    @property
    def place(self) -> tuple[str, str, bytes, int, int]:
        """What it is a summary of; two with the same place can be merged."""
        return (self.tenant, self.decision, self.bundle, self.start_us, self.resolution_us)

    @property
    def resolution(self) -> Resolution:
        """Its resolution by name."""
        return "hour" if self.resolution_us == HOUR_US else "minute"

    @property
    def rows(self) -> int:
        """Decisions."""
        return int(self.counts[Count.ROWS])

    @property
    def outcomes(self) -> Mapping[Outcome, int]:
        """Decisions by how they ended."""
        found = self.counts[Count.DECIDED : Count.DECIDED + len(OUTCOMES)].tolist()
        return dict(zip(OUTCOMES, found, strict=True))

    @property
    def positives(self) -> int:
        """Decisions that were answered positive."""
        return int(self.counts[Count.POSITIVE])

    @property
    def answered(self) -> int:
        """Decisions whose answer was not null."""
        return int(self.counts[Count.POSITIVE] + self.counts[Count.NEGATIVE])

    @property
    def scored(self) -> int:
        """Decisions that had a score."""
        return int(self.counts[Count.SCORED])

    @property
    def confidence_sum(self) -> float:
        """Sum of the confidences of decisions that had a score, each to a millionth."""
        return int(self.counts[Count.CONFIDENCE_MILLIONTHS]) / 1e6

    @property
    def true_positives(self) -> int:
        """Labelled decisions that were answered positive, rightly."""
        return int(self.counts[Count.TRUE_POSITIVE])

    @property
    def false_positives(self) -> int:
        """Labelled decisions that were answered positive, wrongly."""
        return int(self.counts[Count.FALSE_POSITIVE])

    @property
    def true_negatives(self) -> int:
        """Labelled decisions that were answered negative, rightly."""
        return int(self.counts[Count.TRUE_NEGATIVE])

    @property
    def false_negatives(self) -> int:
        """Labelled decisions that were answered negative, wrongly."""
        return int(self.counts[Count.FALSE_NEGATIVE])

    @property
    def approved(self) -> int:
        """Reviews that let the answer stand."""
        return int(self.counts[Count.APPROVED])

    @property
    def overridden(self) -> int:
        """Reviews that put another answer in its place."""
        return int(self.counts[Count.OVERRIDDEN])

    def stage(self, name: StageName) -> LogHistogram:
        """Return the time spent in a stage."""
        start = STAGES_AT + STAGES.index(name) * HISTOGRAM_BINS
        return LogHistogram(self.counts[start : start + HISTOGRAM_BINS])

    @property
    def columns(self) -> tuple[NDArray[np.int64], ...]:
        """The bins of each column, in the order of the profile's columns."""
        bounds = accumulate(self.widths, initial=COLUMNS_AT)
        return tuple(self.counts[start:end] for start, end in pairwise(bounds))

    def merge(self, other: "Summary") -> "Summary":
        """Return the summary of both; it has this one's place.

        Raises:
            BinMismatch: The columns have other bins, as those of another profile.
        """
        if self.widths != other.widths:
            raise BinMismatch(self.widths, other.widths)
        return Summary(
            self.tenant,
            self.decision,
            self.bundle,
            self.start_us,
            self.resolution_us,
            self.widths,
            self.counts + other.counts,
        )


class _Packed(NamedTuple):
    """As stored: which counts are not zero, and what they are."""

    format: int
    resolution: Resolution
    widths: tuple[int, ...]
    place_type: str
    places: bytes
    count_type: str
    counts: bytes


_FORMAT = 1
_TYPES = ("<u1", "<u2", "<u4", "<i8")
_KEPT = 2048
"""Decoded counts that are kept, about 10 kB each: the hours of 28 days of three decisions."""
_RESOLUTIONS: Mapping[Resolution, int] = {"minute": MINUTE_US, "hour": HOUR_US}
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Packed)


def encode_summary(summary: Summary) -> bytes:
    """Write the counts; what they are a summary of is kept beside them."""
    places = np.flatnonzero(summary.counts)
    counts = summary.counts[places]
    place_type, count_type = _narrowest(places), _narrowest(counts)
    return _encoder.encode(
        _Packed(
            _FORMAT,
            summary.resolution,
            summary.widths,
            place_type,
            places.astype(place_type).tobytes(),
            count_type,
            counts.astype(count_type).tobytes(),
        )
    )


def decode_summary(
    tenant: str, decision: str, bundle: bytes, start_us: int, body: bytes
) -> Summary:
    """Read counts that `encode_summary` wrote; they cannot be changed.

    Raises:
        NewerSummary: Their format is not known here.
    """
    resolution, widths, counts = _unpacked(body)
    return Summary(tenant, decision, bundle, start_us, _RESOLUTIONS[resolution], widths, counts)


@lru_cache(_KEPT)  # an hour that is over stays as it is, and pages read it again and again
def _unpacked(body: bytes) -> tuple[Resolution, tuple[int, ...], NDArray[np.int64]]:
    try:
        packed = _decoder.decode(body)
        if packed.format != _FORMAT or {packed.place_type, packed.count_type} - set(_TYPES):
            raise NewerSummary(f"format {packed.format}, known is {_FORMAT}")
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise NewerSummary(str(error)) from error
    counts = np.zeros(COLUMNS_AT + sum(packed.widths), np.int64)
    places = np.frombuffer(packed.places, packed.place_type).astype(np.int64)
    counts[places] = np.frombuffer(packed.counts, packed.count_type)
    counts.setflags(write=False)
    return packed.resolution, packed.widths, counts


def _narrowest(numbers: NDArray[np.int64]) -> str:
    """Return the smallest type that holds all of them."""
    if len(numbers) == 0:
        return _TYPES[0]
    if int(numbers.min()) < 0:
        return _TYPES[-1]
    return _TYPES[int(np.searchsorted([1 << 8, 1 << 16, 1 << 32], int(numbers.max()), "right"))]
