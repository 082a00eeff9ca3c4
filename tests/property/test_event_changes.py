"""Corrections and retractions among late, out-of-order and duplicate events.

Whatever comes in whichever order, with restarts in between: the live engine, one that was
rebuilt from the journal, the offline computation as known at each position and the plain
definition agree, to the bit.
"""

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kingpost.contracts import batch_of, contract_of
from kingpost.decisions import Ask, Engine
from kingpost.features import Histories, Requests, check_parity, feature_matrix
from kingpost.journal import scan
from kingpost.records import DecisionRecord, decode_record
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import APPLICATION, FakeClock, Payment, fraud, open_engine, payment
from tests.written import written

DATA = Path("/journal/data")
CONTRACT = contract_of(Payment)
START_US = 1_533_124_800_000_000
T = TypeVar("T")


class Step(NamedTuple):
    what: Literal["ask", "ingest", "retract", "correct", "restart"]
    identifier: str
    amount: float
    card: str
    minute: int

    @property
    def body(self) -> bytes:
        return payment(self.identifier, self.amount, card=self.card, minute=self.minute)


steps = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(["ask", "ingest", "ingest", "retract", "correct", "restart"]),
        identifier=st.sampled_from([f"p{at}" for at in range(7)]),
        amount=st.sampled_from([0.07, 10.0, 19.99, 900.0]),
        card=st.sampled_from(["c1", "c2"]),
        minute=st.integers(0, 3),
    ),
    max_size=25,
)
PROBES = [Step("ask", f"probe-{card}", 20.0, card, 9) for card in ("c1", "c2")]


class Model:
    """The plain definition: what is held under each key, and which keys are done with."""

    def __init__(self) -> None:
        self.live: dict[str, Step] = {}
        self.seen: set[str] = set()
        self.retracted: set[str] = set()

    def take(self, step: Step) -> str:
        key = step.identifier
        match step.what:
            case "ask" | "ingest":
                is_new = key not in self.seen
                self.seen.add(key)
                if is_new and key not in self.retracted:
                    self.live[key] = step
                return "new" if is_new else "known"
            case "retract":
                was_retracted = key in self.retracted
                self.retracted.add(key)
                self.live.pop(key, None)
                if key not in self.seen:
                    return "held"
                return "unchanged" if was_retracted else "retracted"
            case "correct":
                if key in self.retracted:
                    return "was_retracted"
                if key not in self.seen:
                    return "no_event"
                is_same = self.live[key][1:] == step[1:]
                self.live[key] = step
                return "unchanged" if is_same else "corrected"
            case "restart":
                return ""

    def of_card(self, card: str) -> list[Step]:
        return [step for step in self.live.values() if step.card == card]


class House:
    """An engine over a simulated disk; a restart kills it and opens it again."""

    def __init__(self) -> None:
        self.disk, self.clock = SimulatedDisk(), FakeClock()
        self.engine = open_engine(DATA, disk=self.disk, clock=self.clock)
        self.records: list[DecisionRecord] = []

    def take(self, step: Step) -> str:
        event, body, engine = CONTRACT.decode(step.body), step.body, self.engine
        match step.what:
            case "ask":
                ask = Ask("fraud", "acme", "k", event, body, "0", None, None, 0)
                [reply] = written(lambda landed: engine.decide([ask], landed))
                if reply.record is not None:
                    self.records.append(reply.record)
                return ""
            case "ingest":
                done = written(
                    lambda landed: engine.ingest("acme", "payment", [(event, body)], landed)
                )
                return "new" if done.accepted else "known"
            case "retract":
                return written(
                    lambda landed: engine.retract("acme", "payment", step.identifier, landed)
                ).value
            case "correct":
                return written(
                    lambda landed: engine.correct("acme", "payment", event, body, landed)
                ).value
            case "restart":
                engine.close()
                self.disk = self.disk.after_kill()
                self.engine = open_engine(DATA, disk=self.disk, clock=self.clock)
                return ""


def lived(past: list[Step]) -> Iterator[tuple[House, Model]]:
    house, model = House(), Model()
    for step in past:
        said, expected = house.take(step), model.take(step)
        assert step.what in ("ask", "restart") or said == expected
    yield house, model
    house.engine.close()


def journalled(house: House) -> tuple[Histories, list[DecisionRecord]]:
    histories = Histories(APPLICATION.streams.values())
    records: list[DecisionRecord] = []
    for commit in scan(DATA, disk=house.disk):
        histories.add(commit)
        records += [decode_record(e.body) for e in commit.entries if e.kind == "record"]
    return histories, records


def offline(engine: Engine, records: list[DecisionRecord], histories: Histories) -> bytes:
    bodies = [engine.request_of(record) or b"" for record in records]
    positions = np.array([record.event_offset for record in records], np.int64)
    events = batch_of(CONTRACT, [CONTRACT.decode(body) for body in bodies])
    requests = Requests(events, positions, positions)
    return feature_matrix(fraud.features, requests, histories.of("acme")).tobytes()


@given(past=steps)
def test_online_recovered_and_offline_agree_with_the_plain_definition(past: list[Step]) -> None:
    for house, model in lived(past):
        for probe in PROBES:
            house.take(probe)
            model.take(probe)
            found = array("d", house.records[-1].features).tolist()
            held = model.of_card(probe.card)
            cents = sum(round(step.amount * 100) for step in held)
            assert found[fraud.features.names.index("card_count_1d")] == len(held)
            assert found[fraud.features.names.index("card_mean_1d")] == cents / (len(held) * 100)
        assert house.engine.events_held()["payment"] == len(model.live)

        histories, records = journalled(house)
        assert offline(house.engine, records, histories) == b"".join(r.features for r in records)
        live = histories.of("acme")["payment"].live().events
        held = dict(zip(live.values("id"), live.values("amount"), strict=True))
        assert held == {key: step.amount for key, step in model.live.items()}


@given(past=steps)
def test_a_restart_after_everything_changes_no_bit(past: list[Step]) -> None:
    without = [step for step in past if step.what != "restart"]
    for house, _ in lived(without):
        for again, _ in lived([*without, Step("restart", "p0", 0.0, "c1", 0)]):
            for probe in PROBES:
                house.take(probe)
                again.take(probe)
            assert [r.features for r in house.records] == [r.features for r in again.records]


@given(past=steps, since=st.integers(0, 3))
def test_parity_replays_corrections_and_retractions(past: list[Step], since: int) -> None:
    for house, _ in lived([*past, *PROBES]):
        histories, _ = journalled(house)
        report = check_parity(
            fraud.features,
            APPLICATION.streams,
            histories.of("acme"),
            from_us=START_US + since * 60_000_000,
            until_us=START_US + 3600_000_000,
        )
        assert report.requests >= 2
        assert report.mismatches == 0


@given(past=steps, cut=st.integers(0, 60))
def test_a_history_up_to_a_position_is_what_was_held_there(past: list[Step], cut: int) -> None:
    for house, _ in lived(past):
        commits = list(scan(DATA, disk=house.disk))
        cut = min(cut, len(commits))
        whole, part = Histories([CONTRACT]), Histories([CONTRACT])
        for at, commit in enumerate(commits):
            whole.add(commit)
            if at < cut:
                part.add(commit)

        end = commits[cut - 1].next_offset if cut else 0
        held = part.of("acme")["payment"].live()
        then = whole.of("acme")["payment"].until(end).live()

        assert np.array_equal(held.positions, then.positions)
        assert held.events.values("amount") == then.events.values("amount")
