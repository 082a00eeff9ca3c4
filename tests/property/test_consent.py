"""Consent given, taken back, corrected and retracted among payments, and customers erased.

Whatever comes in whichever order, with restarts from the journal and from snapshots in
between: the live engine, the offline computation as known at each position and the plain
definition agree, to the bit. What was dropped or erased does not come back.
"""

import errno
from array import array
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kingpost.contracts import batch_of, contract_of
from kingpost.decisions import ErasureFailed, take_snapshot
from kingpost.features import Requests, check_parity, feature_matrix
from tests.consented_shop import (
    APPLICATION,
    CONTRACTS,
    DATA,
    NAMES,
    PERSONAL,
    PROBES,
    SNAPSHOTS,
    House,
    Sale,
    Step,
    decision,
    histories_of,
    lived,
    steps,
)
from tests.simulated_disk import SimulatedDisk


def bits(values: "array[float]") -> list[int]:
    return np.array(values).view(np.int64)[~np.isnan(np.array(values))].tolist()


@given(past=steps)
@settings(max_examples=200)
def test_live_rebuilt_and_plain_agree_on_what_is_known_of_those_who_consent(
    past: list[Step],
) -> None:
    for house, model in lived(past):
        for probe in PROBES:
            house.take(probe)
            model.take(probe)
            record = house.records[-1][1]
            found = dict(zip(NAMES, array("d", record.features), strict=True))
            del found["shop_count_7d"]

            assert str(found) == str({name: model.expected(probe)[name] for name in found})
            is_given = model.consents(probe.customer)
            assert record.no_consent == (() if is_given else ("ads",))
            assert set(record.unavailable) == (set() if is_given else PERSONAL)


@given(past=steps)
@settings(max_examples=200)
def test_offline_gives_the_bits_that_were_recorded_but_for_those_erased_since(
    past: list[Step],
) -> None:
    for house, _ in lived([*past, *PROBES]):
        erased = {"ann": -1, "bob": -1} | {
            one.key: one.offset for one in house.engine.erasures("acme")
        }
        records = [
            record for step, record in house.records if record.event_offset > erased[step.customer]
        ]
        bodies = [house.engine.request_of(record) or b"" for record in records]
        events = batch_of(CONTRACTS["sale"], [CONTRACTS["sale"].decode(body) for body in bodies])
        positions = np.array([record.event_offset for record in records], np.int64)

        values = feature_matrix(
            decision.features,
            Requests(events, positions, positions),
            histories_of(house).of("acme"),
        )

        recorded = np.frombuffer(b"".join(record.features for record in records))
        assert (np.isnan(values.ravel()) == np.isnan(recorded)).all()
        assert bits(array("d", values.tobytes())) == bits(array("d", recorded.tobytes()))


@given(past=steps, step=st.integers(0, 3))
@settings(max_examples=60)
def test_the_parity_command_finds_no_difference(past: list[Step], step: int) -> None:
    for house, _ in lived([*past, *PROBES]):
        held = histories_of(house).of("acme")
        from_us = contract_of(Sale).decode(PROBES[0]._replace(minute=step).sale).at.us

        report = check_parity(decision.features, CONTRACTS, held, from_us=from_us, until_us=2**62)

        assert (report.mismatches, report.requests > 0) == (0, True), report.shown


@given(past=steps)
@settings(max_examples=60)
def test_a_snapshot_holds_no_name_of_those_who_do_not_consent_or_were_erased(
    past: list[Step],
) -> None:
    for house, model in lived(
        [*past, PROBES[0]._replace(what="erase"), PROBES[0]._replace(what="snapshot")]
    ):
        state = house.engine._memory.tenant("acme").online  # pyright: ignore[reportPrivateUsage]
        for digest, streams in state.streams.items():
            keys = bytes(state.dump(digest)["keys"])
            assert b"ann" not in keys
            if streams == ("sale", "permission") and not model.consents("bob"):
                assert b"bob" not in keys
        files = house.disk.contents()
        snapshots = [name for name in files if name.endswith(".columns")]
        assert snapshots
        # erasures are recorded with the key they name; nothing else of it is held
        erasures = sum(one.key == "ann" for one in house.engine.erasures("acme"))
        assert all(files[name].count(b"\xa3ann") == erasures for name in snapshots)


class BusyDisk(SimulatedDisk):
    """A disk on which something happens just when a snapshot gets its name."""

    def __init__(self) -> None:
        super().__init__()
        self.before_naming: Callable[[], None] | None = None

    def rename(self, source: Path, target: Path) -> None:
        if target.suffix == ".columns" and self.before_naming is not None:
            happen, self.before_naming = self.before_naming, None
            happen()
        super().rename(source, target)


def test_a_snapshot_that_was_being_written_during_an_erasure_is_not_kept() -> None:
    disk = BusyDisk()
    house = House(disk)
    house.take(PROBES[0])
    disk.before_naming = lambda: house.take(PROBES[0]._replace(what="erase"))

    taken = take_snapshot(DATA, APPLICATION, {"offer": decision}, SNAPSHOTS / DATA.name, disk=disk)

    assert disk.before_naming is None
    assert taken.path is None
    assert not [name for name in disk.list(SNAPSHOTS / DATA.name) if name.endswith(".columns")]
    again = take_snapshot(DATA, APPLICATION, {"offer": decision}, SNAPSHOTS / DATA.name, disk=disk)
    assert again.path is not None
    house.engine.close()


def test_nothing_is_erased_when_a_snapshot_cannot_be_removed() -> None:
    house = House()
    house.take(PROBES[0])
    house.take(PROBES[0]._replace(what="snapshot"))
    house.disk.fails = dict.fromkeys(range(house.disk.steps, house.disk.steps + 3), errno.EACCES)

    with pytest.raises(ErasureFailed, match="Permission denied"):
        house.take(PROBES[0]._replace(what="erase"))

    assert house.engine.erasures("acme") == ()
    house.disk.fails = {}
    house.take(PROBES[0]._replace(what="erase"))
    assert len(house.engine.erasures("acme")) == 1
    house.engine.close()
