"""A bundle names all that an answer depends on, and what differs from it is named."""

import io
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from kingpost.decisions.application import Application, load_application
from kingpost.decisions.bundle import (
    Bundle,
    approved_bundle,
    bundle_document,
    check_bundle,
    make_bundle,
    read_bundle,
)
from kingpost.decisions.declare import Decision, fallback, gate, review, rule
from kingpost.decisions.errors import BundleMismatch, NoModel, NotApproved
from kingpost.decisions.sources import code_digest, pack_sources, unpack_sources
from kingpost.models import evaluation, quality
from kingpost.registry import (
    ArtefactMissing,
    ArtefactStore,
    ControlLog,
    DataVersion,
    Environment,
    ModelArtefacts,
    ModelVersion,
    NewerDocument,
    RegisteredBundle,
    digest_of,
)
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock

APP = """
import kingpost as kp
from rules import is_large

class Payment(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    amount: float

class Finding(kp.Event):
    payment: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    fraud: bool

def train(data):
    raise AssertionError

payment = kp.decision(
    "payment",
    request=Payment,
    features=[kp.field("amount"), is_large],
    model=kp.model("payment", trainer=train, label=kp.stream(Finding).label("fraud")),
    gate=kp.gate(min_confidence=1, otherwise=kp.refuse()),
)
"""
RULES = """
import kingpost as kp

@kp.feature
def is_large(amount: float) -> bool:
    return amount > 100
"""


def application_in(directory: Path, *, rules: str = RULES) -> Application:
    directory.mkdir(exist_ok=True)
    (directory / "app.py").write_text(APP)
    (directory / "rules.py").write_text(rules)
    (directory / "unrelated.py").write_text("never = 'imported'")
    return load_application(directory / "app.py")


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Application:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    for name in ("app", "rules"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return application_in(tmp_path)


@pytest.fixture
def store() -> ArtefactStore:
    return ArtefactStore(Path("/artefacts"), disk=SimulatedDisk())


@pytest.fixture
def version(store: ArtefactStore) -> ModelVersion:
    return ModelVersion(
        format=1,
        name="payment",
        number=3,
        artefacts=ModelArtefacts(onnx=store.put(b"model"), native="", card=store.put(b"card")),
        data=DataVersion(
            position="data:9", tenant="acme", known_until_us=None, rows=4, digest="0" * 64
        ),
        features="1" * 64,
        code="2" * 64,
        environment=Environment(python="3.11", platform="linux", packages={}),
        seed=1,
        threshold=1,
        parameters={},
        metrics={},
        registered_at_us=0,
        by="ada",
    )


@pytest.fixture
def bundle(application: Application, store: ArtefactStore, version: ModelVersion) -> Bundle:
    return make_bundle(application, decision_of(application), version, store)


def decision_of(application: Application) -> Decision:
    return application.decisions["payment"]


def test_the_same_parts_make_the_same_bundle(
    application: Application, store: ArtefactStore, version: ModelVersion, bundle: Bundle
) -> None:
    assert make_bundle(application, decision_of(application), version, store) == bundle


def test_a_bundle_is_what_its_document_says_to_the_last_byte(bundle: Bundle) -> None:
    document = bundle_document(bundle)

    read = read_bundle(RegisteredBundle(digest_of(document), document, 0))

    assert read == bundle
    assert bundle_document(read) == document
    assert read.digest == bundle.digest == digest_of(document)


def test_a_bundle_made_before_rules_keeps_its_document(bundle: Bundle) -> None:
    before = (
        b'"gate":{"min_confidence":1.0,"otherwise":{"outcome":"refused","positive":false,'
        b'"queue":""}}'
    )

    document = bundle_document(bundle)

    assert before in document
    assert bundle_document(msgspec.json.decode(document, type=Bundle)) == document


def test_rules_and_deadlines_are_part_of_what_is_approved(
    application: Application, store: ArtefactStore, version: ModelVersion
) -> None:
    late = review("desk", within="4h", escalate_to="leads")
    ruled = replace(
        decision_of(application),
        gate=gate(otherwise=late, rules=[rule("amount", above=1000, then=late)]),
    )
    made = make_bundle(application, ruled, version, store)
    easier = replace(ruled, gate=gate(otherwise=late, rules=[rule("amount", above=9, then=late)]))

    check_bundle(made, application, ruled, store)

    assert b'"escalate_to":"leads"' in bundle_document(made)
    assert b'"within_us":14400000000' in bundle_document(made)
    with pytest.raises(BundleMismatch, match="gate differ"):
        check_bundle(made, application, easier, store)


def test_a_bundle_holds_the_application_and_the_modules_it_imports(
    bundle: Bundle, store: ArtefactStore
) -> None:
    with zipfile.ZipFile(io.BytesIO(store.get(bundle.source))) as archive:
        assert archive.namelist() == ["app.py", "rules.py"]


def test_a_model_that_is_not_stored_makes_no_bundle(
    application: Application, store: ArtefactStore, version: ModelVersion
) -> None:
    lost = ModelArtefacts(onnx="9" * 64, native="", card="")
    broken = msgspec.structs.replace(version, artefacts=lost)

    with pytest.raises(ArtefactMissing):
        make_bundle(application, decision_of(application), broken, store)


def test_what_runs_as_approved_passes(
    application: Application, store: ArtefactStore, bundle: Bundle
) -> None:
    check_bundle(bundle, application, decision_of(application), store)


def test_a_changed_source_is_named(
    application: Application, store: ArtefactStore, bundle: Bundle
) -> None:
    changed = replace(application, sources={**application.sources, "rules.py": b"# gone"})

    with pytest.raises(BundleMismatch) as caught:
        check_bundle(bundle, changed, decision_of(application), store)

    assert caught.value.parts == ("code",)


def test_a_changed_feature_is_named_with_its_code(
    application: Application, store: ArtefactStore, bundle: Bundle, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "later"
    unpack_sources(pack_sources(application.sources), elsewhere)
    source = (elsewhere / "app.py").read_text().replace(", is_large]", "]")
    (elsewhere / "app.py").write_text(source)
    changed = load_application(elsewhere / "app.py")

    with pytest.raises(BundleMismatch) as caught:
        check_bundle(bundle, changed, decision_of(changed), store)

    assert caught.value.parts == ("code", "features")


def test_a_changed_gate_is_named(
    application: Application, store: ArtefactStore, bundle: Bundle
) -> None:
    easier = gate(min_confidence=0.6, otherwise=fallback(positive=True))
    changed = replace(decision_of(application), gate=easier)

    with pytest.raises(BundleMismatch, match="gate differ from the approved bundle"):
        check_bundle(bundle, application, changed, store)


def test_evaluation_gates_are_part_of_what_is_approved(
    application: Application, store: ArtefactStore, version: ModelVersion, bundle: Bundle
) -> None:
    asked = evaluation(quality("auc_roc", at_least=0.8))
    gated = replace(decision_of(application), evaluation=asked)
    made = make_bundle(application, gated, version, store)

    check_bundle(made, application, gated, store)
    easier = replace(gated, evaluation=evaluation(quality("auc_roc", at_least=0.7)))
    for changed in (easier, decision_of(application)):
        with pytest.raises(BundleMismatch, match="evaluation gates differ"):
            check_bundle(made, application, changed, store)
    assert made.digest != bundle.digest
    assert b"evaluation" not in bundle_document(bundle)  # and so one without keeps its digest


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"contract": "0" * 64}, "contract"),
        ({"label": "chargeback"}, "label"),
        ({"application": "other.py"}, "application file"),
        ({"decision": "refund"}, "decision"),
        ({"model_name": "other"}, "model name"),
        ({"model": "0" * 64}, "model bytes"),
        ({"source": "0" * 64}, "source bytes"),
        ({"lock": "0" * 64}, "lock bytes"),
    ],
)
def test_each_part_that_differs_is_named(
    application: Application,
    store: ArtefactStore,
    bundle: Bundle,
    part: dict[str, str],
    expected: str,
) -> None:
    other = msgspec.structs.replace(bundle, **part)

    with pytest.raises(BundleMismatch) as caught:
        check_bundle(other, application, decision_of(application), store)

    assert caught.value.parts == (expected,)


def test_model_bytes_that_changed_are_named(application: Application) -> None:
    disk = SimulatedDisk()
    store = ArtefactStore(Path("/artefacts"), disk=disk)
    digest = store.put(b"model")
    artefacts = ModelArtefacts(onnx=digest, native="", card="")
    bundle = make_bundle(application, decision_of(application), version_with(artefacts), store)
    disk.damage(Path("/artefacts/sha256") / digest[:2] / digest, 0, b"M")

    with pytest.raises(BundleMismatch) as caught:
        check_bundle(bundle, application, decision_of(application), store)

    assert caught.value.parts == ("model bytes",)


def version_with(artefacts: ModelArtefacts) -> ModelVersion:
    return ModelVersion(
        format=1,
        name="payment",
        number=1,
        artefacts=artefacts,
        data=DataVersion(position="data:0", tenant="", known_until_us=None, rows=0, digest="0"),
        features="1",
        code="2",
        environment=Environment(python="", platform="", packages={}),
        seed=None,
        threshold=0.5,
        parameters={},
        metrics={},
        registered_at_us=0,
        by="ada",
    )


@pytest.fixture
def control() -> ControlLog:
    return ControlLog(Path("/control"), disk=SimulatedDisk(), clock=StoppedClock(), wait_s=0)


def test_without_a_bundle_there_is_no_model(control: ControlLog) -> None:
    with pytest.raises(NoModel, match="kingpost train"):
        approved_bundle(control, "payment")


def test_without_an_approval_nothing_may_run(control: ControlLog, bundle: Bundle) -> None:
    control.add_bundle("payment", bundle_document(bundle))

    with pytest.raises(NotApproved, match=bundle.digest):
        approved_bundle(control, "payment")


def test_the_newest_approval_says_what_runs(control: ControlLog, bundle: Bundle) -> None:
    second = msgspec.structs.replace(bundle, threshold=0.25)
    for one in (bundle, second):
        control.add_bundle("payment", bundle_document(one))
        control.approve("payment", one.digest, by="ada", reason="passed")

    assert approved_bundle(control, "payment") == second

    control.approve("payment", bundle.digest, by="bob", reason="the second one is too strict")

    assert approved_bundle(control, "payment") == bundle


def test_a_bundle_of_a_later_format_is_refused(bundle: Bundle) -> None:
    document = bundle_document(bundle).replace(b'"format":1', b'"format":2')

    with pytest.raises(NewerDocument):
        read_bundle(RegisteredBundle(digest_of(document), document, 7))


def test_a_bundle_that_says_more_than_is_known_is_refused(bundle: Bundle) -> None:
    document = bundle_document(bundle)[:-1] + b',"prompts":"0"}'

    with pytest.raises(NewerDocument, match="more than this version knows"):
        read_bundle(RegisteredBundle(digest_of(document), document, 7))


def test_sources_pack_to_the_same_bytes_whatever_their_order() -> None:
    one = {"app.py": b"a = 1", "rules.py": b"b = 2"}

    assert pack_sources(one) == pack_sources(dict(reversed(one.items())))
    assert code_digest(one) == code_digest(dict(reversed(one.items())))


def test_the_code_digest_covers_names_and_contents() -> None:
    digests = {
        code_digest({"app.py": b"a = 1"}),
        code_digest({"app.py": b"a = 2"}),
        code_digest({"main.py": b"a = 1"}),
    }

    assert len(digests) == 3


def test_unpacked_sources_are_what_was_packed_and_stay_inside(tmp_path: Path) -> None:
    sources = {"app.py": b"a = 1", "solution/rules.py": b"b = 2", "../escape.py": b"c = 3"}

    unpack_sources(pack_sources(sources), tmp_path / "here")

    assert (tmp_path / "here" / "solution" / "rules.py").read_bytes() == b"b = 2"
    assert not (tmp_path / "escape.py").exists()
