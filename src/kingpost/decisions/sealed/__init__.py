"""The journal's records as Parquet: sealed segment by segment, queried, archived."""

from kingpost.decisions.sealed.errors import (
    BadQuery,
    NewerManifest,
    QueryTookTooLong,
    QueryTooLarge,
    SealedDiffers,
    SealFailed,
    SealInUse,
)
from kingpost.decisions.sealed.kinds import KINDS
from kingpost.decisions.sealed.manifest import (
    Manifest,
    SealedFile,
    SealedFiles,
    SealedSegment,
)
from kingpost.decisions.sealed.query import Answered, open_sealed
from kingpost.decisions.sealed.seal import Sealed, names_of_features, seal

__all__ = [
    "KINDS",
    "Answered",
    "BadQuery",
    "Manifest",
    "NewerManifest",
    "QueryTooLarge",
    "QueryTookTooLong",
    "SealFailed",
    "SealInUse",
    "Sealed",
    "SealedDiffers",
    "SealedFile",
    "SealedFiles",
    "SealedSegment",
    "names_of_features",
    "open_sealed",
    "seal",
]
