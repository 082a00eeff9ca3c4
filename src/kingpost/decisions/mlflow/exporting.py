"""A version of ours as MLflow is to hold it: files, figures, and digests as tags."""

from collections.abc import Mapping

import msgspec

from kingpost.decisions.bundle import Bundle, bundle_document, read_bundle
from kingpost.decisions.declare import Decision
from kingpost.decisions.errors import NotExported
from kingpost.decisions.gating import card_digests
from kingpost.decisions.mlflow.model_files import function_files, model_files
from kingpost.decisions.python_model import is_python_model
from kingpost.integrations import MlflowDataset, MlflowDraft
from kingpost.models import card_page
from kingpost.registry import ArtefactStore, ControlLog, ModelVersion

__all__ = ["mlflow_draft"]

_US_PER_MS = 1_000


def mlflow_draft(
    decision: Decision,
    version: ModelVersion,
    control: ControlLog,
    store: ArtefactStore,
    *,
    name: str,
    experiment: str,
    application: str,
) -> MlflowDraft:
    """Describe a version of the decision's model as MLflow is to hold it.

    Args:
        name: What it is called there.
        application: The file that declares the decision.

    Raises:
        NotExported: The model is a function, and no bundle holds its source.
        ArtefactMissing, ArtefactCorrupt: Its bytes are not what was registered.
    """
    made = version.artefacts
    bundle = _bundle_of(decision, version, control)
    card, card_html = card_digests(control, decision.name, version)
    documents = {"card.md": store.get(card)}
    if card_html:
        page = card_page(version.name, store.get(card_html).decode())
        documents["card.html"] = page.encode()
    if bundle is not None:
        documents["bundle.json"] = bundle_document(bundle)
    return MlflowDraft(
        name=name,
        experiment=experiment,
        run_name=f"{version.name}-{version.number}",
        description=f"Version {version.number} of Kingpost's model {version.name!r}, for the "
        f"decision {decision.name!r}. Its card lies in the run as card.md.",
        files=_files(decision, version, bundle, store),
        documents=documents,
        parameters={
            "threshold": str(version.threshold),
            "seed": str(version.seed),
            **{key: str(value) for key, value in version.parameters.items()},
        },
        metrics=version.metrics,
        tags={
            "kingpost.decision": decision.name,
            "kingpost.model": version.name,
            "kingpost.version": str(version.number),
            "kingpost.onnx": made.onnx,
            "kingpost.native": made.native,
            "kingpost.card": card,
            "kingpost.data": version.data.digest,
            "kingpost.features": version.features,
            "kingpost.code": version.code,
            "kingpost.bundle": "" if bundle is None else bundle.digest,
            "mlflow.user": version.by,
            "mlflow.source.name": application,
        },
        dataset=MlflowDataset(
            name=f"{decision.name} as of {version.data.position or 'import'}",
            digest=version.data.digest,
            context="training",
            source_type="kingpost",
            source=msgspec.json.encode(version.data).decode(),
            profile=msgspec.json.encode({"num_rows": version.data.rows}).decode(),
        ),
        at_ms=version.registered_at_us // _US_PER_MS,
    )


def _files(
    decision: Decision, version: ModelVersion, bundle: Bundle | None, store: ArtefactStore
) -> Mapping[str, bytes]:
    made = version.artefacts
    content = store.get(made.onnx)
    if not is_python_model(content):
        return model_files(
            decision, version, content, store.get(made.native) if made.native else b""
        )
    if bundle is None:
        raise NotExported(
            decision.name,
            f"version {version.number} of its model is a function, and no bundle holds its source",
            "register it again with `kingpost models register`",
        )
    return function_files(decision, version, bundle.application, store.get(bundle.source))


def _bundle_of(decision: Decision, version: ModelVersion, control: ControlLog) -> Bundle | None:
    """Return the newest bundle with this version."""
    for registered in reversed(control.bundles(decision.name)):
        bundle = read_bundle(registered)
        if (bundle.model_name, bundle.model_number) == (version.name, version.number):
            return bundle
    return None
