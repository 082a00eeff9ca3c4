"""A snapshot at any position and the journal after it give what a full read gives, to the bit."""

import errno
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kingpost as kp
from kingpost.core import id_text
from kingpost.decisions import take_snapshot
from kingpost.decisions.memory import Memory
from kingpost.decisions.recovery import read_memory
from kingpost.decisions.snapshot import KIND, VERSION, find_snapshot
from kingpost.features import FeatureSet, MemoryRoom
from kingpost.journal import Lookup
from kingpost.storage import ColumnsNewer, write_columns
from tests.property.test_event_changes import DATA, PROBES, House, Step, steps
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import APPLICATION, fraud, open_engine, payments

SNAPSHOTS = Path("/snapshots")
DECISIONS = {"fraud": fraud}
LIMITS = [None, 0, 40_000]


class SnapshotHouse(House):
    """A house whose engine starts from snapshots, and may keep little in memory."""

    def __init__(self, limit_bytes: int | None = None) -> None:
        super().__init__()
        self.limit_bytes = limit_bytes
        self.engine.close()
        self.engine = open_engine(DATA, disk=self.disk, clock=self.clock, snapshots=SNAPSHOTS)

    def snapshot(self) -> None:
        take_snapshot(DATA, APPLICATION, DECISIONS, SNAPSHOTS, disk=self.disk)

    def lighten(self) -> None:
        """Read in the newest snapshot; there is none yet of a journal without commits."""
        found = self.engine.lighten()
        while found is not None and found.step():
            pass

    def restart(self, *, is_clean: bool = False) -> None:
        self.engine.close()
        if is_clean:
            self.engine.write_snapshot()
        self.disk = self.disk.after_kill()
        room = None
        if self.limit_bytes is not None:
            room = MemoryRoom(self.limit_bytes, Path("/spill"), disk=self.disk)
        self.engine = open_engine(
            DATA, disk=self.disk, clock=self.clock, snapshots=SNAPSHOTS, room=room
        )


def lived(house: SnapshotHouse, past: Sequence[Step], plain: House, snapshot_at: set[int]) -> None:
    """Let both houses live through the same; one takes snapshots now and then."""
    for at, step in enumerate(past):
        if step.what == "restart":
            house.restart(is_clean=at % 2 == 0)
        else:
            assert house.take(step) == plain.take(step)
        if at in snapshot_at:
            house.snapshot()
        if at % 3 == 0:  # by one that was taken some steps ago
            house.lighten()


def assert_same(house: House, plain: House) -> None:
    for probe in PROBES:
        house.take(probe)
        plain.take(probe)
    ours, theirs = house.records, plain.records
    assert [one.features for one in ours] == [one.features for one in theirs]
    assert [one.event_offset for one in ours] == [one.event_offset for one in theirs]
    assert house.engine.events_held() == plain.engine.events_held()
    for record in ours:
        stored = house.engine.record("acme", id_text(record.id))
        assert stored is not None
        assert stored.record == record


@given(
    past=steps,
    after=steps,
    snapshot_at=st.sets(st.integers(0, 25)),
    limit_bytes=st.sampled_from(LIMITS),
)
def test_a_snapshot_and_what_came_after_are_as_a_full_read(
    past: list[Step], after: list[Step], snapshot_at: set[int], limit_bytes: int | None
) -> None:
    house, plain = SnapshotHouse(limit_bytes), House()
    lived(house, past, plain, snapshot_at)

    house.restart()
    plain.take(Step("restart", "", 0, "", 0))

    lived(house, after, plain, snapshot_at)
    assert_same(house, plain)


@given(past=steps, after=steps, at=st.integers(0, 25), changed=st.sampled_from(["more", "other"]))
def test_a_changed_definition_is_rebuilt_and_the_rest_is_used(
    past: list[Step], after: list[Step], at: int, changed: str
) -> None:
    house, plain = SnapshotHouse(), House()
    lived(house, past, plain, {at, len(past) - 1})
    lived(house, after, plain, set())
    card = payments.by("card").over("2d").features(low=kp.min("amount"), n=kp.count())
    shop = payments.by("shop").over("1d").features(n=kp.count())
    features = [*fraud.features.features, shop] if changed == "more" else [card]
    decisions = {"fraud": replace(fraud, features=FeatureSet(fraud.request, features, fraud.place))}

    found, mark = read_memory(DATA, APPLICATION, decisions, disk=house.disk, snapshots=SNAPSHOTS)
    full, full_mark = read_memory(DATA, APPLICATION, decisions, disk=house.disk)

    for tenant, state in full.tenants.items():
        for digest in state.online.streams:
            ours = found.tenants[tenant].online.dump(digest)
            assert _events(ours) == _events(state.online.dump(digest))
        for stream, versions in state.keys.items():
            assert len(found.tenants[tenant].keys[stream]) == len(versions)
    assert mark == full_mark


def _events(columns: Mapping[str, memoryview]) -> list[tuple[object, ...]]:
    """Return events with their keys; the numbers of keys may differ."""
    keys = msgspec.msgpack.decode(columns["keys"], type=list[str])
    names = [name for name in columns if name not in ("keys", "codes")]
    rows = zip(
        [keys[code] for code in columns["codes"].cast("i")],
        *(columns[name].cast("q") for name in names),
        strict=True,
    )
    return sorted(rows)


def a_house_with_snapshots() -> SnapshotHouse:
    house = SnapshotHouse()
    for at in range(6):
        house.take(Step("ask", f"p{at}", 20.0 + at, "c1", at))
        if at in (1, 3):
            house.snapshot()
    return house


def probed(house: SnapshotHouse) -> bytes:
    house.restart()
    house.take(PROBES[0])
    return house.records[-1].features


def newest(disk: SimulatedDisk) -> Path:
    return SNAPSHOTS / [name for name in disk.list(SNAPSHOTS) if name.endswith(".columns")][-1]


def test_a_snapshot_covers_what_was_declared_and_names_what_it_does_not() -> None:
    house = a_house_with_snapshots()
    shop = payments.by("shop").over("1d").features(n=kp.count())
    features = FeatureSet(fraud.request, [*fraud.features.features, shop], fraud.place)
    more = {"fraud": replace(fraud, features=features)}
    with closing(Lookup(DATA, disk=house.disk)) as lookup:
        found = find_snapshot(SNAPSHOTS, lookup, disk=house.disk)
    assert found is not None

    nothing = found.fill(Memory(APPLICATION, DECISIONS))
    something = found.fill(Memory(APPLICATION, more))

    assert nothing.streams == frozenset()
    assert something.keys_of == frozenset()
    assert (len(something.windows), something.streams) == (1, frozenset(["payment"]))


@given(byte=st.integers(0, 10_000), flipped=st.integers(1, 255))
def test_a_damaged_snapshot_is_passed_over(byte: int, flipped: int) -> None:
    house = a_house_with_snapshots()
    expected = probed(a_house_with_snapshots())
    path = newest(house.disk)
    content = house.disk.contents()[path.name]
    byte %= len(content)
    house.disk.damage(path, byte, bytes([content[byte] ^ flipped]))

    assert probed(house) == expected


def test_of_two_snapshots_that_are_damaged_none_is_used(caplog: pytest.LogCaptureFixture) -> None:
    house = a_house_with_snapshots()
    expected = probed(a_house_with_snapshots())
    for name in house.disk.list(SNAPSHOTS):
        if name.endswith(".columns"):
            house.disk.damage(SNAPSHOTS / name, 40, b"damaged")

    assert probed(house) == expected
    passed_over = [one for one in caplog.records if one.message == "snapshot_passed_over"]
    assert len(passed_over) == 2


def test_a_snapshot_of_a_later_version_is_refused() -> None:
    house = a_house_with_snapshots()
    path = newest(house.disk)
    write_columns(path, kind=KIND, version=VERSION + 1, facts={}, parts=[], disk=house.disk)

    with pytest.raises(ColumnsNewer, match="has format 2"):
        house.restart()


def test_a_snapshot_of_a_journal_that_went_another_way_is_passed_over() -> None:
    house, other = a_house_with_snapshots(), SnapshotHouse()
    for at in range(6):
        other.take(Step("ask", f"p{at}", 900.0, "c1", at))
    expected = probed(other)
    house.engine.close()
    content = house.disk.contents()
    for name in house.disk.list(SNAPSHOTS):
        file = other.disk.open(SNAPSHOTS / name, write=True, create=True)
        file.write_at(0, content[name])

    assert probed(other) == expected


@given(fails_in=st.integers(0, 12), number=st.sampled_from([errno.ENOSPC, errno.EIO]))
def test_a_disk_that_refuses_a_snapshot_leaves_the_others(fails_in: int, number: int) -> None:
    house = a_house_with_snapshots()
    expected = probed(a_house_with_snapshots())
    house.disk.fails = {house.disk.steps + fails_in: number}
    with suppress(OSError):
        house.snapshot()
    house.disk.fails = {}

    assert probed(house) == expected


@given(stops_in=st.integers(0, 14), seed=st.integers(0, 5))
def test_a_power_loss_while_a_snapshot_is_written_changes_nothing(stops_in: int, seed: int) -> None:
    house = a_house_with_snapshots()
    expected = probed(a_house_with_snapshots())
    house.engine.close()
    house.disk.random.seed(seed)
    house.disk.stops_at = house.disk.steps + stops_in
    with suppress(OSError):
        house.snapshot()
    house.disk.after_power_loss()

    assert probed(house) == expected
    assert len(house.disk.list(SNAPSHOTS)) <= 5


def test_the_last_two_snapshots_are_kept() -> None:
    house = SnapshotHouse()
    for at in range(4):
        house.take(Step("ask", f"p{at}", 10.0, "c1", 0))
        house.snapshot()
    house.snapshot()  # nothing is new

    kept = [name for name in house.disk.list(SNAPSHOTS) if name.endswith(".columns")]
    assert kept == [f"{offset:020d}.columns" for offset in (8, 10)]
