"""`kingpost reproduce`: train a bundle's model again from what was recorded, and compare bytes.

The rule: the same inputs give the same bytes, or the reason is named: other rows, other
features, another library, another machine. Nothing is registered and nothing changes.

The recorded source runs in a process of its own, see `run_recorded`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from kingpost.core import Disk, SystemClock
from kingpost.decisions.bundle import Bundle, read_bundle
from kingpost.decisions.data_directory import DataDirectory
from kingpost.decisions.environment import (
    EnvironmentDifference,
    environment_differences,
    present_environment,
)
from kingpost.decisions.errors import NotReproducible
from kingpost.decisions.recorded_source import WorkPlace, run_recorded, work_place
from kingpost.registry import ControlLog, ModelVersion

__all__ = [
    "Remade",
    "Reproduction",
    "TrainingJob",
    "reasons_of",
    "reproduce_bundle",
]

_WORKER = "kingpost.decisions.reproduction_worker"
_MAKES_MODELS = frozenset(
    (
        "python",
        "platform",
        "kingpost",
        "lightgbm",
        "numpy",
        "onnx",
        "onnxmltools",
        "optuna",
        "scipy",
    )
)


class TrainingJob(msgspec.Struct, frozen=True, kw_only=True):
    """What the process that trains again is told.

    Attributes:
        application: The unpacked application's file.
    """

    where: WorkPlace
    decision: str
    bundle: str
    application: str
    threads: int


class Remade(msgspec.Struct, frozen=True, kw_only=True):
    """What came of training again, by digest.

    Attributes:
        threshold: The score from which an answer would be positive.
    """

    features: str
    data: str
    rows: int
    native: str
    model: str
    threshold: float


class Reproduction(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a bundle's model came out the same.

    Attributes:
        is_equal: The model that would be served has the same bytes, and the same threshold.
        reasons: Why it has not; empty where it has.
        model: Digest of the model that was recorded, and of the one made now (`remade`).
        environment: What differs between the environment of the training and this one.
    """

    decision: str
    bundle: str
    model_name: str
    model_number: int
    is_equal: bool
    reasons: tuple[str, ...]
    model: str
    remade: str
    environment: tuple[EnvironmentDifference, ...]


def reproduce_bundle(
    where: DataDirectory, decision: str, digest: str, *, disk: Disk, threads: int = 1
) -> Reproduction:
    """Train the model of a bundle again and compare.

    Args:
        digest: The bundle's, or the beginning of it.
        threads: For the features; values do not depend on it.

    Raises:
        UnknownBundle, AmbiguousDigest: There is none, or several.
        NotReproducible: Its model was not trained here, or before its inputs were recorded.
        ReplayFailed: The recorded source does not run, or does not train.
        ArtefactMissing, ArtefactCorrupt: The source was altered.
    """
    control = where.control_log(disk=disk, clock=SystemClock())
    bundle = read_bundle(control.bundle(decision, digest))
    version = _trained_version(control, bundle)

    def job(application: Path) -> TrainingJob:
        return TrainingJob(
            where=work_place(where),
            decision=decision,
            bundle=bundle.digest,
            application=str(application),
            threads=threads,
        )

    remade = run_recorded(bundle, where.artefacts(disk=disk), _WORKER, job, Remade)
    differences = environment_differences(version.environment, present_environment())
    is_equal = (remade.model, remade.threshold) == (bundle.model, bundle.threshold)
    reasons = () if is_equal else tuple(reasons_of(version, remade, differences))
    return Reproduction(
        decision=decision,
        bundle=bundle.digest,
        model_name=version.name,
        model_number=version.number,
        is_equal=is_equal,
        reasons=reasons,
        model=bundle.model,
        remade=remade.model,
        environment=differences,
    )


def _trained_version(control: ControlLog, bundle: Bundle) -> ModelVersion:
    versions = control.models(bundle.model_name)
    version = next((one for one in versions if one.number == bundle.model_number), None)
    if version is None or version.recipe is None:
        raise NotReproducible(bundle.decision, bundle.digest)
    return version


def reasons_of(
    version: ModelVersion, remade: Remade, differences: Sequence[EnvironmentDifference]
) -> Iterator[str]:
    """Say why a model did not come out the same: each input that differs, then the outcome."""
    if remade.features != version.features:
        yield (
            f"other features: {remade.features[:12]} and not {version.features[:12]}; this version "
            "of Kingpost defines one of them anew"
        )
    if remade.data != version.data.digest:
        yield (
            f"other rows: {remade.rows:,} of digest {remade.data[:12]} and not {version.data.rows:,} "
            f"of {version.data.digest[:12]}; events were erased, corrected or removed since, or "
            "arrived under a position that was read already"
        )
    for one in differences:
        if one.name in _MAKES_MODELS:
            yield f"other {one.name}: {one.present or 'none'} and not {one.recorded or 'none'}"
    if remade.model != version.artefacts.onnx:
        same = remade.native == version.artefacts.native
        yield (
            "the model came out the same and its export did not"
            if same
            else "the model has other bytes"
        )
    if remade.threshold != version.threshold:
        yield f"the threshold is {remade.threshold!r} and not {version.threshold!r}"
