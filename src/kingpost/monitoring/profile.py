"""The reference that live rows are compared with: what the model learned from, in counts.

A profile is made when a model is trained, is stored with the model version, and never
changes. It holds no rows of anybody but the few of the background, which explanations need;
everything else is counts over bins, and the limits beyond which a monitor speaks.
"""

import math
from collections.abc import Mapping
from typing import Literal

import msgspec

from kingpost.monitoring.errors import NewerProfile

__all__ = ["ColumnKind", "ColumnProfile", "Profile", "decode_profile", "encode_profile"]

ColumnKind = Literal["feature", "score", "confidence", "positive"]


class ColumnProfile(msgspec.Struct, frozen=True):
    """The distribution of one column in the reference.

    Attributes:
        name: The feature's name, or `score`, `confidence`, `positive`.
        edges: Ascending, float32 values. A value v lies in bin i when
            `edges[i - 1] <= v < edges[i]`: the first bin is below all that the reference
            has, the last but one above it. The last of all is for missing values.
        counts: Rows of the reference per bin, `len(edges) + 2` numbers.
        limits: Window name to the population stability index beyond which it has drifted;
            a window that has none is not judged.
        missing_limit: The share of missing values that is too much.
        mean: Of the values that are there, as the model sees them; None where there are
            none, or the reference was made before it was kept.
    """

    name: str
    kind: ColumnKind
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    limits: Mapping[str, float]
    missing_limit: float
    mean: float | None = None

    @property
    def rows(self) -> int:
        """Rows counted, with missing values too."""
        return sum(self.counts)

    def percentile(self, value: float) -> float | None:
        """Return the share of the reference's values below a value, by bins, 0 to 1.

        A value counts as the middle of its bin. None when it is missing, or all are.
        """
        present = sum(self.counts[:-1])
        if math.isnan(value) or not present:
            return None
        at = sum(value >= edge for edge in self.edges)
        return (sum(self.counts[:at]) + self.counts[at] / 2) / present


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision's rows looked like when its model was trained.

    Attributes:
        columns: The features in the model's order, then `score`, `confidence` and
            `positive` when the model's scores on rows it had not learned from are known.
        inputs: Features that are fields of the request as they are: what others are made of.
        rows: Rows of the reference.
        positive_share: How many of the scored rows were answered positive.
        precision, recall: At the threshold, on rows the model had not learned from; None
            where not defined.
        precision_rows, recall_rows: Rows that each is a share of.
        review_wrong_share: Which share of the answers below the confidence gate the labels
            contradict; None when there are none.
        background: At most 100 rows of the reference, which explanations compare with.
        period: When the rows happened, for people.
        day_hours: Hours with decisions that every day of the reference has; a live day with
            fewer is not a whole one, and not judged.
    """

    format: Literal[1] = 1
    decision: str
    columns: tuple[ColumnProfile, ...]
    inputs: tuple[str, ...] = ()
    rows: int
    threshold: float
    min_confidence: float
    positive_share: float | None = None
    precision: float | None = None
    recall: float | None = None
    precision_rows: int = 0
    recall_rows: int = 0
    review_wrong_share: float | None = None
    background: tuple[tuple[float | None, ...], ...] = ()
    period: str = ""
    day_hours: int = 0

    @property
    def features(self) -> tuple[ColumnProfile, ...]:
        """The columns that are features, in the model's order."""
        return tuple(column for column in self.columns if column.kind == "feature")

    def column(self, name: str) -> ColumnProfile | None:
        """Return a column by its name; None when there is none."""
        return next((column for column in self.columns if column.name == name), None)


_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Profile)


def encode_profile(profile: Profile) -> str:
    """Write a profile as JSON, the same bytes for the same profile."""
    return _encoder.encode(profile).decode()


def decode_profile(text: str | bytes) -> Profile:
    """Read a profile.

    Raises:
        NewerProfile: Its format is not known here.
    """
    try:
        return _decoder.decode(text)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise NewerProfile(str(error)) from error
