"""The engine and personal content: encrypted before it is written, and gone with its key."""

import threading
from pathlib import Path

import pytest

import kingpost as kp
from kingpost.contracts import ContentClosed, Event, contract_of
from kingpost.decisions import Change, Engine, EventConflict, UnderLegalHold
from kingpost.features import WrongFeature
from kingpost.subjects import KeysNotKept, SubjectName, SubjectVault
from tests.claims_app import (
    APPLICATION,
    DATA,
    MASTER,
    Claim,
    House,
    body,
    claims,
    decide,
    durable,
    erase,
    name_of,
    paid,
)
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import FakeClock, train


def test_nothing_personal_is_written_and_a_repetition_is_known_after_a_restart() -> None:
    house = House()
    with house.engine() as engine:
        [first] = decide(engine, body("1"))
        assert name_of(engine, first) == "Ann Winter"
        [repeated] = decide(engine, body("1"))
        [other] = decide(engine, body("1", "Bob Winter"))
        events: list[tuple[Event, bytes]] = [
            (contract_of(Claim).decode(one), one) for one in (body("2"), body("3"))
        ]
        durable(lambda landed: engine.ingest("acme", "claim", events, landed))
        changed = contract_of(Claim).decode(body("2", "Eve Winter"))
        assert (
            durable(lambda landed: engine.correct("acme", "claim", changed, b"", landed))
            is Change.CORRECTED
        )
    with house.engine() as engine:
        [again] = decide(engine, body("1"))

    assert first.record is not None
    assert repeated.repeats == again.repeats is not None
    assert isinstance(other.error, EventConflict)
    assert len(house.entries("event")) == 3
    for kind in ("event", "correction", "record"):
        assert house.entries(kind)
        assert not any(
            b"Winter" in one.body or b"winter.ex" in one.body for one in house.entries(kind)
        )


def test_an_engine_that_was_killed_before_the_key_was_destroyed_does_so_when_it_starts() -> None:
    house = House()
    with house.engine() as engine:
        gone, kept = decide(engine, body("1"), body("2", customer="C2"))
        erase(engine, "C1")
        assert name_of(engine, gone) == "[erased]"
    assert sum(bool(one.wrapped) for one in house.keys._keys.values()) == 2  # pyright: ignore[reportPrivateUsage]: what a thief of the file had

    with house.engine() as engine:
        assert name_of(engine, gone) == "[erased]"
        assert name_of(engine, kept) == "Ann Winter"
    assert sum(bool(one.wrapped) for one in house.keys._keys.values()) == 1  # pyright: ignore[reportPrivateUsage]: as above


def test_a_key_that_was_made_for_what_a_crash_took_back_is_erased_all_the_same() -> None:
    house = House()
    subject = SubjectName("acme", "customer", "C1")
    SubjectVault(house.keys, MASTER).prepare([subject], 10_000)  # of a group that never landed
    with house.engine() as engine:
        [reply] = decide(engine, body("1"))
        erasure = erase(engine, "C1")

        assert name_of(engine, reply) == "[erased]"
        assert engine.destroy_keys("acme", erasure) == 1


def test_what_comes_while_an_erasure_is_written_is_not_erased() -> None:
    house = House()
    with house.engine() as engine:
        [before] = decide(engine, body("1"))
        landed = threading.Event()
        erasure, _ = engine.erase(
            "acme", "customer", "C1", by="ann", reason="", landed=lambda _: landed.set()
        )
        [after] = decide(engine, body("2"))
        assert landed.wait(10)

        assert engine.destroy_keys("acme", erasure) == 1
        assert engine.destroy_keys("acme", erasure) == 0
        assert (name_of(engine, before), name_of(engine, after)) == ("[erased]", "Ann Winter")
        [unknown] = decide(engine, body("1"))
        assert isinstance(unknown.error, EventConflict), "nobody can tell any more"


def test_a_subject_whose_key_cannot_be_kept_is_refused_and_nothing_else() -> None:
    house = House()
    with house.engine() as engine:
        decide(engine, body("1"))
        house.keys.is_full = True
        with pytest.raises(KeysNotKept):
            decide(engine, body("2", customer="C2"))
        [known] = decide(engine, body("3"))
        house.keys.is_full = False
        [later] = decide(engine, body("2", customer="C2"))

    assert known.record is not None
    assert later.record is not None
    assert len(house.entries("event")) == 3


def test_an_engine_without_keys_does_not_start() -> None:
    with pytest.raises(ContentClosed, match="open_subjects"):
        Engine.open(DATA, APPLICATION, {}, disk=SimulatedDisk(), clock=FakeClock())


def test_windows_labels_and_digests_take_nothing_personal() -> None:
    for wrong in (
        lambda: claims.by("name"),
        lambda: claims.where("name", equals="Ann"),
        lambda: claims.by("customer").over("7d").features(last=kp.last("name")),
    ):
        with pytest.raises(WrongFeature, match="personal"):
            wrong()

    @kp.feature
    def provider(email: str) -> float:
        return float(len(email))

    with pytest.raises(WrongFeature, match="only a digest is stored"):
        kp.decision(
            "wrong",
            request=Claim,
            features=[provider],
            model=kp.model("wrong", trainer=train, label=paid.label("fraud")),  # pyright: ignore[reportArgumentType]
        )


def hold(engine: Engine, customer: str, *, is_released: bool = False) -> None:
    durable(
        lambda landed: (
            engine.hold(
                "acme", "customer", customer, by="law", reason="claim 7", is_released=is_released,
                landed=landed,
            ),
            True,
        )
    )  # fmt: skip


def test_whom_somebody_holds_is_not_erased_until_it_is_released() -> None:
    house = House()
    with house.engine() as engine:
        [held] = decide(engine, body("1"))
        hold(engine, "C1")
        with pytest.raises(UnderLegalHold, match="by law"):
            erase(engine, "C1")
        erase(engine, "C2")
    with house.engine() as engine:  # also after a start
        with pytest.raises(UnderLegalHold):
            erase(engine, "C1")
        assert name_of(engine, held) == "Ann Winter"
        hold(engine, "C1", is_released=True)
        erase(engine, "C1")

        assert name_of(engine, held) == "[erased]"
        assert [one.is_released for one in engine.legal_holds("acme")] == [False, True]
        assert engine.legal_holds("other") == ()


def test_an_erasure_that_a_hold_forbade_is_on_record_also_after_a_start() -> None:
    house, snapshots = House(), Path("/snapshots")
    with house.engine(snapshots) as engine:
        decide(engine, body("1"))
        hold(engine, "C1")
        durable(
            lambda told: (
                engine.note_refused_erasure(
                    "acme", "customer", "C1", by="ann", reason="asked to", landed=told
                ),
                True,
            )
        )
        [live] = engine.refused_erasures("acme")
    with house.engine(snapshots) as engine:
        assert engine.refused_erasures("acme") == [live]
        engine.close()
        assert engine.write_snapshot()
    with house.engine(snapshots) as engine:
        [found] = engine.refused_erasures("acme")

        assert found == live
        assert (found.by, found.reason) == ("ann", "asked to")
        assert found.hold == engine.legal_holds("acme")[0].offset
        assert engine.erasures("acme") == ()


def test_a_hold_comes_back_from_a_snapshot() -> None:
    house, snapshots = House(), Path("/snapshots")
    with house.engine(snapshots) as engine:
        decide(engine, body("1"))
        hold(engine, "C1")
        engine.close()
        assert engine.write_snapshot()

    with house.engine(snapshots) as engine:
        assert [one.reason for one in engine.legal_holds("acme")] == ["claim 7"]
        with pytest.raises(UnderLegalHold):
            erase(engine, "C1")
