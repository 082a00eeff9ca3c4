"""Why a recorded decision has its score: what each feature added to it, on demand.

The rules: it is computed from the record alone, with the model that answered and the rows
that this model was trained on, so it says the same a year later; and never on the request
path. What is explained is the model's score, not what rules, gate or people made of it.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from math import isfinite, isnan
from threading import Lock
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.core import id_text
from kingpost.decisions.bundle import Bundle, read_bundle
from kingpost.decisions.errors import NotExplainable
from kingpost.decisions.python_model import is_python_model
from kingpost.decisions.reference import Models, profile_of_bundle
from kingpost.models import OneByOne, OnnxScorer, contributions, model_input, probe_batches
from kingpost.monitoring import Profile
from kingpost.records import DecisionRecord
from kingpost.registry import ArtefactStore

__all__ = ["Explainer", "Explanation", "ExplanationLine", "explain_record"]

_MODELS_KEPT = 4

Score = Callable[[NDArray[np.float32]], NDArray[np.float64]]


class ExplanationLine(msgspec.Struct, frozen=True):
    """What one feature added to the score.

    Attributes:
        value: As recorded; None where it could not be computed.
        contribution: In the unit of the score, a probability; negative when it lowered it.
        standard_error: How sure that is; None where it cannot be said.
        percentile: Which share of the reference lies below the value, 0 to 1; None for a
            missing value.
    """

    feature: str
    value: float | None
    contribution: float
    standard_error: float | None
    percentile: float | None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a score is what it is: base and contributions add up to it.

    Attributes:
        base: The mean score of the reference rows.
        lines: One per feature, the largest contribution first, whatever its sign.
        reference_rows: With how many rows of the training it was compared.
        period: When these happened, for people.
    """

    base: float
    score: float
    lines: tuple[ExplanationLine, ...]
    reference_rows: int
    period: str


def explain_record(
    record: DecisionRecord, names: Sequence[str], score: Score, profile: Profile
) -> Explanation:
    """Explain a record's score.

    Args:
        names: The features in the model's order.
        score: The model that answered, as `OnnxScorer.scores`.
        profile: What it was trained on.

    Raises:
        NotExplainable: The record has no feature values, or the model no score for them.
        NothingToCompare: The profile has no reference rows of these features.
    """
    values = np.frombuffer(record.features, "<f8")
    if len(values) != len(names):
        problem = f"it has {len(values)} feature values and its model takes {len(names)}"
        raise NotExplainable(id_text(record.id), problem, "ask for another record")
    row = model_input(values.astype(np.float64))
    background = model_input(np.array(profile.background, np.float64))  # None becomes NaN
    found = contributions(score, row, background)
    if not isfinite(found.score):
        problem = "its model gives no score for its feature values"
        raise NotExplainable(id_text(record.id), problem, "replay it to see what became of it")
    lines = [
        ExplanationLine(
            feature=name,
            value=None if isnan(value) else value,
            contribution=contribution,
            standard_error=None if isnan(error) else error,
            percentile=column.percentile(rounded),
        )
        for name, value, rounded, contribution, error, column in zip(
            names,
            values.tolist(),
            row.tolist(),
            found.values,
            found.standard_errors,
            profile.features,
            strict=True,
        )
    ]
    lines.sort(key=lambda line: -abs(line.contribution))
    return Explanation(
        base=found.base,
        score=found.score,
        lines=tuple(lines),
        reference_rows=len(background),
        period=profile.period,
    )


class _Loaded(NamedTuple):
    bundle: Bundle
    score: Score | None
    profile: Profile | None


def _loaded(bundle: Bundle, content: bytes, profile: Profile | None) -> _Loaded:
    if is_python_model(content):
        return _Loaded(bundle, None, profile)
    scorer = OnnxScorer(content)
    if profile is None:
        return _Loaded(bundle, scorer.scores, None)
    rows = model_input(np.array(profile.background, np.float64))
    is_safe = probe_batches(scorer.score, rows).batching == "any"
    # one by one are the bits that were answered
    return _Loaded(bundle, scorer.scores if is_safe else OneByOne(scorer.score).scores, profile)


class Explainer:
    """Explains the records of a data directory; any thread may call it.

    The models of the last few bundles are kept ready.

    Args:
        control: Where bundles and model versions are read.
        store: Where their artefacts lie.
    """

    def __init__(self, control: Models, store: ArtefactStore) -> None:
        self._control, self._store = control, store
        self._loaded: OrderedDict[bytes, _Loaded] = OrderedDict()
        self._lock = Lock()

    def explain(self, record: DecisionRecord) -> Explanation:
        """Explain a record's score, by the model of the bundle that answered.

        Raises:
            NotExplainable: The record has no feature values, or its model no reference.
            UnknownBundle: It names a bundle that is not in the control log.
            ArtefactMissing, ArtefactCorrupt: The model or its reference was altered.
        """
        if not record.features:
            problem = f"it has no feature values ({record.reason or record.outcome.value})"
            raise NotExplainable(id_text(record.id), problem, "ask for another record")
        loaded = self._load(record)
        if loaded.score is None:
            problem = "its model is a function of the application, which is not run for this"
            raise NotExplainable(id_text(record.id), problem, "read the function in the bundle")
        if loaded.profile is None:
            name = f"{loaded.bundle.model_name} {loaded.bundle.model_number}"
            problem = f"its model {name} was registered without the rows to compare with"
            raise NotExplainable(
                id_text(record.id), problem, "train and approve a model with this version"
            )
        return explain_record(record, loaded.bundle.feature_names, loaded.score, loaded.profile)

    def _load(self, record: DecisionRecord) -> _Loaded:
        with self._lock:
            found = self._loaded.pop(record.bundle, None)
            if found is None:
                bundle = read_bundle(self._control.bundle(record.decision, record.bundle.hex()))
                found = _loaded(
                    bundle,
                    self._store.get(bundle.model),
                    profile_of_bundle(self._control, self._store, bundle),
                )
            self._loaded[record.bundle] = found
            if len(self._loaded) > _MODELS_KEPT:
                self._loaded.popitem(last=False)
            return found
