"""Windows in bounded memory answer as unbounded ones do, whatever goes to the file."""

import errno
from array import array
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kingpost.features import SpillDamaged
from kingpost.features.kernel import State
from kingpost.features.spill import BoundedState, MemoryRoom
from tests.simulated_disk import SimulatedDisk

FILE = Path("/data/features.spill")
OUTPUTS = [
    ("count", -1, 50, 0, 0.0, 0, 0),
    ("sum", 0, 50, 0, 0.0, 0, 0),
    ("max", 1, 2**62, 5, -1.0, 0, 0),
    ("last", 0, 2**62, 0, 0.0, 0, 0),
]
steps = st.lists(
    st.tuples(
        st.sampled_from(["insert", "insert", "retract", "read", "load", "drop"]),
        st.integers(0, 30),
        st.integers(0, 100),
        st.integers(-1000, 1000),
    ),
    max_size=80,
)


def states(disk: SimulatedDisk, limit_bytes: int = 0) -> tuple[State, BoundedState, MemoryRoom]:
    room = MemoryRoom(limit_bytes, FILE, disk=disk)
    plain = State([100, 1], OUTPUTS)
    return plain, BoundedState(State([100, 1], OUTPUTS), 2, room), room


def read(state: State | BoundedState, code: int, q: int) -> bytes:
    out = array("d", bytes(8 * len(OUTPUTS)))
    state.read(code, q, 2**62, out, 0)
    return out.tobytes()


@given(past=steps, limit_bytes=st.sampled_from([0, 20_000, 10**9]))
def test_a_spilled_state_answers_every_read_with_the_same_bits(
    past: list[tuple[str, int, int, int]], limit_bytes: int
) -> None:
    plain, bounded, room = states(SimulatedDisk(), limit_bytes)
    for at, (what, code, time, value) in enumerate(past):
        for state in (plain, bounded):
            if what == "insert":
                state.insert(code, time, at, (value, -value))
            elif what == "load":
                codes = np.array([code, code // 2, code], np.int32)
                columns = [np.array([one, one + 3, one], np.int64) for one in (time, at, value)]
                columns[1] = np.arange(3) + 1000 * (at + 1)
                state.load(codes, columns[0], columns[1], [columns[2], columns[2]])
        if what == "retract":
            assert plain.retract(code, time, at - 1) == bounded.retract(code, time, at - 1)
        if what == "drop":
            emptied = [
                np.frombuffer(one.drop(time, code, code + 9), np.int32) for one in (plain, bounded)
            ]
            assert emptied[0].tolist() == sorted(emptied[1].tolist())
        assert read(plain, code, time) == read(bounded, code, time)
    assert plain.events() == bounded.events()
    assert plain.dump() == bounded.dump()
    for code in range(-1, 32):
        assert read(plain, code, 60) == read(bounded, code, 60)
        if code >= 0:
            assert plain.take(code) == bounded.take(code)
    assert room.keys_out == 0


def filled(disk: SimulatedDisk) -> tuple[State, BoundedState, MemoryRoom]:
    plain, bounded, room = states(disk)
    for at in range(400):
        for state in (plain, bounded):
            state.insert(at % 40, at, at, (at, at))
    return plain, bounded, room


def test_memory_stays_at_the_limit_and_places_are_used_again() -> None:
    _, bounded, room = filled(SimulatedDisk())
    size = room.file_bytes
    assert room.keys_out > 30

    for at in range(400, 4000):
        read(bounded, at % 40, 500)

    assert room.file_bytes <= 2 * size


def test_what_cannot_be_written_stays_in_memory(caplog: pytest.LogCaptureFixture) -> None:
    disk = SimulatedDisk()
    disk.is_full = True

    plain, bounded, room = filled(disk)

    assert room.keys_out == 0
    assert [one.message for one in caplog.records] == ["features_over_memory"]
    assert [read(plain, code, 500) for code in range(40)] == [
        read(bounded, code, 500) for code in range(40)
    ]


def test_a_write_that_fails_half_way_loses_nothing() -> None:
    disk = SimulatedDisk()
    disk.fails = dict.fromkeys(range(40, 60), errno.EIO)

    plain, bounded, _ = filled(disk)

    assert [read(plain, code, 500) for code in range(40)] == [
        read(bounded, code, 500) for code in range(40)
    ]


def test_a_damaged_file_is_an_error_and_never_an_answer() -> None:
    disk = SimulatedDisk()
    _, bounded, room = filled(disk)
    disk.damage(FILE, 0, bytes(room.file_bytes))

    with pytest.raises(SpillDamaged):
        for code in range(40):
            read(bounded, code, 500)


def test_a_file_of_an_earlier_process_is_written_over_and_removed_at_the_end() -> None:
    disk = SimulatedDisk()
    filled(disk)
    plain, bounded, room = filled(disk)

    assert read(plain, 3, 500) == read(bounded, 3, 500)
    room.close()
    assert disk.list(FILE.parent) == []


def test_what_is_taken_out_for_good_is_written_over_in_the_file() -> None:
    disk = SimulatedDisk()
    _, bounded, room = states(disk)
    secret = 0x5EC2E75EC2E7
    for code in range(40):
        bounded.insert(code, 1, code, (secret, 7))
    needle = secret.to_bytes(8, "little")
    assert disk.contents()[FILE.name].count(needle) > 8

    for code in range(40):
        bounded.take(code)
    room.scrub()

    assert needle not in disk.contents()[FILE.name]
    assert bounded.events() == 0
    bounded.insert(3, 1, 0, (5, 7))
    assert np.frombuffer(read(bounded, 3, 2))[1] == 0.05


def test_what_is_dropped_for_its_age_is_written_over_in_the_file() -> None:
    disk = SimulatedDisk()
    _, bounded, room = states(disk)
    secret = 0x5EC2E75EC2E7
    for code in range(40):
        bounded.insert(code, 1, code, (secret, 7))
        bounded.insert(code % 20, 2, code, (9, 7))

    emptied = np.frombuffer(bounded.drop(1, 0, 40), np.int32)
    while not room.scrub(3):
        pass

    assert sorted(emptied.tolist()) == list(range(20, 40))
    assert secret.to_bytes(8, "little") not in disk.contents()[FILE.name]
    assert bounded.events() == 40
    assert [np.frombuffer(read(bounded, code, 3))[0] for code in (0, 19, 20)] == [2.0, 2.0, 0.0]


def test_a_key_whose_rest_cannot_be_written_stays_in_memory() -> None:
    disk = SimulatedDisk()
    plain, bounded, room = filled(disk)
    disk.is_full = True

    for state in (plain, bounded):
        state.drop(200, 0, 40)

    assert room.keys_out < 40
    assert plain.dump() == bounded.dump()
    disk.is_full = False
    assert [read(plain, code, 500) for code in range(40)] == [
        read(bounded, code, 500) for code in range(40)
    ]


def test_places_that_were_used_again_are_not_written_over() -> None:
    disk = SimulatedDisk()
    plain, bounded, room = states(disk)
    for at in range(200):
        for state in (plain, bounded):
            state.insert(at % 40, at, at, (at, 7))
        if at % 7 == 0:
            room.scrub()

    assert all(read(plain, code, 300) == read(bounded, code, 300) for code in range(40))
