"""What is registered and approved is appended, found again, and never changed."""

from collections import Counter
from pathlib import Path
from typing import TypedDict

import pytest

from kingpost.journal import Entry, Journal, JournalInUse, scan
from kingpost.registry import (
    AmbiguousDigest,
    ControlLog,
    DataVersion,
    Environment,
    FeatureDefinition,
    IncompleteApproval,
    ModelArtefacts,
    ModelDraft,
    NewerDocument,
    UnknownBundle,
    digest_of,
)
from tests.simulated_disk import SimulatedDisk
from tests.stopped_clock import StoppedClock

DIRECTORY = Path("/data/journal/control")
NOON = 1_533_124_800_000_000


class Parts(TypedDict):
    """What a control log is made with."""

    disk: SimulatedDisk
    clock: StoppedClock
    wait_s: float


def parts() -> Parts:
    return {"disk": SimulatedDisk(), "clock": StoppedClock(NOON), "wait_s": 0.0}


def new_log() -> ControlLog:
    return ControlLog(DIRECTORY, **parts())


def definition(name: str, version: str) -> FeatureDefinition:
    return FeatureDefinition(name=name, version=version, definition={"field": name})


def draft(name: str = "fraud", *, threshold: float = 0.5) -> ModelDraft:
    return ModelDraft(
        name=name,
        artefacts=ModelArtefacts(onnx="1" * 64, native="2" * 64, card="3" * 64),
        data=DataVersion(
            position="data:70", tenant="acme", known_until_us=None, rows=60, digest="4" * 64
        ),
        features="5" * 64,
        code="6" * 64,
        environment=Environment(
            python="3.11.9", platform="linux-x86_64", packages={"numpy": "2.0"}
        ),
        seed=7,
        threshold=threshold,
        parameters={"num_leaves": 31, "objective": "binary"},
        metrics={"auc_roc": 0.87},
        by="ada",
    )


def test_the_versions_of_a_model_are_numbered_from_one_by_name() -> None:
    log = new_log()

    numbers = [log.register_model(draft(name)).number for name in ("fraud", "churn", "fraud")]

    assert numbers == [1, 1, 2]
    assert [version.number for version in log.models("fraud")] == [1, 2]


def test_a_model_version_is_read_back_as_registered() -> None:
    log = new_log()

    version = log.register_model(draft(threshold=0.1 + 0.2))

    assert log.models("fraud") == (version,)
    assert version.threshold == 0.1 + 0.2
    assert (version.registered_at_us, version.by) == (NOON, "ada")


def test_a_version_registered_before_cards_had_plots_is_still_read() -> None:
    made = parts()
    body = b"""{"artefacts":{"card":"3","native":"2","onnx":"1"},"by":"ada","code":"6",
        "data":{"digest":"4","known_until_us":null,"position":"data:70","rows":60,"tenant":"acme"},
        "environment":{"packages":{},"platform":"linux","python":"3.11"},"features":"5",
        "format":1,"metrics":{},"name":"fraud","number":1,"parameters":{},"registered_at_us":1,
        "seed":7,"threshold":0.5}"""
    journal = Journal.open(DIRECTORY, disk=made["disk"], clock=made["clock"])
    journal.append([Entry("model", "", "fraud", body)])
    journal.close()

    (version,) = ControlLog(DIRECTORY, **made).models("fraud")

    assert version.artefacts == ModelArtefacts(onnx="1", native="2", card="3")
    assert (version.artefacts.card_html, version.artefacts.profile) == ("", "")


def test_an_empty_log_has_no_models_bundles_or_approvals() -> None:
    log = new_log()

    assert (log.models("fraud"), log.bundles("fraud"), log.approvals("fraud")) == ((), (), ())


def test_a_bundle_is_found_by_the_digest_of_its_document_or_its_beginning() -> None:
    log = new_log()
    added = log.add_bundle("fraud", b'{"a":1}')

    assert added.digest == digest_of(b'{"a":1}')
    assert log.bundle("fraud", added.digest) == added
    assert log.bundle("fraud", added.digest[:8]) == added


def test_a_bundle_added_again_is_not_added_twice() -> None:
    log = new_log()

    first = log.add_bundle("fraud", b'{"a":1}')

    assert log.add_bundle("fraud", b'{"a":1}') == first
    assert log.bundles("fraud") == (first,)


def test_a_bundle_belongs_to_its_decision() -> None:
    log = new_log()
    added = log.add_bundle("fraud", b'{"a":1}')

    with pytest.raises(UnknownBundle, match="train a model first"):
        log.bundle("churn", added.digest)


def test_an_unknown_bundle_is_an_error_that_lists_the_newest() -> None:
    log = new_log()
    added = log.add_bundle("fraud", b'{"a":1}')

    with pytest.raises(UnknownBundle, match=added.digest[:12]):
        log.bundle("fraud", "zzzz")


def test_no_digest_at_all_names_no_bundle() -> None:
    log = new_log()
    log.add_bundle("fraud", b'{"a":1}')

    with pytest.raises(UnknownBundle):
        log.bundle("fraud", "")


def test_a_beginning_that_two_digests_share_is_refused() -> None:
    log = new_log()
    documents = [b"%d" % number for number in range(17)]  # more than there are first digits
    for document in documents:
        log.add_bundle("fraud", document)
    beginnings = Counter(digest_of(document)[0] for document in documents)
    shared, _ = beginnings.most_common(1)[0]

    with pytest.raises(AmbiguousDigest, match="give more of it"):
        log.bundle("fraud", shared)


def test_an_approval_says_who_what_why_and_when() -> None:
    log = new_log()
    bundle = log.add_bundle("fraud", b'{"a":1}')

    approval = log.approve("fraud", bundle.digest[:12], by=" ada ", reason=" all gates passed ")

    assert log.approvals("fraud") == (approval,)
    assert (approval.bundle, approval.by, approval.reason, approval.at_us) == (
        bundle.digest,
        "ada",
        "all gates passed",
        NOON,
    )


@pytest.mark.parametrize(("by", "reason", "missing"), [("ada", " ", "reason"), ("", "why", "name")])
def test_an_approval_without_a_name_or_a_reason_is_refused(
    by: str, reason: str, missing: str
) -> None:
    log = new_log()
    bundle = log.add_bundle("fraud", b'{"a":1}')

    with pytest.raises(IncompleteApproval, match=missing):
        log.approve("fraud", bundle.digest, by=by, reason=reason)

    assert log.approvals("fraud") == ()


def test_what_was_not_registered_cannot_be_approved() -> None:
    log = new_log()

    with pytest.raises(UnknownBundle):
        log.approve("fraud", "0" * 64, by="ada", reason="trust me")


def test_the_log_is_only_ever_added_to() -> None:
    options = parts()
    log = ControlLog(DIRECTORY, **options)
    log.register_model(draft())
    bundle = log.add_bundle("fraud", b'{"a":1}')
    before = list(scan(DIRECTORY, disk=options["disk"]))

    log.approve("fraud", bundle.digest, by="ada", reason="passed")
    log.register_model(draft())

    after = list(scan(DIRECTORY, disk=options["disk"]))
    assert after[: len(before)] == before
    assert len(after) == len(before) + 2


def test_a_log_that_another_writer_keeps_is_an_error_that_says_so() -> None:
    options = parts()
    log = ControlLog(DIRECTORY, **options)
    holder = Journal.open(DIRECTORY, disk=options["disk"], clock=options["clock"])

    try:
        with pytest.raises(JournalInUse, match="open for writing"):
            log.register_model(draft())
    finally:
        holder.close()

    assert log.register_model(draft()).number == 1


def test_what_is_registered_survives_a_loss_of_power() -> None:
    options = parts()
    version = ControlLog(DIRECTORY, **options).register_model(draft())
    options["disk"] = options["disk"].after_power_loss()

    assert ControlLog(DIRECTORY, **options).models("fraud") == (version,)


def test_a_document_of_a_later_format_is_refused() -> None:
    options = parts()
    log = ControlLog(DIRECTORY, **options)
    log.register_model(draft())
    body = next(scan(DIRECTORY, disk=options["disk"])).entries[0].body
    with Journal.open(DIRECTORY, disk=options["disk"], clock=options["clock"]) as journal:
        later = body.replace(b'"format":1', b'"format":2')
        journal.append([Entry("model", "", "fraud", later)])

    with pytest.raises(NewerDocument, match="the model at offset 1"):
        log.models("fraud")


def test_features_are_kept_in_order_per_decision_and_the_same_ones_once() -> None:
    log = new_log()
    first = log.register_features("fraud", "5" * 64, [definition("amount", "1" * 64)])
    second = log.register_features("fraud", "6" * 64, [definition("amount", "2" * 64)])

    assert log.register_features("fraud", "5" * 64, [definition("amount", "1" * 64)]) == first
    assert log.features("fraud") == (first, second)
    assert log.features("other") == ()
    assert first.at_us == NOON


def test_other_versions_under_the_same_digest_are_kept_too() -> None:
    log = new_log()
    first = log.register_features("fraud", "5" * 64, [definition("amount", "1" * 64)])

    second = log.register_features("fraud", "5" * 64, [definition("amount", "2" * 64)])

    assert log.features("fraud") == (first, second)
