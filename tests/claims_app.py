"""An application with personal fields and a plain Python model, and engines that come and go."""

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

import kingpost as kp
from kingpost.contracts import contract_of
from kingpost.core import KingpostError
from kingpost.decisions import Application, Ask, Engine, Reply, ServedDecision, Subjects
from kingpost.features import Erasure
from kingpost.journal import Entry, scan
from kingpost.storage import StorageFull
from kingpost.subjects import MasterKey, MemorySubjectKeys, SubjectVault, WrappedKey
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import BUNDLE, MODEL, ByAmount, FakeClock, train

__all__ = [
    "APPLICATION",
    "DATA",
    "MASTER",
    "Claim",
    "House",
    "body",
    "claims",
    "decide",
    "durable",
    "erase",
    "judged",
    "name_of",
    "paid",
]

T = TypeVar("T")
DATA, MASTER = Path("/journal/data"), MasterKey(b"m" * 32)


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
    def engine(self, snapshots: Path | None = None) -> Generator[Engine, None, None]:
        vault = SubjectVault(self.keys, MASTER)
        engine = Engine.open(
            DATA,
            APPLICATION,
            {"judged": ServedDecision(judged, BUNDLE, MODEL, ByAmount(), 0.5)},
            disk=self.disk,
            clock=FakeClock(),
            snapshots=snapshots,
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


def body(identifier: str, name: str = "Ann Winter", *, customer: str = "C1") -> bytes:
    facts = {"id": identifier, "at": "2018-08-01T12:00:00Z", "customer": customer}
    return msgspec.json.encode(
        facts | {"amount": 20.0, "name": name, "email": "ann@winter.example"}
    )


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
