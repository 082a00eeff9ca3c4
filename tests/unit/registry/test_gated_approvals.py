"""The control log lets nothing run whose evaluation gates were not passed."""

from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from kingpost.core import SystemClock, SystemDisk
from kingpost.journal import Entry, Journal
from kingpost.registry import (
    Approval,
    Approvers,
    ArtefactCorrupt,
    ArtefactMissing,
    ArtefactStore,
    BundleEvaluation,
    ControlLog,
    GatesNotEvaluated,
    GatesNotPassed,
    RegisteredBundle,
    SigningKey,
)

DISK, CLOCK = SystemDisk(), SystemClock()


@pytest.fixture
def store(tmp_path: Path) -> ArtefactStore:
    return ArtefactStore(tmp_path / "artefacts", disk=DISK)


@pytest.fixture
def log(tmp_path: Path, store: ArtefactStore) -> ControlLog:
    return ControlLog(tmp_path / "control", disk=DISK, clock=CLOCK, artefacts=store)


def gated(log: ControlLog, number: int = 1) -> RegisteredBundle:
    document = f'{{"model_name":"fraud","model_number":{number},"evaluation":{{"gates":[]}}}}'
    return log.add_bundle("fraud", document.encode())


def evaluated(
    log: ControlLog, store: ArtefactStore, bundle: str, verdict: str, *, accepts: bool = False
) -> BundleEvaluation:
    made = msgspec.convert(
        {
            "format": 1,
            "decision": "fraud",
            "bundle": bundle,
            "results": store.put(verdict.encode()),
            "card": store.put(b"card"),
            "card_html": "",
            "verdict": verdict,
            "not_passed": [] if verdict == "passed" else ["auc_roc at least 0.9: 0.8"],
            "accepts_undecided": accepts,
            "champion": "",
            "by": "ada",
            "at_us": 1,
        },
        BundleEvaluation,
    )
    log.note_evaluation(made)
    return made


def test_a_bundle_without_gates_needs_no_evaluation(log: ControlLog) -> None:
    bundle = log.add_bundle("fraud", b'{"model_name":"fraud"}')

    approval = log.approve("fraud", bundle.digest, by="ada", reason="read the card", override="x")

    assert (approval.results, approval.override) == ("", "")


def test_a_bundle_that_was_not_evaluated_is_refused(log: ControlLog) -> None:
    bundle = gated(log)

    with pytest.raises(GatesNotEvaluated, match="kingpost evaluate"):
        log.approve("fraud", bundle.digest, by="ada", reason="it looks good")
    approval = log.approve("fraud", bundle.digest, by="ada", reason="x", override="no labels yet")

    assert approval.override == "no labels yet"
    assert log.approvals("fraud") == (approval,)


@pytest.mark.parametrize("verdict", ["failed", "undecided"])
def test_a_bundle_that_did_not_pass_is_refused(
    log: ControlLog, store: ArtefactStore, verdict: str
) -> None:
    bundle = gated(log)
    evaluated(log, store, bundle.digest, verdict)

    with pytest.raises(GatesNotPassed, match=r"auc_roc at least 0.9: 0.8") as raised:
        log.approve("fraud", bundle.digest, by="ada", reason="it looks good", override="  ")

    assert raised.value.not_passed == ("auc_roc at least 0.9: 0.8",)
    assert log.approvals("fraud") == ()


def test_undecided_is_enough_where_the_decision_says_so(
    log: ControlLog, store: ArtefactStore
) -> None:
    bundle = gated(log)
    noted = evaluated(log, store, bundle.digest, "undecided", accepts=True)

    assert log.approve("fraud", bundle.digest, by="ada", reason="x").results == noted.results


def test_the_newest_evaluation_counts(log: ControlLog, store: ArtefactStore) -> None:
    bundle = gated(log)
    evaluated(log, store, bundle.digest, "passed")
    evaluated(log, store, bundle.digest, "failed")

    with pytest.raises(GatesNotPassed):
        log.approve("fraud", bundle.digest, by="ada", reason="x")


def test_an_evaluation_of_another_bundle_counts_for_nothing(
    log: ControlLog, store: ArtefactStore
) -> None:
    bundle, other = gated(log), gated(log, 2)
    evaluated(log, store, other.digest, "passed")

    with pytest.raises(GatesNotEvaluated):
        log.approve("fraud", bundle.digest, by="ada", reason="x")


def test_results_that_were_edited_or_lost_are_refused(
    log: ControlLog, store: ArtefactStore
) -> None:
    bundle = gated(log)
    noted = evaluated(log, store, bundle.digest, "passed")
    file = store.root / "sha256" / noted.results[:2] / noted.results

    file.write_bytes(b"passed!")
    with pytest.raises(ArtefactCorrupt):
        log.approve("fraud", bundle.digest, by="ada", reason="x")
    file.unlink()
    with pytest.raises(ArtefactMissing):
        log.approve("fraud", bundle.digest, by="ada", reason="x")


def test_an_entry_written_by_hand_counts_only_with_results_that_passed(
    log: ControlLog, store: ArtefactStore, tmp_path: Path
) -> None:
    bundle = gated(log)
    failed = evaluated(log, store, bundle.digest, "failed")
    passed = evaluated(log, store, bundle.digest, "passed")
    plain = Approval(
        format=1, decision="fraud", bundle=bundle.digest, by="eve", reason="x", at_us=1
    )
    with Journal.open(tmp_path / "control", disk=DISK, clock=CLOCK) as journal:
        for results in ("", "0" * 64, failed.results, passed.results):
            written = msgspec.json.encode(structs.replace(plain, results=results))
            journal.append([Entry("approval", "", "fraud", written)])

    problems = [one.problem for one in log.judged_approvals("fraud")]

    assert problems == ["the bundle did not pass its evaluation gates"] * 3 + [""]


def test_a_signed_approval_vouches_for_its_results(tmp_path: Path, store: ArtefactStore) -> None:
    key = SigningKey.make()
    approvers = Approvers.read(f"ada={key.public}")
    log = ControlLog(
        tmp_path / "control", disk=DISK, clock=CLOCK, approvers=approvers, artefacts=store
    )
    bundle = gated(log)
    evaluated(log, store, bundle.digest, "passed")
    approval = log.approve("fraud", bundle.digest, by="ada", reason="x", key=key)
    edited = structs.replace(approval, number=2, override="sure")
    with Journal.open(tmp_path / "control", disk=DISK, clock=CLOCK) as journal:
        journal.append([Entry("approval", "", "fraud", msgspec.json.encode(edited))])

    assert [one.problem for one in log.judged_approvals("fraud")] == [
        "",
        "ada has not signed it",
    ]
