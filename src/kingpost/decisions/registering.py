"""Registering a model that was not trained here, so that it is approved and served as any.

The rule: its version says where it comes from, by digest, and how far its scores were compared;
what nobody here has seen, its training, is not claimed.
"""

import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np

from kingpost.core import Clock, Disk
from kingpost.decisions.application import Application
from kingpost.decisions.bundle import Bundle, bundle_document, make_bundle
from kingpost.decisions.catalogue import record_features
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.declare import Decision
from kingpost.decisions.environment import present_environment
from kingpost.decisions.errors import NotImported
from kingpost.decisions.python_model import PythonScorer, check_in_sources, python_model
from kingpost.decisions.served import Scorer
from kingpost.decisions.sources import code_digest
from kingpost.models import (
    Evaluation,
    ImportCard,
    Imported,
    OnnxScorer,
    Optimised,
    SampleRows,
    TrainingSet,
    evaluate,
    render_import_card,
)
from kingpost.monitoring import build_profile, encode_profile
from kingpost.registry import (
    ArtefactStore,
    ControlLog,
    DataVersion,
    Environment,
    ModelArtefacts,
    ModelDraft,
    ModelVersion,
)

__all__ = [
    "ModelSource",
    "Registered",
    "RegistrationPlan",
    "add_bundle",
    "function_source",
    "imported_source",
    "made_with",
    "optimised_source",
    "register_source",
]

_MADE_WITH = ("kingpost", "lightgbm", "numpy", "onnx", "onnxmltools", "onnxruntime")
_ROWS_PER_CALL = 8192

Setting = str | int | float | bool | None


class Registered(NamedTuple):
    """A model version with the bundle that waits for its approval.

    Attributes:
        evaluation: On the rows given; None without labels of both classes.
    """

    version: ModelVersion
    bundle: Bundle
    card: str
    evaluation: Evaluation | None


@dataclass(frozen=True, eq=False)
class ModelSource:
    """What is registered, and what is known of it.

    Attributes:
        content: What is served.
        native: The file that it was made of; empty where there is none.
        origin: Where it comes from and how it was checked, for people.
        parameters: The same, for machines.
        lineage: All that the registry which it comes from says of it, in JSON; empty without one.
        lineage_told: The most of it for people: what, and the value.
    """

    content: bytes
    scorer: Scorer
    native: bytes
    origin: tuple[str, ...]
    parameters: Mapping[str, Setting]
    lineage: bytes = b""
    lineage_told: tuple[tuple[str, str], ...] = ()


class RegistrationPlan(NamedTuple):
    """How a model is registered.

    Attributes:
        rows: To judge it on and to compare with later; None where none were given.
        threshold: The score from which the answer is positive.
        by: Who registers it.
    """

    rows: SampleRows | None
    threshold: float
    tenant: str
    by: str


def imported_source(decision: Decision, imported: Imported, native: bytes) -> ModelSource:
    """Describe an imported model that is to be a version of the decision's.

    Args:
        native: The bytes of the file that was imported; empty for a directory or an object.

    Raises:
        NotImported: The decision's model is a function, or takes other features.
    """
    if decision.model.predict is not None:
        raise NotImported(
            decision.name,
            "its model is a function of the application's",
            "register that with `kingpost models register`, or leave `predict` out",
        )
    if imported.features != len(decision.features):
        raise NotImported(
            decision.name,
            f"model {imported.name} takes {imported.features} features and the decision has "
            f"{len(decision.features)}",
            f"expected {', '.join(decision.features.names)}, in this order",
        )
    kind = "drawn at random, as none were given" if imported.drawn else "given with it"
    compared = f"{imported.checked:,} rows, {kind}"
    return ModelSource(
        content=imported.onnx,
        scorer=OnnxScorer(imported.onnx),
        native=native,
        origin=(
            f"`{imported.name}`, a model of {imported.library}"
            + (f" (sha256 `{imported.origin}`)." if imported.origin else "."),
            f"It is served as ONNX. On {compared}, both differ by {imported.difference:.1e} at most.",
        ),
        parameters={
            "imported": imported.format,
            "library": imported.library,
            "name": imported.name,
            "origin": imported.origin,
            "difference": imported.difference,
            "checked_rows": imported.checked,
            "drawn_rows": imported.drawn,
        },
    )


def function_source(application: Application, decision: Decision) -> ModelSource:
    """Describe the function that is a decision's model.

    Raises:
        NotImported: The model is no function, or lies outside the application's sources.
    """
    predict = decision.model.predict
    if predict is None:
        raise NotImported(
            decision.name,
            "its model is no function",
            "train it, or bring it in with `kingpost models import`",
        )
    check_in_sources(application, decision)
    content = python_model(predict)
    name = msgspec.json.decode(content)["name"]
    return ModelSource(
        content=content,
        scorer=PythonScorer(predict),
        native=b"",
        origin=(
            f"The function `{name}` of `{application.path.as_posix()}` or a module beside it.",
        ),
        parameters={"imported": "python", "name": name},
    )


def optimised_source(made: Optimised, version: int) -> ModelSource:
    """Describe a smaller form of a version, which passed the gate.

    Args:
        version: The one that it was made of.
    """
    before, after = made.before, made.after
    return ModelSource(
        content=made.onnx,
        scorer=OnnxScorer(made.onnx),
        native=b"",
        origin=(
            (
                f"Version {version}, made smaller: {after.size_bytes:,} bytes instead of "
                f"{before.size_bytes:,}, {made.units} hidden units left out."
            ),
            (
                f"Average precision {after.average_precision:.4f} instead of "
                f"{before.average_precision:.4f}; a score differs by {made.difference:.2g} at most."
            ),
        ),
        parameters={
            "imported": "optimised",
            "optimised_from": version,
            "units_left_out": made.units,
            "difference": made.difference,
            "row_us_before": before.row_us,
            "row_us": after.row_us,
        },
    )


def register_source(
    application: Application,
    decision: Decision,
    where: DataDirectory,
    source: ModelSource,
    plan: RegistrationPlan,
    *,
    disk: Disk,
    clock: Clock,
) -> Registered:
    """Register a model that was not trained here, and bundle it.

    Raises:
        JournalInUse, JournalFull, JournalFailed: The control log could not be written.
    """
    store, environment = where.artefacts(disk=disk), present_environment()
    control = where.control_log(disk=disk, clock=clock)
    judged = _judge(decision, source.scorer, plan, clock.now_us())
    rows = 0 if plan.rows is None else len(plan.rows)
    card = render_import_card(
        ImportCard(
            name=decision.model.name,
            purpose=f"Gives the decision {decision.name!r} its score.",
            positive=decision.model.label.field,
            origin=source.origin,
            features=decision.features.names,
            threshold=plan.threshold,
            rows=rows,
            rows_digest=judged.digest,
            evaluation=judged.evaluation,
            environment=made_with(environment),
            lineage=source.lineage_told,
        )
    )
    lineage = {"lineage": store.put(source.lineage)} if source.lineage else {}
    version = control.register_model(
        ModelDraft(
            name=decision.model.name,
            artefacts=ModelArtefacts(
                onnx=store.put(source.content),
                native=store.put(source.native) if source.native else "",
                card=store.put(card.encode()),
                profile=store.put(judged.profile) if judged.profile else "",
            ),
            data=DataVersion(
                position="",
                tenant=plan.tenant,
                known_until_us=None,
                rows=rows,
                digest=judged.digest,
            ),
            features=decision.features.digest,
            code=code_digest(application.sources),
            environment=environment,
            seed=None,
            threshold=plan.threshold,
            parameters={**source.parameters, **lineage},
            metrics={} if judged.evaluation is None else judged.evaluation.metrics(),
            by=plan.by,
        )
    )
    bundle = add_bundle(application, decision, version, control, store)
    return Registered(version, bundle, card, judged.evaluation)


def add_bundle(
    application: Application,
    decision: Decision,
    version: ModelVersion,
    control: ControlLog,
    store: ArtefactStore,
) -> Bundle:
    """Bundle a decision with a model version, for somebody to approve."""
    record_features(control, decision)  # before the bundle, which names them by digest
    bundle = make_bundle(application, decision, version, store)
    control.add_bundle(decision.name, bundle_document(bundle))
    return bundle


def made_with(environment: Environment) -> dict[str, str]:
    """Return the versions of what makes a model, for its card."""
    packages = environment.packages
    found = {name: packages[name] for name in _MADE_WITH if name in packages}
    return {"python": platform.python_version()} | found


class _Judged(NamedTuple):
    evaluation: Evaluation | None
    profile: bytes
    digest: str


def _judge(decision: Decision, scorer: Scorer, plan: RegistrationPlan, now_us: int) -> _Judged:
    rows = plan.rows
    if rows is None:
        return _Judged(None, b"", hashlib.sha256().hexdigest())
    times = np.full(len(rows), now_us) if rows.event_time_us is None else rows.event_time_us
    y = np.full(len(rows), np.nan) if rows.y is None else rows.y
    parts = (
        scorer.score(rows.x[at : at + _ROWS_PER_CALL]) for at in range(0, len(rows), _ROWS_PER_CALL)
    )
    scores = np.concatenate([np.asarray(part, np.float64) for part in parts])
    evaluation, digest = None, hashlib.sha256(rows.x.tobytes()).hexdigest()
    if rows.y is not None:
        data = TrainingSet(decision.features.names, rows.x, rows.y, times)
        digest = data.digest
        if 0 < data.positives < len(data):
            evaluation = evaluate(data, scores, threshold=plan.threshold)
    otherwise = decision.gate.otherwise
    profile = build_profile(
        decision.name,
        decision.features.names,
        rows.x,
        times,
        scores=scores,
        labels=y,
        threshold=plan.threshold,
        min_confidence=decision.gate.min_confidence,
        below_gate=otherwise.outcome,
        fallback_positive=otherwise.positive,
        inputs=decision.features.inputs,
    )
    return _Judged(evaluation, encode_profile(profile).encode(), digest)
