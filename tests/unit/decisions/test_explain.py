"""A record is explained by its own model, beside the rows that this model was trained on."""

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.decisions import Explainer, NotExplainable, explain_record, profile_of
from kingpost.decisions.bundle import Bundle, bundle_document
from kingpost.decisions.declare import Budget, Gate
from kingpost.models import OnnxScorer, model_input
from kingpost.monitoring import Profile, build_profile, encode_profile
from kingpost.records import RECORD_FORMAT, DecisionRecord, Outcome, Stages
from kingpost.registry import (
    ArtefactCorrupt,
    ArtefactStore,
    ControlLog,
    DataVersion,
    Environment,
    ModelArtefacts,
    ModelDraft,
    ModelVersion,
    UnknownBundle,
    digest_of,
)
from tests.onnx_models import logistic_onnx
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock

MINUTE = 60_000_000
NAMES = ("amount", "count", "age")
MODEL = logistic_onnx([0.5, -1.0, 0.0], -1.0)

rng = np.random.default_rng(11)
rows = model_input(rng.normal(size=(2000, 3)))


def reference() -> Profile:
    """Describe rows, the model's scores on the later half of them and their labels."""
    scores = OnnxScorer(MODEL).scores(rows)
    return build_profile(
        "risk",
        NAMES,
        rows,
        np.arange(2000, dtype=np.int64) * MINUTE,
        scores=np.where(np.arange(2000) < 1000, math.nan, scores),
        labels=(rng.random(2000) < scores).astype(np.float64),
        threshold=0.5,
        min_confidence=0.7,
    )


PROFILE = reference()


class House:
    """Control log and artefacts of one installation, with a bundle."""

    def __init__(self, profile: Profile | None = PROFILE) -> None:
        self.disk = SimulatedDisk()
        self.store = ArtefactStore(Path("/artefacts"), disk=self.disk)
        self.control = ControlLog(Path("/control"), disk=self.disk, clock=StoppedClock(0))
        self.bundle = self.add("first", profile)

    def add(self, name: str, profile: Profile | None) -> Bundle:
        """Register a model with its reference, and bundle it; the name makes it another."""
        stored = "" if profile is None else self.store.put(encode_profile(profile).encode())
        version = self.control.register_model(
            ModelDraft(
                name="risk",
                artefacts=ModelArtefacts(
                    onnx=self.store.put(MODEL), native="", card="c" * 64, profile=stored
                ),
                data=DataVersion(
                    position="data:1", tenant="acme", known_until_us=None, rows=1, digest="d" * 64
                ),
                features="f" * 64,
                code="e" * 64,
                environment=Environment(python="3.11", platform="linux", packages={}),
                seed=1,
                threshold=0.5,
                parameters={},
                metrics={},
                by="ada",
            )
        )
        bundle = bundle_of(version, name)
        self.control.add_bundle("risk", bundle_document(bundle))
        return bundle


def bundle_of(version: ModelVersion, name: str) -> Bundle:
    return Bundle(
        format=1,
        kingpost="0.1.0",
        decision="risk",
        application="app.py",
        contract="a" * 64,
        code=name,
        features="f" * 64,
        feature_names=NAMES,
        label="fraud",
        gate=Gate(),
        budget=Budget(),
        model=version.artefacts.onnx,
        model_name=version.name,
        model_number=version.number,
        threshold=0.5,
        source="b" * 64,
        lock="b" * 64,
    )


def record(bundle: Bundle, *values: float) -> DecisionRecord:
    return DecisionRecord(
        format=RECORD_FORMAT,
        id=bytes(16),
        at_us=0,
        decision="risk",
        bundle=bytes.fromhex(bundle.digest),
        model=bytes.fromhex(bundle.model),
        principal="key",
        tenant="acme",
        trace_id="",
        session=None,
        idempotency_key=None,
        request_digest=bytes(32),
        event_key="o1",
        event_offset=0,
        position="data:0",
        features=np.array(values, "<f8").tobytes(),
        unavailable=(),
        answer=b"null",
        confidence=0.0,
        outcome=Outcome.DECIDED if values else Outcome.FAILED,
        reason="" if values else "feature_error",
        stages=Stages(0, 0, 0, 0),
        event_time_us=0,
    )


def test_contributions_lead_from_the_usual_score_to_the_record_s() -> None:
    house = House()
    explainer = Explainer(house.control, house.store)

    found = explainer.explain(record(house.bundle, 2.0, -1.0, 9.0))

    served = OnnxScorer(MODEL).score(model_input(np.array([[2.0, -1.0, 9.0]])))[0]
    assert found.score == served  # bit for bit what was answered
    assert sum(line.contribution for line in found.lines) == pytest.approx(
        found.score - found.base, abs=1e-9
    )
    assert [line.feature for line in found.lines] == ["count", "amount", "age"]
    assert found.lines[2].contribution == 0
    assert (found.reference_rows, found.period) == (100, PROFILE.period)
    assert explainer.explain(record(house.bundle, 2.0, -1.0, 9.0)) == found


def test_a_line_says_the_value_as_recorded_and_where_the_reference_has_it() -> None:
    made = record(House().bundle, 9.0, 0.0, math.nan)

    def by_amount(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return 1 / (1 + np.exp(-rows[:, 0].astype(np.float64)))

    found = explain_record(made, NAMES, by_amount, PROFILE)

    lines = {line.feature: line for line in found.lines}
    assert (lines["amount"].value, lines["amount"].percentile) == (9.0, 1.0)
    assert lines["count"].percentile == pytest.approx(0.5, abs=0.1)
    assert (lines["age"].value, lines["age"].percentile) == (None, None)
    assert msgspec.json.decode(msgspec.json.encode(found))["lines"]


def test_what_cannot_be_explained_says_why() -> None:
    house = House()
    before = house.add("before", None)
    explainer = Explainer(house.control, house.store)

    with pytest.raises(NotExplainable, match=r"it has no feature values \(feature_error\)"):
        explainer.explain(record(house.bundle))
    with pytest.raises(NotExplainable, match="registered without the rows to compare with"):
        explainer.explain(record(before, 1.0, 2.0, 3.0))
    with pytest.raises(NotExplainable, match="2 feature values and its model takes 3"):
        explainer.explain(record(house.bundle, 1.0, 2.0))
    with pytest.raises(UnknownBundle):
        unknown = msgspec.structs.replace(record(house.bundle, 1.0, 2.0, 3.0), bundle=bytes(32))
        explainer.explain(unknown)


def test_a_model_without_a_score_explains_nothing() -> None:
    made = record(House().bundle, 1.0, 2.0, 3.0)

    with pytest.raises(NotExplainable, match="its model gives no score"):
        explain_record(made, NAMES, lambda rows: np.full(len(rows), math.nan), PROFILE)


def test_an_altered_reference_is_an_error_not_an_explanation() -> None:
    house = House()
    digest = digest_of(encode_profile(PROFILE).encode())
    path = house.store.root / "sha256" / digest[:2] / digest
    file = house.disk.open(path, write=True)
    file.write_at(0, b"x")
    file.close()

    with pytest.raises(ArtefactCorrupt):
        Explainer(house.control, house.store).explain(record(house.bundle, 1.0, 2.0, 3.0))


def test_models_of_many_bundles_and_threads_are_told_apart() -> None:
    house = House()
    bundles = [house.bundle, *(house.add(name, PROFILE) for name in "abcdefg")]
    explainer = Explainer(house.control, house.store)
    asked = [record(bundle, 1.0, float(at), 0.0) for at, bundle in enumerate(bundles)] * 3

    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(explainer.explain, asked))

    assert together == [Explainer(house.control, house.store).explain(one) for one in asked]


def test_the_reference_of_a_bundle_is_its_model_s() -> None:
    house = House()
    other = replace_rows(PROFILE)
    later = house.add("later", other)
    before = house.add("before", None)

    def found(bundle: Bundle) -> Profile | None:
        return profile_of(house.control, house.store, "risk", bytes.fromhex(bundle.digest))

    assert found(house.bundle) == PROFILE
    assert found(later) == other
    assert found(before) is None
    assert profile_of(house.control, house.store, "risk", bytes(32)) is None
    assert profile_of(house.control, house.store, "other", bytes(32)) is None


def replace_rows(profile: Profile) -> Profile:
    return msgspec.structs.replace(profile, rows=profile.rows + 1)
