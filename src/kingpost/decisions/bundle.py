"""The decision bundle: everything an answer depends on, named by digest.

The rule: what runs is what was approved. A bundle is a document that names the code, the
features, the contract, the gate, the model and the threshold; its digest is what people
approve and what every record carries. `check_bundle` compares it with what is about to
run, part by part.
"""

from collections.abc import Callable, Iterator
from importlib import metadata
from typing import Literal, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from kingpost.decisions.application import Application
from kingpost.decisions.declare import Budget, Decision, Gate
from kingpost.decisions.environment import encode_lock, present_environment
from kingpost.decisions.errors import BundleMismatch, NoModel, NotApproved
from kingpost.decisions.sources import code_digest, pack_sources
from kingpost.models import GatesSpec
from kingpost.registry import (
    Approval,
    ArtefactCorrupt,
    ArtefactMissing,
    ArtefactStore,
    ModelVersion,
    NewerDocument,
    RegisteredBundle,
    digest_of,
)

__all__ = [
    "Bundle",
    "approved_bundle",
    "bundle_document",
    "check_bundle",
    "make_bundle",
    "read_bundle",
]


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """What is approved, run and recorded.

    Attributes:
        kingpost: The version that made it.
        application: Path of the application's file among its sources.
        contract: Digest of the request's contract.
        code: Digest over the names and contents of all sources.
        features: Digest over all that feature values depend on.
        model: Digest of the ONNX artefact.
        threshold: The score from which an answer is positive.
        source: Digest of the artefact that holds the sources.
        lock: Digest of the artefact that describes the environment.
        evaluation: What it must show before it may be approved; unset where nothing is asked
            for, so that such a bundle keeps its digest.
    """

    format: Literal[1]
    kingpost: str
    decision: str
    application: str
    contract: str
    code: str
    features: str
    feature_names: tuple[str, ...]
    label: str
    gate: Gate
    budget: Budget
    model: str
    model_name: str
    model_number: int
    threshold: float
    source: str
    lock: str
    evaluation: GatesSpec | UnsetType = UNSET

    @property
    def digest(self) -> str:
        """SHA-256 of the bundle's document, in hex."""
        return digest_of(bundle_document(self))


class Approvals(Protocol):
    """Where bundles and their approvals are read, as from a `ControlLog`."""

    def bundles(self, decision: str) -> tuple[RegisteredBundle, ...]:
        """Return the bundles of a decision, oldest first."""
        ...

    def approvals(self, decision: str) -> tuple[Approval, ...]:
        """Return the approvals of a decision, oldest first."""
        ...


def bundle_document(bundle: Bundle) -> bytes:
    """Write a bundle in canonical JSON: the same bundle is the same bytes."""
    return msgspec.json.encode(bundle, order="sorted")


def read_bundle(registered: RegisteredBundle) -> Bundle:
    """Read a bundle from its document.

    Raises:
        NewerDocument: A later version of Kingpost wrote it.
    """
    try:
        bundle = msgspec.json.decode(registered.document, type=Bundle)
    except msgspec.MsgspecError as error:
        raise NewerDocument("bundle", registered.offset, str(error)) from error
    if bundle.digest != registered.digest:
        raise NewerDocument("bundle", registered.offset, "it says more than this version knows")
    return bundle


def make_bundle(
    application: Application, decision: Decision, version: ModelVersion, store: ArtefactStore
) -> Bundle:
    """Bundle a decision with a model version; sources and lock become artefacts.

    Raises:
        ArtefactMissing, ArtefactCorrupt: The model's bytes are not what was registered.
        OSError: The disk refused.
    """
    store.get(version.artefacts.onnx)
    made = Bundle(
        format=1,
        kingpost=metadata.version("kingpost"),
        decision=decision.name,
        application=application.path.as_posix(),
        contract=decision.request.digest,
        code=code_digest(application.sources),
        features=decision.features.digest,
        feature_names=decision.features.names,
        label=decision.model.label.field,
        gate=decision.gate,
        budget=decision.budget,
        model=version.artefacts.onnx,
        model_name=version.name,
        model_number=version.number,
        threshold=version.threshold,
        source=store.put(pack_sources(application.sources)),
        lock=store.put(encode_lock(present_environment())),
        evaluation=_gates_of(decision),
    )
    # read back, so that 1 and 1.0 are the same number whatever the declaration wrote
    return msgspec.json.decode(bundle_document(made), type=Bundle)


def check_bundle(
    bundle: Bundle, application: Application, decision: Decision, store: ArtefactStore
) -> None:
    """Check that what would run is what the bundle names.

    Raises:
        BundleMismatch: It is not; it names each part that differs.
    """
    parts = tuple(_differing(bundle, application, decision, store))
    if parts:
        raise BundleMismatch(decision.name, bundle.digest, parts)


def _differing(
    bundle: Bundle, application: Application, decision: Decision, store: ArtefactStore
) -> Iterator[str]:
    if bundle.decision != decision.name:
        yield "decision"
    if bundle.application != application.path.as_posix():
        yield "application file"
    if bundle.code != code_digest(application.sources):
        yield "code"
    if bundle.contract != decision.request.digest:
        yield "contract"
    if (bundle.features, bundle.feature_names) != (
        decision.features.digest,
        decision.features.names,
    ):
        yield "features"
    if bundle.label != decision.model.label.field:
        yield "label"
    if bundle.gate != decision.gate:
        yield "gate"
    if bundle.budget != decision.budget:
        yield "budget"
    if bundle.evaluation != _gates_of(decision):
        yield "evaluation gates"
    if bundle.model_name != decision.model.name:
        yield "model name"
    for part, digest in (
        ("model bytes", bundle.model),
        ("source bytes", bundle.source),
        ("lock bytes", bundle.lock),
    ):
        if not _is_whole(store.get, digest):
            yield part


def _gates_of(decision: Decision) -> GatesSpec | UnsetType:
    return UNSET if decision.evaluation is None else decision.evaluation.spec


def _is_whole(get: Callable[[str], bytes], digest: str) -> bool:
    try:
        get(digest)
    except (ArtefactMissing, ArtefactCorrupt):
        return False
    return True


def approved_bundle(control: Approvals, decision: str) -> Bundle:
    """Return the bundle whose approval is the newest: the one that may run.

    Raises:
        NoModel: The decision has no bundle.
        NotApproved: None of its bundles was approved.
        NewerDocument: A later version of Kingpost wrote it.
    """
    bundles = {bundle.digest: bundle for bundle in control.bundles(decision)}
    if not bundles:
        raise NoModel(decision)
    approvals = control.approvals(decision)
    if not approvals or approvals[-1].bundle not in bundles:
        raise NotApproved(decision, next(reversed(bundles)))
    return read_bundle(bundles[approvals[-1].bundle])
