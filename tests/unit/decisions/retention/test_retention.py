"""What is over its time goes from everywhere, and nothing that somebody needs goes with it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from kingpost.core import SystemDisk, duration_us, id_text
from kingpost.decisions import (
    DataDirectory,
    ObjectStore,
    RetentionPlan,
    RetentionPolicy,
    RetentionTooShort,
    UnknownRetention,
    apply_retention,
    archive_sealed,
    noted_removals,
    open_sealed,
    plan_retention,
    seal_segments,
)
from kingpost.features import Erasure, Hold, encode_erasure, encode_hold
from kingpost.journal import REMOVED, Entry, Journal, Lookup, finished_segments, scan
from kingpost.proofs import Prover, Tree, Trust, audit_log, proof_json, verify_json
from kingpost.records import (
    RECORD_FORMAT,
    DecisionRecord,
    ModelTokens,
    Outcome,
    RecordUsage,
    Review,
    Stages,
    decode_usage,
    encode_record,
    encode_review,
    encode_usage,
    id_in,
)
from kingpost.registry import RetentionRun
from tests.personal_shop import found_in
from tests.s3_server import BUCKET, CREDENTIALS, s3_server
from tests.tiny_app import APPLICATION, BUNDLE, MODEL, FakeClock

DAY_S = 24 * 3600
DAYS = 500
FIRST = DAYS - 206
"""The first day that is still kept: payments are for 200 days, and 7 of a window."""
NAMES = ("amount", "a", "b", "c", "d", "e", "f", "g")
POLICY = (("fraud", "200d"), ("*", "1d"))


def entry_id(entry: Entry) -> bytes | None:
    return id_in(entry.kind, entry.body)


def record_id(day: int) -> bytes:
    return (0x7000 + day).to_bytes(8) + bytes(8)


class House:
    """An installation that decided once a day, and has a tree; today is the last day."""

    def __init__(self, root: Path) -> None:
        self.where, self.disk, self.clock = DataDirectory(root), SystemDisk(), FakeClock()
        self.journal = Journal.open(
            self.where.data, disk=self.disk, clock=self.clock, segment_bytes=16_384
        )
        self.journal.append([Entry("contract", "", "payment", b"{}")])
        for day in range(DAYS):
            self.decide(day, f"card-{day % 7}")
            self.clock.advance(DAY_S)
        place = replace(self.where.log("records"), origin="a/log")
        self.tree = Tree(place, self.disk, entry_id)
        self.prover = Prover(place, self.disk, entry_id)
        self.place = place

    def decide(self, day: int, card: str) -> None:
        event = (
            f'{{"id":"payment-of-day-{day}","at":"2018-08-01T12:00:00Z","card":"{card}",'
            f'"shop":"s","amount":2.5,"channel":"web"}}'
        )
        record = DecisionRecord(
            format=RECORD_FORMAT,
            id=record_id(day),
            at_us=self.clock.us,
            decision="fraud",
            bundle=BUNDLE,
            model=MODEL,
            principal="key-1",
            tenant="acme",
            trace_id="",
            session=None,
            idempotency_key=None,
            request_digest=bytes(32),
            event_key=f"payment-of-day-{day}",
            event_offset=self.journal.next_offset,
            position="data:1",
            features=np.zeros(len(NAMES)).tobytes(),
            unavailable=(),
            answer=b"{}",
            confidence=0.5,
            outcome=Outcome.DECIDED,
            reason="",
            stages=Stages(1, 2, 3, 4),
            event_time_us=self.clock.us,
        )
        self.journal.append(
            [
                Entry("event", "acme", "payment", event.encode()),
                Entry("record", "acme", "fraud", encode_record(record)),
            ]
        )

    def seal(self) -> None:
        seal_segments(self.where, disk=self.disk, names_of=lambda decision, bundle: NAMES)

    def plan(self, asked: tuple[tuple[str, str], ...] = POLICY, **more: object) -> RetentionPlan:
        self.policy = RetentionPolicy.read(asked, "184d", APPLICATION)
        self.tree.update()
        return plan_retention(
            self.where,
            APPLICATION,
            self.policy,
            disk=self.disk,
            clock=self.clock,
            until=self.journal.next_offset,
            reviewed=more.get("reviewed", ()),  # pyright: ignore[reportArgumentType]
        )

    def apply(self, plan: RetentionPlan) -> RetentionRun | None:
        control = self.where.control_log(disk=self.disk, clock=self.clock)
        return apply_retention(
            self.where, plan, self.policy, control, disk=self.disk, clock=self.clock, by="ann"
        )

    def days(self) -> list[int]:
        """Return the days whose records are in the journal."""
        return [
            int.from_bytes((entry_id(entry) or b"")[:8]) - 0x7000
            for commit in scan(self.where.data, disk=self.disk)
            for entry in commit.entries
            if entry.kind == "record"
        ]

    def check_proofs(self) -> int:
        """Check the whole log, and prove each record that is left; return how many leaves went."""
        keys = self.place.keys(self.disk)
        control = self.where.control_log(disk=self.disk, clock=self.clock)
        audit = audit_log(
            self.place.public,
            Trust(keys=keys.verifiers()),
            disk=self.disk,
            journal=self.place.journal,
            salt=keys.salt(),
            removals=noted_removals(control.retentions("data")),
        )
        assert audit.findings == []
        for day in self.days()[::29]:
            proof = self.prover.prove(record_id(day))
            assert proof is not None
            body = msgspec.json.encode(proof_json(proof))
            assert verify_json(body, Trust(keys=keys.verifiers()), entry_id).is_proved
        return audit.removed


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path)
    yield house
    house.tree.close()
    house.journal.close()


def _finished_days(house: House) -> int:
    """Return the first day whose commit is not in a finished segment."""
    segments = finished_segments(house.where.data, disk=house.disk)
    return (segments[-1].next_offset - 1) // 2


def test_a_stream_is_kept_as_long_as_what_is_made_of_it_needs() -> None:
    policy = RetentionPolicy.read(POLICY, "184d", APPLICATION)

    assert policy.decisions["fraud"].text == "200d"
    assert policy.streams["payment"].text == "207d"
    assert "windows look back 7d" in policy.streams["payment"].because
    assert policy.streams["chargeback"].for_us == duration_us("208d")
    longer = RetentionPolicy.read((("payment", "900d"), *POLICY), "184d", APPLICATION)
    assert longer.streams["payment"] == (duration_us("900d"), "the setting")


def test_what_no_setting_names_is_kept_for_ever_and_so_is_what_it_needs() -> None:
    policy = RetentionPolicy.read((("payment", "1d"),), "184d", APPLICATION)

    assert policy.is_endless
    assert policy.streams["payment"].because == "records of 'fraud' are kept for ever"


def test_records_are_kept_as_long_as_the_law_asks() -> None:
    with pytest.raises(RetentionTooShort, match="'retention_minimum' asks for 184d"):
        RetentionPolicy.read((("*", "183d"),), "184d", APPLICATION)
    with pytest.raises(UnknownRetention, match="no decision and no stream"):
        RetentionPolicy.read((("frauds", "400d"),), "184d", APPLICATION)


def test_what_is_over_its_time_goes_from_journal_and_files_and_all_proofs_hold(
    house: House, tmp_path: Path
) -> None:
    house.seal()
    plan = house.plan()
    assert plan.commits == FIRST
    assert plan.entries == {"event": plan.commits, "record": plan.commits}
    assert house.days() == list(range(DAYS)), "a plan changes nothing"
    lookup = Lookup(house.where.data, disk=house.disk)
    assert lookup.read(11).entries[0].kind == "event"

    run = house.apply(plan)

    assert run is not None
    assert (run.commits, run.by, run.policy) == (plan.commits, "ann", "fraud=200d;*=1d")
    last = FIRST
    assert house.days() == list(range(last, DAYS))
    assert lookup.read(11).entries[0].kind == REMOVED
    lookup.close()
    gone, kept = ([f"payment-of-day-{day}"] for day in (last - 1, last))
    places = [house.where.root / "journal", house.where.root / "sealed"]
    assert found_in(places, gone) == []
    assert found_in(places, kept) != []
    with open_sealed(
        house.where, disk=house.disk, names_of=lambda decision, bundle: NAMES
    ) as sealed:
        assert sealed.query("SELECT count(*) FROM records").rows == [(DAYS - last,)]
    assert house.check_proofs() == plan.commits
    assert house.apply(house.plan()) is None
    house.decide(DAYS, "card-1")
    house.tree.update()
    assert house.check_proofs() == plan.commits


def test_objects_of_what_is_over_its_time_go_from_the_store(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    house.seal()
    with s3_server() as server:
        store = ObjectStore(f"s3://{BUCKET}/kept", server.endpoint, first_pause_s=0.01)
        archive_sealed(house.where, store, disk=house.disk)
        before = set(server.listed())

        house.apply(house.plan())
        archive_sealed(house.where, store, disk=house.disk)

        after = server.listed()
        assert len([key for key in before if key not in after]) > 10
        for key in after:
            path = tmp_path / "objects" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(server.read(key))
        assert archive_sealed(house.where, store, disk=house.disk).segments == 0
    days = [f"payment-of-day-{day}" for day in (5, FIRST - 1, FIRST)]
    found = found_in([tmp_path / "objects"], days)
    assert {one.rpartition(": ")[2] for one in found} == {days[-1]}


def test_what_says_how_the_rest_is_read_stays(house: House) -> None:
    offset = house.journal.next_offset
    erasure = Erasure(offset, "card", "card-1", house.clock.us, "key-1", "")
    house.journal.append([encode_erasure("acme", erasure)])
    for day in range(DAYS, 2 * DAYS):
        house.decide(day, "card-2")
    house.clock.advance(3000 * DAY_S)
    end = _finished_days(house)

    house.apply(house.plan())

    kinds = [entry.kind for one in scan(house.where.data, disk=house.disk) for entry in one.entries]
    assert kinds[0] == "contract"
    assert "erasure" in kinds
    assert min(house.days()) >= end - 1


def test_whom_a_legal_hold_names_and_what_waits_for_review_stays(house: House) -> None:
    hold = Hold(house.journal.next_offset, "card", "card-3", house.clock.us, "k", "claim", False)
    house.journal.append([encode_hold("acme", hold)])
    plan = house.plan(reviewed=[id_text(record_id(4))])

    house.apply(plan)

    held = [day for day in range(FIRST) if day % 7 == 3]
    assert house.days() == [*sorted([4, *held]), *range(FIRST, DAYS)]
    assert plan.kept == {"legal hold": len(held), "open review": 1}
    house.check_proofs()

    released = msgspec.structs.replace(hold, is_released=True)
    house.journal.append([encode_hold("acme", released)])
    house.apply(house.plan())
    assert house.days() == list(range(FIRST, DAYS))


def test_tokens_stay_with_their_record_and_go_with_it(house: House) -> None:
    hold = Hold(house.journal.next_offset, "card", "card-3", house.clock.us, "k", "claim", False)
    house.journal.append([encode_hold("acme", hold)])
    for day in (3, 4):
        used = RecordUsage(
            record=record_id(day), at_us=house.clock.us, tokens=(ModelTokens("small", 7, 1),)
        )
        house.journal.append([Entry("usage", "acme", "fraud", encode_usage(used))])
    for day in range(DAYS, 2 * DAYS):
        house.decide(day, "card-2")
    house.clock.advance(300 * DAY_S)

    plan = house.plan()
    house.apply(plan)

    assert plan.kept["its record is kept"] == 1
    entries = (
        entry for commit in scan(house.where.data, disk=SystemDisk()) for entry in commit.entries
    )
    assert [decode_usage(one.body).record for one in entries if one.kind == "usage"] == [
        record_id(3)
    ]


def test_a_review_stays_with_its_record(house: House) -> None:
    hold = Hold(house.journal.next_offset, "card", "card-3", house.clock.us, "k", "claim", False)
    house.journal.append([encode_hold("acme", hold)])
    for day in (3, 4):
        said = Review(
            format=1, record=record_id(day), decision="fraud", verdict="approved", positive=True,
            reason="", by="Ann", at_us=house.clock.us, task="t",
        )  # fmt: skip
        house.journal.append([Entry("review", "acme", "fraud", encode_review(said))])
    for day in range(DAYS, 2 * DAYS):
        house.decide(day, "card-2")
    house.clock.advance(300 * DAY_S)

    assert house.plan().kept["its record is kept"] == 1


def test_a_run_that_was_killed_is_finished_by_the_next(house: House) -> None:
    house.seal()
    plan = house.plan()
    control = house.where.control_log(disk=house.disk, clock=house.clock)
    control.note_retention(
        RetentionRun(
            format=1,
            partition="data",
            policy="p",
            removals=tuple(plan.removals),
            commits=plan.commits,
            entries={},
            by="ann",
            at_us=1,
        )
    )
    assert len(house.days()) == DAYS

    house.apply(RetentionPlan())

    assert len(house.days()) == DAYS - FIRST
    assert found_in([house.where.root / "sealed"], ["payment-of-day-5"]) == []


def test_what_the_tree_has_not_taken_in_stays(house: House) -> None:
    plan = plan_retention(
        house.where,
        APPLICATION,
        RetentionPolicy.read(POLICY, "184d", APPLICATION),
        disk=house.disk,
        clock=house.clock,
        until=0,
    )

    assert plan.commits == 0
