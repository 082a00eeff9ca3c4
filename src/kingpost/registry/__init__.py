"""What was made and what may run: artefacts by digest, models, bundles, approvals."""

from kingpost.registry.artefacts import ArtefactStore, digest_of
from kingpost.registry.control import ControlLog
from kingpost.registry.documents import (
    Approval,
    DataVersion,
    Environment,
    ModelArtefacts,
    ModelDraft,
    ModelVersion,
    RegisteredBundle,
)
from kingpost.registry.errors import (
    AmbiguousDigest,
    ArtefactCorrupt,
    ArtefactMissing,
    BadDigest,
    IncompleteApproval,
    NewerDocument,
    UnknownBundle,
)

__all__ = [
    "AmbiguousDigest",
    "Approval",
    "ArtefactCorrupt",
    "ArtefactMissing",
    "ArtefactStore",
    "BadDigest",
    "ControlLog",
    "DataVersion",
    "Environment",
    "IncompleteApproval",
    "ModelArtefacts",
    "ModelDraft",
    "ModelVersion",
    "NewerDocument",
    "RegisteredBundle",
    "UnknownBundle",
    "digest_of",
]
