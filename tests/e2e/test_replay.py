"""A decision of the past, run again from its id alone, in a process of its own.

One installation is made for all tests: events in the journal, a model trained, approved and
served, decisions made. Each test alters a copy of it in one way.
"""

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from kingpost.contracts import Contract, Event, check_columns
from kingpost.core import SystemClock, SystemDisk, id_text
from kingpost.decisions import (
    Application,
    Change,
    DataDirectory,
    Engine,
    NotApproved,
    RecordSelection,
    ServedDecision,
    TrainingPlan,
    approved_bundle,
    check_bundle,
    load_application,
    replay_record,
    train_decision,
    verify_records,
)
from kingpost.decisions.engine import Ask
from kingpost.decisions.errors import RecordNotFound, ReplayFailed
from kingpost.journal import Entry, Journal, JournalCorrupt, Landed, scan
from kingpost.models import OnnxScorer
from kingpost.records import DecisionRecord, Outcome, decode_record, encode_record
from kingpost.registry import ArtefactCorrupt, ArtefactMissing, ModelVersion, UnknownBundle

APP = """
import os
from typing import Annotated

import kingpost as kp
from kingpost.models import LightGbmParameters, LightGbmTrainer

from usual import to_usual

print("imported")
if needed := os.environ.get("RISK_NEEDS"):
    raise RuntimeError(f"there is no {needed}")


class Order(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: str
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]


class Chargeback(kp.Event):
    order: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    customer: str
    fraud: bool


orders, chargebacks = kp.stream(Order), kp.stream(Chargeback)

risk = kp.decision(
    "risk",
    request=Order,
    features=[
        kp.field("amount"),
        orders.by("customer").over("6h", "2d").features(n=kp.count(), mean=kp.mean("amount")),
        chargebacks.by("customer").over("5d", delay="1d").features(rate=kp.mean("fraud")),
        to_usual,
    ],
    model=kp.model(
        "risk",
        trainer=LightGbmTrainer(
            LightGbmParameters(num_leaves=7, rounds=20, min_data_in_leaf=10, threads=1)
        ),
        label=chargebacks.label("fraud"),
    ),
    gate=kp.gate(min_confidence=0.9, otherwise=kp.review("risk-desk")),
)
"""
USUAL = """
import kingpost as kp


@kp.feature
def to_usual(amount: float, customer_mean_2d: float) -> float:
    return amount / (customer_mean_2d - 20.0)
"""
START_US = 1_533_081_600_000_000
HOUR_US = 3_600_000_000
ROWS = 1500


@dataclass(frozen=True)
class Installed:
    """An installation and what it decided."""

    where: DataDirectory
    versions: tuple[ModelVersion, ...]
    records: tuple[DecisionRecord, ...]


def write_history(application: Application, where: DataDirectory) -> None:
    rng = np.random.default_rng(1)
    times = START_US + np.sort(rng.integers(0, 20 * 24 * HOUR_US, ROWS))
    amounts = np.round(rng.gamma(2, 30, ROWS), 2)
    fraud = rng.random(ROWS) < np.where(amounts > 120, 0.7, 0.05)
    keys = np.array([f"o{at}" for at in range(ROWS)], object)
    customers = np.array([f"c{at}" for at in rng.integers(0, 30, ROWS)], object)
    happened = times.astype("datetime64[us]")
    known = (times + 24 * HOUR_US).astype("datetime64[us]")
    with Journal.open(where.data, disk=SystemDisk(), clock=SystemClock()) as journal:
        for name, columns in (
            ("order", {"id": keys, "at": happened, "customer": customers, "amount": amounts}),
            (
                "chargeback",
                {
                    "order": keys,
                    "at": happened,
                    "known_at": known,
                    "customer": customers,
                    "fraud": fraud,
                },
            ),
        ):
            contract: Contract[Event] = application.streams[name]
            batch, refused = check_columns(contract, columns)
            assert not refused
            journal.append([Entry("events", "acme", name, batch.encode(), batch.rows)])


def serve(application: Application, where: DataDirectory) -> Engine:
    disk, clock = SystemDisk(), SystemClock()
    store = where.artefacts(disk=disk)
    decision = application.decisions["risk"]
    bundle = approved_bundle(where.control_log(disk=disk, clock=clock), "risk")
    check_bundle(bundle, application, decision, store)
    served = ServedDecision(
        decision,
        bytes.fromhex(bundle.digest),
        bytes.fromhex(bundle.model),
        OnnxScorer(store.get(bundle.model)),
        bundle.threshold,
    )
    return Engine.open(where.data, application, {"risk": served}, disk=disk, clock=clock)


def decide(engine: Engine, number: int, *, tenant: str = "acme") -> DecisionRecord:
    rng = np.random.default_rng(number)
    late_us = int(rng.integers(0, 5 * HOUR_US)) if number % 4 == 0 else 0
    at = np.datetime64(START_US + 21 * 24 * HOUR_US + number * HOUR_US // 4 - late_us, "us")
    amount = 20.0 if number == 5 else round(float(rng.gamma(2, 40)), 2)
    customer = "new" if number == 5 else f"c{rng.integers(0, 30)}"
    body = json.dumps(
        {"id": f"r{number}", "at": f"{at}Z", "customer": customer, "amount": amount}
    ).encode()
    event = engine.application.streams["order"].decode(body)
    ask = Ask("risk", tenant, "key", event, body, "trace", None, None, 0)
    (reply,), _ = engine.decide([ask], lambda _: None)
    assert reply.record is not None, reply.error
    return reply.record


def change(engine: Engine) -> None:
    """Take back and correct what was ingested, what asked and what is still to come."""

    def said(write: Callable[[Landed], tuple[Change, bool]]) -> Change:
        while (done := write(lambda _: None)[0]) is Change.NOT_YET:
            time.sleep(0.001)
        return done

    taken_back = [f"o{row}" for row in range(ROWS - 200, ROWS, 2)] + ["r11", "r12", "r40"]
    for key in taken_back:
        done = said(lambda landed, key=key: engine.retract("acme", "order", key, landed))
        assert done is (Change.HELD if key == "r40" else Change.RETRACTED)
    for key, moment in (("r20", "2018-08-22T12:00:00Z"), (f"o{ROWS - 7}", "2018-08-21T12:00:00Z")):
        body = f'{{"id":"{key}","at":"{moment}","customer":"c1","amount":431.7}}'.encode()
        event = engine.application.streams["order"].decode(body)
        done = said(
            lambda landed, event=event, body=body: engine.correct(
                "acme", "order", event, body, landed
            )
        )
        assert done is Change.CORRECTED
    for row in range(ROWS - 400, ROWS, 3):
        assert (
            said(lambda landed, row=row: engine.retract("acme", "chargeback", f"o{row}", landed))
            is Change.RETRACTED
        )


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    root = tmp_path_factory.mktemp("installed")
    (root / "risk_app.py").write_text(APP)
    (root / "usual.py").write_text(USUAL)
    application = load_application(root / "risk_app.py")
    where = DataDirectory(root / "data")
    write_history(application, where)
    disk, clock = SystemDisk(), SystemClock()
    _, trained = [
        train_decision(
            application,
            application.decisions["risk"],
            where,
            TrainingPlan(),
            tenant="acme",
            by="ada",
            disk=disk,
            clock=clock,
        )
        for _ in range(2)
    ]
    control = where.control_log(disk=disk, clock=clock)
    control.approve("risk", trained.bundle.digest, by="ada", reason="good on the last week")
    engine = serve(application, where)
    records = [decide(engine, number) for number in range(30)]
    change(engine)
    records += [decide(engine, number) for number in range(30, 60)]
    records.append(decide(engine, 61, tenant="umbrella"))
    engine.close()
    # what runs from here on is other code; a replay must not care
    (root / "usual.py").write_text(USUAL.replace("amount / (", "-amount / ("))
    return Installed(where, control.models("risk"), tuple(records))


@pytest.fixture
def installed(original: Installed, tmp_path: Path) -> Installed:
    """A copy to alter."""
    shutil.copytree(original.where.root, tmp_path / "data")
    return replace(original, where=DataDirectory(tmp_path / "data"))


def a_record(installed: Installed) -> DecisionRecord:
    return next(one for one in installed.records[30:] if one.outcome is Outcome.DECIDED)


Alter = Callable[[Entry, DecisionRecord | None], Entry]


def rewrite(partition: Path, alter: Alter) -> None:
    """Write a partition anew with altered entries, so that its checks hold."""
    old = partition.parent / "old" / partition.name
    old.parent.mkdir()
    partition.rename(old)
    with Journal.open(partition, disk=SystemDisk(), clock=SystemClock()) as journal:
        for commit in scan(old, disk=SystemDisk()):
            journal.append(
                [
                    alter(one, decode_record(one.body) if one.kind == "record" else None)
                    for one in commit.entries
                ]
            )


def artefact(installed: Installed, digest: str) -> Path:
    return installed.where.root / "artefacts" / "sha256" / digest[:2] / digest


def bundle_part(installed: Installed, part: str) -> str:
    control = installed.where.control_log(disk=SystemDisk(), clock=SystemClock())
    return str(getattr(approved_bundle(control, "risk"), part))


def change_byte(path: Path, byte: int) -> None:
    content = bytearray(path.read_bytes())
    content[byte] ^= 1
    path.write_bytes(bytes(content))


def test_the_same_inputs_give_the_same_artefacts_digest_for_digest(original: Installed) -> None:
    first, second = original.versions

    assert (first.number, second.number) == (1, 2)
    assert first.artefacts == second.artefacts
    assert first.data == second.data
    assert (first.code, first.features, first.threshold) == (
        second.code,
        second.features,
        second.threshold,
    )
    assert set(first.metrics) >= {"auc_roc", "average_precision"}


def test_a_past_decision_comes_out_with_the_same_bits_though_the_code_has_changed(
    original: Installed,
) -> None:
    record = a_record(original)

    report = replay_record(id_text(record.id), original.where)

    assert report.is_equal
    assert report.differences == ()
    assert report.environment == ()
    assert (report.decision, report.tenant, report.outcome) == ("risk", "acme", "decided")
    assert bytes(report.answer) == record.answer
    assert [one.name for one in report.features][:2] == ["amount", "customer_n_6h"]


def test_a_feature_that_could_not_be_computed_is_the_same_again(original: Installed) -> None:
    record = original.records[5]
    assert record.unavailable == ("to_usual",)

    report = replay_record(id_text(record.id), original.where)

    assert report.is_equal
    assert report.features[-1].value is None


def test_every_record_is_verified_at_once(original: Installed) -> None:
    told: list[tuple[int, int]] = []

    report = verify_records(
        original.where, on_progress=lambda done, all_: told.append((done, all_))
    )

    assert (report.records, report.verified, report.different, report.failed) == (61, 61, 0, 0)
    assert (report.reads, report.reads_different) == (61 * 7, 0)
    assert told == [(61, 61)]
    assert {record.outcome for record in original.records} == {Outcome.DECIDED, Outcome.REVIEW}


def some_of(records: Sequence[DecisionRecord]) -> RecordSelection:
    return RecordSelection(since_us=records[20].at_us, until_us=records[40].at_us)


def of_a_bundle(records: Sequence[DecisionRecord]) -> RecordSelection:
    return RecordSelection(version=records[0].bundle.hex()[:10])


def of_nothing(_: Sequence[DecisionRecord]) -> RecordSelection:
    return RecordSelection(decision="other")


@pytest.mark.parametrize("selected", [some_of, of_a_bundle, of_nothing])
def test_some_records_are_verified_by_what_selects_them(
    original: Installed, selected: Callable[[Sequence[DecisionRecord]], RecordSelection]
) -> None:
    selection = selected(original.records)
    wanted = [record for record in original.records if selection.takes(record, None)]

    report = verify_records(original.where, selection=selection)

    assert (report.records, report.verified) == (len(wanted), len(wanted))
    assert len(wanted) in (0, 20, 61)


def test_without_corrections_and_retractions_the_records_after_them_come_out_otherwise(
    installed: Installed,
) -> None:
    def forget(entry: Entry, _: DecisionRecord | None) -> Entry:
        is_change = entry.kind in ("correction", "retraction")
        return msgspec.structs.replace(entry, kind="forgotten") if is_change else entry

    rewrite(installed.where.data, forget)

    report = verify_records(installed.where)

    before = {id_text(record.id) for record in installed.records[:30]}
    assert report.different > 0
    assert not before & {one.record for one in report.differences}


def test_a_record_is_replayed_for_its_own_tenant_only(original: Installed) -> None:
    record = original.records[-1]

    assert replay_record(id_text(record.id), original.where, tenant="umbrella").is_equal
    with pytest.raises(RecordNotFound):
        replay_record(id_text(record.id), original.where, tenant="acme")


@pytest.mark.parametrize("identifier", ["", "?", "01967c3e-7a00-7c3e-8f00-0123456789ab"])
def test_an_unknown_record_is_an_error(original: Installed, identifier: str) -> None:
    with pytest.raises(RecordNotFound):
        replay_record(identifier, original.where)


def test_an_altered_record_is_found_out(installed: Installed) -> None:
    record = a_record(installed)

    def alter(entry: Entry, found: DecisionRecord | None) -> Entry:
        if found is None or found.id != record.id:
            return entry
        better = msgspec.structs.replace(found, answer=b'{"fraud":false,"score":0.5}')
        return msgspec.structs.replace(entry, body=encode_record(better))

    rewrite(installed.where.data, alter)

    report = replay_record(id_text(record.id), installed.where)

    assert not report.is_equal
    (difference,) = report.differences
    assert (difference.part, difference.recorded) == ("answer", '{"fraud":false,"score":0.5}')
    assert difference.replayed.startswith(record.answer.decode())
    assert verify_records(installed.where).different == 1


def test_an_altered_event_of_the_past_is_found_out_by_the_features_that_saw_it(
    installed: Installed,
) -> None:
    def alter(entry: Entry, _: DecisionRecord | None) -> Entry:
        return msgspec.structs.replace(
            entry, body=entry.body.replace(b'"customer": "c1"', b'"customer": "c2"')
        )

    rewrite(installed.where.data, alter)

    report = verify_records(installed.where)

    assert report.different > 0
    assert {one.part for one in report.differences} & {"feature customer_n_2d", "request"}


def test_a_changed_byte_of_the_journal_is_an_error(installed: Installed) -> None:
    record = a_record(installed)
    segment = min(installed.where.data.glob("*.log"))
    content = segment.read_bytes()
    at = content.index(b'"customer": "c')

    change_byte(segment, at + 14)

    with pytest.raises(JournalCorrupt):
        replay_record(id_text(record.id), installed.where)


def test_a_changed_source_is_an_error(installed: Installed) -> None:
    record = a_record(installed)
    change_byte(artefact(installed, bundle_part(installed, "source")), 900)

    with pytest.raises(ArtefactCorrupt):
        replay_record(id_text(record.id), installed.where)


def test_a_changed_model_is_an_error(installed: Installed) -> None:
    record = a_record(installed)
    change_byte(artefact(installed, bundle_part(installed, "model")), 100)

    with pytest.raises(ReplayFailed, match="model bytes"):
        replay_record(id_text(record.id), installed.where)


def test_a_missing_lock_is_an_error(installed: Installed) -> None:
    record = a_record(installed)
    artefact(installed, bundle_part(installed, "lock")).unlink()

    with pytest.raises((ArtefactMissing, ReplayFailed)):
        replay_record(id_text(record.id), installed.where)


def test_an_altered_bundle_is_not_the_one_that_was_recorded(installed: Installed) -> None:
    record = a_record(installed)

    def alter(entry: Entry, _: DecisionRecord | None) -> Entry:
        return msgspec.structs.replace(
            entry, body=entry.body.replace(b'"min_confidence":0.9', b'"min_confidence":0.6')
        )

    rewrite(installed.where.control, alter)

    with pytest.raises(UnknownBundle, match=record.bundle.hex()):
        replay_record(id_text(record.id), installed.where)


def test_a_record_of_a_bundle_that_nobody_approved_is_an_error(installed: Installed) -> None:
    record = a_record(installed)

    def alter(entry: Entry, _: DecisionRecord | None) -> Entry:
        return msgspec.structs.replace(entry, kind="note") if entry.kind == "approval" else entry

    rewrite(installed.where.control, alter)

    with pytest.raises(NotApproved):
        replay_record(id_text(record.id), installed.where)


def test_a_source_that_does_not_run_says_why(
    original: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISK_NEEDS", "a database")

    with pytest.raises(ReplayFailed, match="there is no a database"):
        replay_record(id_text(original.records[0].id), original.where)
