"""Proofs that nothing was left out or changed: a Merkle tree over the journal's commits."""

from kingpost.proofs.audit import Audit, Finding, audit_log
from kingpost.proofs.checkpoint import (
    Checkpoint,
    checkpoint_text,
    parse_checkpoint,
    sign_checkpoint,
)
from kingpost.proofs.errors import (
    BadNote,
    BadProof,
    BadVerifierKey,
    CheckpointInconsistent,
    NotInTreeYet,
    OriginChanged,
    PositionNotListed,
    SigningKeyUnusable,
    TreeAheadOfJournal,
    TreeDamaged,
    TreeInUse,
    TreeNewer,
    WitnessRefused,
)
from kingpost.proofs.export import export_tree
from kingpost.proofs.files import checkpoint_file
from kingpost.proofs.keys import KeyRing, trusted_keys
from kingpost.proofs.log import Cosigns, Tree, TreePlace, log_name
from kingpost.proofs.notes import (
    COSIGNATURE,
    ED25519,
    SigningKey,
    VerifierKey,
    is_name,
    parse_note,
    signed_by,
)
from kingpost.proofs.proof import (
    Proof,
    Trust,
    Verdict,
    consistency_json,
    proof_json,
    verify_json,
)
from kingpost.proofs.prover import Prover, covered_until
from kingpost.proofs.published_log import Cosigner, PublishedLog, SignedCheckpoint
from kingpost.proofs.witness import Witness, WitnessAnswer, WitnessClient, WitnessState
from kingpost.proofs.witness_server import WitnessServer

__all__ = [
    "COSIGNATURE",
    "ED25519",
    "Audit",
    "BadNote",
    "BadProof",
    "BadVerifierKey",
    "Checkpoint",
    "CheckpointInconsistent",
    "Cosigner",
    "Cosigns",
    "Finding",
    "KeyRing",
    "NotInTreeYet",
    "OriginChanged",
    "PositionNotListed",
    "Proof",
    "Prover",
    "PublishedLog",
    "SignedCheckpoint",
    "SigningKey",
    "SigningKeyUnusable",
    "Tree",
    "TreeAheadOfJournal",
    "TreeDamaged",
    "TreeInUse",
    "TreeNewer",
    "TreePlace",
    "Trust",
    "Verdict",
    "VerifierKey",
    "Witness",
    "WitnessAnswer",
    "WitnessClient",
    "WitnessRefused",
    "WitnessServer",
    "WitnessState",
    "audit_log",
    "checkpoint_file",
    "checkpoint_text",
    "consistency_json",
    "covered_until",
    "export_tree",
    "is_name",
    "log_name",
    "parse_checkpoint",
    "parse_note",
    "proof_json",
    "sign_checkpoint",
    "signed_by",
    "trusted_keys",
    "verify_json",
]
