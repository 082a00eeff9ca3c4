"""The engine and personal content: sealed before it is written, and gone with its key."""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import pytest

import kingpost as kp
from kingpost.contracts import ContentClosed, Event, contract_of
from kingpost.core import KingpostError
from kingpost.decisions import (
    Application,
    Ask,
    Change,
    Engine,
    EventConflict,
    Reply,
    ServedDecision,
    Subjects,
)
from kingpost.features import Erasure, WrongFeature
from kingpost.journal import Entry, scan
from kingpost.storage import StorageFull
from kingpost.subjects import KeysNotKept, MasterKey, MemorySubjectKeys, SubjectVault, WrappedKey
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import BUNDLE, MODEL, ByAmount, FakeClock, train

T = TypeVar("T")
DATA = Path("/journal/data")


class Claim(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: kp.Subject[str]
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]
    name: Annotated[str, kp.Personal()]
    email: Annotated[str | None, kp.Personal("digest")] = None


class Paid(kp.Event):
    claim: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    fraud: bool


claims, paid = kp.stream(Claim), kp.stream(Paid)


@kp.feature
def name_length(name: str) -> float:
    return float(len(name))


judged = kp.decision(
    "judged",
    request=Claim,
    features=[
        kp.field("amount"),
        claims.by("customer").over("7d").features(count=kp.count()),
        name_length,
    ],
    model=kp.model("judged", trainer=train, label=paid.label("fraud")),  # pyright: ignore[reportArgumentType]
)
APPLICATION = Application(
    root=Path(),
    path=Path("claims.py"),
    streams={one.name: one for one in (contract_of(Claim), contract_of(Paid))},
    decisions={"judged": judged},
    sources={},
)


class FullOnce(MemorySubjectKeys):
    """Has no room for a key, until it is emptied."""

    is_full = False

    def add(self, keys: Sequence[WrappedKey]) -> None:
        if self.is_full:
            raise StorageFull("the keys of data subjects")
        super().add(keys)


class House:
    """What outlives an engine."""

    def __init__(self) -> None:
        self.disk, self.keys = SimulatedDisk(), FullOnce()

    @contextmanager
    def engine(self) -> Generator[Engine, None, None]:
        vault = SubjectVault(self.keys, MasterKey(b"m" * 32))
        engine = Engine.open(
            DATA,
            APPLICATION,
            {"judged": ServedDecision(judged, BUNDLE, MODEL, ByAmount(), 0.5)},
            disk=self.disk,
            clock=FakeClock(),
            subjects=Subjects(vault, APPLICATION.streams.values()),
        )
        try:
            yield engine
        finally:
            engine.close()

    def entries(self, kind: str) -> list[Entry]:
        commits = scan(DATA, disk=self.disk)
        return [entry for commit in commits for entry in commit.entries if entry.kind == kind]


def durable(write: Callable[[Callable[[KingpostError | None], None]], tuple[T, bool]]) -> T:
    """Write, and wait for the disk."""
    landed, told = threading.Event(), list[KingpostError | None]()

    def hear(error: KingpostError | None) -> None:
        told.append(error)
        landed.set()

    result, has_written = write(hear)
    if has_written:
        assert landed.wait(10)
        assert told == [None]
    return result


def body(identifier: str, name: str = "Ann Sealed", *, customer: str = "C1") -> bytes:
    facts = {"id": identifier, "at": "2018-08-01T12:00:00Z", "customer": customer}
    return msgspec.json.encode(facts | {"amount": 20.0, "name": name, "email": "ann@seal.example"})


def decide(engine: Engine, *bodies: bytes) -> list[Reply]:
    decode = contract_of(Claim).decode
    asks = [
        Ask("judged", "acme", "key", decode(one), one, "0" * 32, None, None, 0) for one in bodies
    ]
    return durable(lambda landed: engine.decide(asks, landed))


def erase(engine: Engine, customer: str) -> Erasure:
    erasure, _ = durable(
        lambda landed: (
            engine.erase("acme", "customer", customer, by="ann", reason="", landed=landed),
            True,
        )
    )
    return erasure


def name_of(engine: Engine, reply: Reply) -> object:
    assert reply.record is not None
    asked = engine.request_of(reply.record)
    assert asked is not None
    return msgspec.json.decode(asked)["name"]


def test_nothing_personal_is_written_and_a_repetition_is_known_after_a_restart() -> None:
    house = House()
    with house.engine() as engine:
        [first] = decide(engine, body("1"))
        assert name_of(engine, first) == "Ann Sealed"
        [repeated] = decide(engine, body("1"))
        [other] = decide(engine, body("1", "Bob Sealed"))
        events: list[tuple[Event, bytes]] = [
            (contract_of(Claim).decode(one), one) for one in (body("2"), body("3"))
        ]
        durable(lambda landed: engine.ingest("acme", "claim", events, landed))
        changed = contract_of(Claim).decode(body("2", "Eve Sealed"))
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
            b"Sealed" in one.body or b"seal.ex" in one.body for one in house.entries(kind)
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
        assert name_of(engine, kept) == "Ann Sealed"
    assert sum(bool(one.wrapped) for one in house.keys._keys.values()) == 1  # pyright: ignore[reportPrivateUsage]: as above


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
        assert (name_of(engine, before), name_of(engine, after)) == ("[erased]", "Ann Sealed")
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
