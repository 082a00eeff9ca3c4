"""Events let go for their age, among late, corrected and retracted ones, restarts and spilling.

Whatever comes in whichever order: a read is refused because what it looks back on may be
gone, or it has the bits of the plain definition, which knows of no retention, and of the
offline computation from the journal, which still has every event. And what is older than
the retention is gone: from memory, from the file outside memory and from snapshots.
"""

from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import kingpost as kp
from kingpost.contracts import batch_of, contract_of
from kingpost.decisions import Application, Ask, Engine, ServedDecision, take_snapshot
from kingpost.features import (
    FeaturesForgotten,
    Histories,
    MemoryRoom,
    OnlineFeatures,
    Requests,
    check_parity,
    feature_matrix,
)
from kingpost.journal import scan
from kingpost.records import DecisionRecord, Outcome
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import BUNDLE, MODEL, ByAmount, FakeClock, train
from tests.written import written

DATA, SNAPSHOTS = Path("/journal/data"), Path("/snapshots")
MINUTE = 60_000_000
RETENTION, STEP, REACH = 16 * MINUTE, MINUTE, 12 * MINUTE


class Sale(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: str
    amount: Annotated[float, kp.Range(ge=0), kp.Resolution("0.01")]


class Refund(kp.Event):
    sale: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    due: bool


sales, refunds = kp.stream(Sale, retention="16m"), kp.stream(Refund)
by_customer = sales.by("customer")
decision = kp.decision(
    "offer",
    request=Sale,
    features=[
        kp.field("amount"),
        by_customer.over("3m", "12m").features(count=kp.count(), mean=kp.mean("amount")),
        by_customer.over("5m", delay="7m").features(low=kp.min("amount"), std=kp.std("amount")),
        by_customer.tumbling("4m").features(
            high=kp.max("amount"), typical=kp.quantile("amount", 0.5)
        ),
        by_customer.latest("amount", max_age="11m"),
        sales.where("amount", above=30.0).by("customer").over("9m").features(large=kp.count()),
    ],
    model=kp.model("offer", trainer=train, label=refunds.label("due")),  # pyright: ignore[reportArgumentType]  never trained
)
CONTRACTS = {one.name: one for one in decision.streams}
APPLICATION = Application(Path(), Path("retention.py"), CONTRACTS, {"offer": decision}, {})
NAMES = decision.features.names


class Step(NamedTuple):
    what: Literal["ask", "sell", "correct", "unsell", "kill", "snapshot", "beside"]
    number: int
    customer: str
    late: int
    passes: int

    @property
    def key(self) -> str:
        return f"s{self.number}"

    @property
    def amount(self) -> float:
        return 10.25 * (self.number % 7 + 1)


steps = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(
            [
                "ask",
                "ask",
                "sell",
                "sell",
                "sell",
                "correct",
                "unsell",
                "kill",
                "snapshot",
                "beside",
            ]
        ),
        number=st.integers(0, 25),
        customer=st.sampled_from(["ann", "bob"]),
        late=st.sampled_from([0, 0, 0, 1, 3, 5, 14, 17, 40, -3, -500]),
        passes=st.sampled_from([0, 0, 1, 1, 4, 9, 30]),
    ),
    max_size=40,
)
PROBES = [
    Step("ask", 90 + 2 * late + at, customer, late, 0)
    for late in (0, 3, 6, 15)
    for at, customer in enumerate(("ann", "bob"))
]


class Held(NamedTuple):
    """A sale that counts."""

    at_us: int
    customer: str
    amount: float


class House:
    """An engine over a simulated disk, and beside it what the plain definition knows."""

    def __init__(self, limit_bytes: int | None) -> None:
        self.disk, self.clock, self._limit_bytes = SimulatedDisk(), FakeClock(), limit_bytes
        self.sales: dict[str, Held | None] = {}
        self.latest_us = 0
        self.records: list[tuple[Held, DecisionRecord, list[Held]]] = []
        self.engine = self._open()

    @property
    def online(self) -> OnlineFeatures:
        return self.engine._memory.tenant("acme").online  # pyright: ignore[reportPrivateUsage]

    @property
    def low_us(self) -> int:
        """Up to which time nothing need be held."""
        return min(self.latest_us, self.clock.us) - RETENTION

    def _room(self) -> MemoryRoom | None:
        if self._limit_bytes is None:
            return None
        return MemoryRoom(self._limit_bytes, Path("/spill"), disk=self.disk)

    def _open(self) -> Engine:
        served = {"offer": ServedDecision(decision, BUNDLE, MODEL, ByAmount(), 0.5)}
        return Engine.open(
            DATA,
            APPLICATION,
            served,
            disk=self.disk,
            clock=self.clock,
            snapshots=SNAPSHOTS,
            room=self._room(),
        )

    def take(self, step: Step) -> None:
        self.clock.advance(60.0 * step.passes)
        held = Held(self.clock.us - step.late * MINUTE, step.customer, step.amount)
        at = np.datetime64(held.at_us, "us").item().isoformat() + "Z"
        body = (
            f'{{"id":"{step.key}","at":"{at}","customer":"{held.customer}","amount":{held.amount}}}'
        ).encode()
        engine, event = self.engine, contract_of(Sale).decode(body)
        match step.what:
            case "ask":
                self._sold(step.key, held)
                ask = Ask("offer", "acme", "k", event, body, "0", None, None, 0)
                [reply] = written(lambda landed: engine.decide([ask], landed))
                if reply.record is not None:
                    counted = [one for one in self.sales.values() if one is not None]
                    self.records.append((held, reply.record, counted))
            case "sell":
                self._sold(step.key, held)
                written(lambda landed: engine.ingest("acme", "sale", [(event, body)], landed))
            case "correct":
                if self.sales.get(step.key) is not None:
                    self.sales[step.key] = held
                    self.latest_us = max(self.latest_us, held.at_us)
                written(lambda landed: engine.correct("acme", "sale", event, body, landed))
            case "unsell":
                if step.key in self.sales:
                    self.sales[step.key] = None
                    written(lambda landed: engine.retract("acme", "sale", step.key, landed))
            case "beside":
                take_snapshot(
                    DATA,
                    APPLICATION,
                    {"offer": decision},
                    SNAPSHOTS,
                    disk=self.disk,
                    clock=self.clock,
                )
            case "kill" | "snapshot":
                engine.close()
                if step.what == "snapshot":
                    assert engine.write_snapshot()
                self.disk = self.disk.after_kill()
                self.engine = self._open()

    def _sold(self, key: str, held: Held) -> None:
        if key not in self.sales:
            self.sales[key] = held
            self.latest_us = max(self.latest_us, held.at_us)

    def held(self) -> list[tuple[str, int]]:
        """Return whose events are held, and their times, once for each state."""
        found: list[tuple[str, int]] = []
        for digest in self.online.streams:
            columns = self.online.dump(digest)
            keys = msgspec.msgpack.decode(columns["keys"], type=list[str])
            codes = columns["codes"].cast("i").tolist()
            times = columns["times"].cast("q").tolist()
            found += zip([keys[code] for code in codes], times, strict=True)
        return found


def expected(held: Held, counted: list[Held]) -> dict[str, float]:
    """Compute some of the features from their definition."""
    own = [one for one in counted if one.customer == held.customer and one.at_us <= held.at_us]
    found: dict[str, float] = {"amount": held.amount}
    for window in (3, 12):
        inside = [one for one in own if one.at_us > held.at_us - window * MINUTE]
        cents = sum(round(one.amount * 100) for one in inside)
        found[f"customer_count_{window}m"] = float(len(inside))
        found[f"customer_mean_{window}m"] = cents / (100 * len(inside)) if inside else 0.0
    inside = [one for one in own if one.at_us > held.at_us - 9 * MINUTE and one.amount > 30]
    return found | {"customer_large_9m": float(len(inside))}


def lived(past: list[Step], limit_bytes: int | None) -> Iterator[House]:
    house = House(limit_bytes)
    for step in past:
        house.take(step)
    yield house
    house.engine.close()


@given(past=steps, limit_bytes=st.sampled_from([None, 0, 20_000]))
@settings(max_examples=120)
def test_a_read_is_refused_or_has_the_bits_of_the_plain_definition_and_of_the_journal(
    past: list[Step], limit_bytes: int | None
) -> None:
    house = House(limit_bytes)
    for step in [*past, *PROBES]:
        before = len(house.records)
        house.take(step)
        for held, record, counted in house.records[before:]:
            if record.reason == "features_forgotten":
                assert (record.outcome, record.features) == (Outcome.FAILED, b"")
                assert held.at_us - REACH < house.low_us  # no sooner than declared
                continue
            found = dict(zip(NAMES, array("d", record.features), strict=True))
            wanted = expected(held, counted)
            assert str({name: found[name] for name in wanted}) == str(wanted)
    histories = Histories(CONTRACTS.values())
    for commit in scan(DATA, disk=house.disk):
        histories.add(commit)
    records = [record for _, record, _ in house.records if record.features]
    bodies = [house.engine.request_of(record) or b"" for record in records]
    events = batch_of(CONTRACTS["sale"], [CONTRACTS["sale"].decode(body) for body in bodies])
    positions = np.array([record.event_offset for record in records], np.int64)
    requests = Requests(events, positions, positions)

    values = feature_matrix(decision.features, requests, histories.of("acme"))

    recorded = np.frombuffer(b"".join(record.features for record in records)).reshape(values.shape)
    differ = values.view(np.int64) != recorded.view(np.int64)
    assert not (differ & ~(np.isnan(values) & np.isnan(recorded))).any()
    house.engine.close()


@given(past=steps, limit_bytes=st.sampled_from([None, 0]))
@settings(max_examples=80)
def test_what_is_older_than_the_retention_is_not_held_and_all_else_is(
    past: list[Step], limit_bytes: int | None
) -> None:
    house = House(limit_bytes)
    for step in past:
        is_new = step.what in ("ask", "sell") and step.key not in house.sales
        house.take(step)
        if not is_new:  # old events go when new ones come
            continue
        held = house.held()
        counted = [one for one in house.sales.values() if one is not None]
        # of what counts: a snapshot knows nothing of newer ones that were retracted
        newest_us = max((one.at_us for one in counted), default=0)
        low_us = min(newest_us, house.clock.us) - RETENTION
        assert all(at_us > low_us - STEP for _, at_us in held)
        young = [one for one in counted if one.at_us > house.low_us]
        for one in young:
            assert (one.customer, one.at_us) in held
    house.engine.close()


@given(past=steps)
@settings(max_examples=30)
def test_neither_a_snapshot_nor_the_file_outside_memory_holds_what_was_let_go(
    past: list[Step],
) -> None:
    first = Step("sell", 77, "gone", 0, 0)
    for house in lived([first], 0):
        gone_us = house.clock.us
        for step in past:
            house.take(step)
        house.clock.advance(60.0 * 18)
        last = Step("sell", 78, "ann", 0, 0)
        for number in range(400):  # in the file, free places are written over some at a time
            house.take(last._replace(number=100 + number))

        house.take(Step("snapshot", 0, "", 0, 0))

        files = house.disk.contents()
        assert gone_us not in [at_us for _, at_us in house.held()]
        snapshot = max(name for name in files if name.endswith(".columns"))
        time = gone_us.to_bytes(8, "little")
        assert files[snapshot].count(b"gone") == 0
        assert files[snapshot].count(time) == 0
        assert time not in files.get("spill", b"")


@given(past=steps)
@settings(max_examples=25)
def test_the_parity_command_finds_no_difference(past: list[Step]) -> None:
    for house in lived([*past, *PROBES], None):
        histories = Histories(CONTRACTS.values())
        for commit in scan(DATA, disk=house.disk):
            histories.add(commit)

        report = check_parity(
            decision.features, CONTRACTS, histories.of("acme"), from_us=0, until_us=2**62
        )

        assert (report.mismatches, report.requests > 0) == (0, True), report.shown


def test_a_read_that_looks_back_too_far_says_how_late_it_is() -> None:
    now_us = 10**15
    online = OnlineFeatures(decision.views, now_us=lambda: now_us)
    reader = online.reader(decision.features)
    contract = contract_of(Sale)

    def sold(key: str, at_us: int) -> Sale:
        at = np.datetime64(at_us, "us").item().isoformat()
        body = f'{{"id":"{key}","at":"{at}Z","customer":"ann","amount":5.0}}'
        return contract.decode(body.encode())

    for at in range(100):
        online.apply("sale", sold(f"s{at}", now_us + (at - 100) * MINUTE), at)
    values = array("d", bytes(8 * len(decision.features)))

    with_all = reader.read(sold("x", now_us - 3 * MINUTE), 2**62, values, 0)
    assert with_all.names == ()
    try:
        reader.read(sold("x", now_us - 8 * MINUTE), 2**62, values, 0)
    except FeaturesForgotten as refused:
        assert "300 s behind" in str(refused)
        assert "retention" in str(refused)
    else:
        raise AssertionError("it was read")
