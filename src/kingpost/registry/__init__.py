"""What was made and what may run: artefacts by digest, models, bundles, approvals."""

from kingpost.registry.artefacts import ArtefactStore, digest_of
from kingpost.registry.control import ControlLog
from kingpost.registry.documents import (
    Approval,
    DataVersion,
    Environment,
    FeatureDefinition,
    ModelArtefacts,
    ModelDraft,
    ModelVersion,
    RegisteredBundle,
    RegisteredFeatures,
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
    "FeatureDefinition",
    "IncompleteApproval",
    "ModelArtefacts",
    "ModelDraft",
    "ModelVersion",
    "NewerDocument",
    "RegisteredBundle",
    "RegisteredFeatures",
    "UnknownBundle",
    "digest_of",
]
