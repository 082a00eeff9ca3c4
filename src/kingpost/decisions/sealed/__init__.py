"""The journal's records as Parquet: sealed segment by segment, queried, archived."""

from kingpost.decisions.sealed.archive import (
    Archived,
    Objects,
    archive_sealed,
    fetch_archived,
    prune_archived,
)
from kingpost.decisions.sealed.erasing import ErasedRows, erase_sealed
from kingpost.decisions.sealed.errors import (
    ArchiveDiffers,
    ArchiveRefused,
    ArchiveUnreachable,
    BadQuery,
    NewerManifest,
    NotArchived,
    QueryTookTooLong,
    QueryTooLarge,
    SealedDiffers,
    SealFailed,
    SealInUse,
)
from kingpost.decisions.sealed.kinds import KINDS
from kingpost.decisions.sealed.manifest import (
    Manifest,
    Rewriting,
    SealedFile,
    SealedFiles,
    SealedSegment,
)
from kingpost.decisions.sealed.object_store import ObjectStore
from kingpost.decisions.sealed.query import Answered, SealedRecords, open_sealed
from kingpost.decisions.sealed.removing import remove_sealed, sealing_paused
from kingpost.decisions.sealed.sealing import (
    Sealed,
    is_seal_due,
    names_of_features,
    seal_segments,
)

__all__ = [
    "KINDS",
    "Answered",
    "ArchiveDiffers",
    "ArchiveRefused",
    "ArchiveUnreachable",
    "Archived",
    "BadQuery",
    "ErasedRows",
    "Manifest",
    "NewerManifest",
    "NotArchived",
    "ObjectStore",
    "Objects",
    "QueryTooLarge",
    "QueryTookTooLong",
    "Rewriting",
    "SealFailed",
    "SealInUse",
    "Sealed",
    "SealedDiffers",
    "SealedFile",
    "SealedFiles",
    "SealedRecords",
    "SealedSegment",
    "archive_sealed",
    "erase_sealed",
    "fetch_archived",
    "is_seal_due",
    "names_of_features",
    "open_sealed",
    "prune_archived",
    "remove_sealed",
    "seal_segments",
    "sealing_paused",
]
