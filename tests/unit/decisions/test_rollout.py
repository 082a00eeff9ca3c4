"""A process follows the log: loads, hands over, judges, goes on through stages and restarts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.core import SystemDisk
from kingpost.decisions import (
    Engine,
    EvidenceFiles,
    NotApproved,
    Releases,
    Rollout,
    Route,
    ServedDecision,
)
from kingpost.decisions.ask import Ask
from kingpost.records import Role
from kingpost.registry import (
    ControlLog,
    NothingReleased,
    ReleaseGoesOn,
    ReleasePlan,
    Stage,
)
from tests.tiny_app import MODEL, ByAmount, FakeClock, fraud, open_engine, payment


class Broken:
    """A model that fails on every row."""

    def score(self, rows: NDArray[np.float32]) -> Sequence[float]:
        raise ArithmeticError("it is broken")


class NoShadows:
    """Takes no shadow."""

    def offer(self, route: Route, routed: object) -> None:
        raise AssertionError("nothing is shadowed here")


@dataclass
class House:
    """An engine, the log that says what it runs, and two bundles."""

    directory: Path
    clock: FakeClock = field(default_factory=FakeClock)
    broken: bool = False

    def __post_init__(self) -> None:
        self.control = ControlLog(self.directory / "control", disk=SystemDisk(), clock=self.clock)
        self.releases = Releases(self.control, clock=self.clock)
        self.digests = [self.approved(text) for text in (b"first", b"second")]
        self.asked = 0
        self.unloadable: set[str] = set()

    def approved(self, text: bytes) -> str:
        digest = self.control.add_bundle("fraud", text).digest
        self.control.approve("fraud", digest, by="ann", reason="a test")
        return digest

    def served(self, digest: str, role: Role = Role.CHAMPION) -> ServedDecision:
        if digest in self.unloadable:
            raise OSError("the file is gone")
        scorer = Broken() if self.broken and digest == self.digests[1] else ByAmount()
        return ServedDecision(fraud, bytes.fromhex(digest), MODEL, scorer, 0.5, role)

    def open(self, name: str = "data") -> tuple[Engine, Rollout]:
        engine = open_engine(
            self.directory / name, clock=self.clock, bundle=bytes.fromhex(self.digests[0])
        )
        rollout = Rollout(
            self.releases,
            engine.served,
            lambda _, digest, role: self.served(digest, role),
            engine.adopt,
            EvidenceFiles(self.directory / "releases", name, disk=SystemDisk()),
            NoShadows(),
            clock=self.clock,
        )
        return engine, rollout

    def decide(self, engine: Engine, number: int = 40) -> set[str]:
        """Ask for some decisions; return the bundles that answered."""
        asks: list[Ask] = []
        for _ in range(number):
            self.asked += 1
            body = payment(f"p{self.asked}", 20.0 + self.asked % 90, card=f"c{self.asked % 50}")
            event = engine.application.streams["payment"].decode(body)
            asks.append(Ask("fraud", "acme", "k", event, body, "0" * 32, None, None, 0))
        replies, _ = engine.decide(asks, lambda _: None)
        return {reply.record.bundle.hex() for reply in replies if reply.record is not None}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def canary(*shares: float, requests: int = 0, minutes: int = 0) -> ReleasePlan:
    stages = (
        Stage(share=share, min_requests=requests, min_us=minutes * 60_000_000) for share in shares
    )
    return ReleasePlan(stages=tuple(stages), by="card")


def test_a_release_is_followed_and_promoted_and_taken_back(house: House) -> None:
    first, second = house.digests
    engine, rollout = house.open()
    house.releases.start("fraud", second, canary(0.5), by="ann", reason="a test")
    rollout.step()

    assert house.decide(engine) == {first, second}
    house.releases.promote("fraud", by="ann", reason="good")
    rollout.step()
    assert house.decide(engine) == {second}
    assert engine.served["fraud"].role is Role.CHAMPION
    house.releases.roll_back("fraud", by="ann", reason="bad")
    rollout.step()
    assert house.decide(engine) == {first}
    engine.close()


def test_what_fails_is_rolled_back_with_its_evidence_by_the_process_that_finds_it(
    house: House,
) -> None:
    house.broken = True
    first, second = house.digests
    (engine, rollout), (other, following) = house.open("a"), house.open("b")
    house.releases.start("fraud", second, canary(0.2), by="ann", reason="a test")
    rollout.step()
    following.step()
    for _ in range(20):
        house.decide(engine)
    rollout.step()
    following.step()

    state = house.control.releases("fraud")
    ended = state.events[-1]
    assert (ended.step, ended.by, state.live) == ("rolled_back", "kingpost", None)
    assert ended.evidence[0].measure == "errors"
    assert ended.evidence[0].rate == 1
    assert house.decide(engine) == house.decide(other) == {first}
    engine.close()
    other.close()


def test_processes_judge_by_what_all_have_seen(house: House) -> None:
    house.broken = True
    _, second = house.digests
    houses = [house.open(name) for name in "abcd"]
    house.releases.start("fraud", second, canary(0.5), by="ann", reason="a test")
    for engine, rollout in houses:
        rollout.step()
        house.decide(engine, 14)
    house.clock.advance(2)
    for _, rollout in houses:
        rollout.step()

    ended = house.control.releases("fraud").events[-1]
    assert ended.step == "rolled_back"
    assert ended.evidence[0].requests > 10, "more than one of them has seen"
    for engine, _ in houses:
        engine.close()


def test_stages_follow_their_times_and_requests_also_after_a_restart(house: House) -> None:
    _, second = house.digests
    plan = canary(0.2, 0.5, 1, requests=20, minutes=10)
    engine, rollout = house.open()
    house.releases.start("fraud", second, plan, by="ann", reason="a test")
    rollout.step()
    for _ in range(5):
        house.decide(engine)
    rollout.step()
    assert house.control.releases("fraud").events[-1].step == "started", "too soon"
    rollout.close()
    engine.close()

    house.clock.advance(601)
    engine, rollout = house.open()
    rollout.step()
    assert [one.step for one in house.control.releases("fraud").events] == ["started", "advanced"]
    house.clock.advance(601)
    rollout.step()
    assert house.control.releases("fraud").live is not None, "too few requests in this stage"
    for _ in range(5):
        house.decide(engine)
    rollout.step()

    assert house.control.releases("fraud").champion == second
    assert house.decide(engine) == {second}
    engine.close()


def test_a_bundle_that_cannot_be_loaded_is_rolled_back_and_changes_nothing(house: House) -> None:
    first, second = house.digests
    house.unloadable.add(second)
    engine, rollout = house.open()
    house.releases.start("fraud", second, canary(0.5), by="ann", reason="a test")
    rollout.step()

    ended = house.control.releases("fraud").events[-1]
    assert (ended.step, "the file is gone" in ended.reason) == ("rolled_back", True)
    assert house.decide(engine) == {first}
    engine.close()


def test_a_champion_that_cannot_be_loaded_is_said_once_and_what_ran_goes_on(house: House) -> None:
    first, second = house.digests
    engine, rollout = house.open()
    house.releases.start("fraud", second, canary(0.5), by="ann", reason="a test")
    house.releases.promote("fraud", by="ann", reason="good")
    house.unloadable.add(second)
    rollout.step()
    rollout.step()

    steps = [one.step for one in house.control.releases("fraud").events]
    assert steps == ["started", "promoted", "refused"]
    assert rollout.problems() == {"fraud": second}
    assert house.decide(engine) == {first}
    engine.close()


def test_a_field_that_requests_do_not_have_cannot_assign(house: House) -> None:
    engine, rollout = house.open()
    plan = ReleasePlan(stages=(Stage(share=0.5),), by="colour")
    house.releases.start("fraud", house.digests[1], plan, by="ann", reason="a test")
    rollout.step()

    assert "no field 'colour'" in house.control.releases("fraud").events[-1].reason
    engine.close()


def test_steps_that_contradict_each_other_are_refused(house: House) -> None:
    first, second = house.digests
    releases = house.releases
    with pytest.raises(NothingReleased, match="promote"):
        releases.promote("fraud", by="ann", reason="x")
    with pytest.raises(NothingReleased, match="go back to"):
        releases.roll_back("fraud", by="ann", reason="x")
    unapproved = house.control.add_bundle("fraud", b"third").digest
    with pytest.raises(NotApproved):
        releases.start("fraud", unapproved, canary(0.1), by="ann", reason="x")

    releases.start("fraud", second, canary(0.1), by="ann", reason="x")
    with pytest.raises(ReleaseGoesOn):
        releases.start("fraud", first, canary(0.1), by="ann", reason="x")
    releases.promote("fraud", by="ann", reason="x")
    with pytest.raises(NothingReleased, match="champion already"):
        releases.start("fraud", second, canary(0.1), by="ann", reason="x")
