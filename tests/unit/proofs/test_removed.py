"""Proofs over a journal that commits were removed from: of what remains all of them hold."""

from collections.abc import Generator
from pathlib import Path

import msgspec
import pytest

from kingpost.core import SystemDisk
from kingpost.journal import Journal, finished_segments, remove_commits
from kingpost.proofs import Audit, Prover, Tree, Trust, audit_log, proof_json, verify_json
from tests.small_tree import entry_id, pair, place_in, record_id
from tests.stopped_clock import StoppedClock

RECORDS = 1200
KEPT = frozenset([2 * 700, 2 * 701, 2 * 900])


class House:
    def __init__(self, directory: Path) -> None:
        self.place, self.disk = place_in(directory), SystemDisk()
        journal = Journal.open(
            self.place.journal, disk=self.disk, clock=StoppedClock(), segment_bytes=32_768
        )
        with journal:
            for number in range(RECORDS):
                journal.append(pair(number))
        self.tree = Tree(self.place, self.disk, entry_id)
        self.tree.update()
        self.noted: list[tuple[int, int]] = []

    def remove(self, until: int) -> list[tuple[int, int]]:
        """Remove most commits of the segments before an offset; return what was noted."""
        noted: list[tuple[int, int]] = []
        for segment in finished_segments(self.place.journal, disk=self.disk):
            if segment.next_offset <= until:
                remove_commits(segment, lambda one: one.offset in KEPT, "old", disk=self.disk)
                noted.append((0, segment.next_offset))
        return noted

    def audit(self, removals: list[tuple[int, int]] | None) -> Audit:
        keys = self.place.keys(self.disk)
        return audit_log(
            self.place.public,
            Trust(keys=keys.verifiers()),
            disk=self.disk,
            journal=self.place.journal,
            salt=keys.salt(),
            removals=removals,
        )

    def prove(self, number: int) -> bool | None:
        proof = Prover(self.place, self.disk, entry_id).prove(record_id(number))
        if proof is None:
            return None
        trust = Trust(keys=self.place.keys(self.disk).verifiers())
        return verify_json(msgspec.json.encode(proof_json(proof)), trust, entry_id).is_proved


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Generator[House, None, None]:
    house = House(tmp_path_factory.mktemp("removed"))
    house.noted = house.remove(2 * 1000)
    yield house
    house.tree.close()


def test_the_log_is_sound_and_says_how_much_was_removed(house: House) -> None:
    audit = house.audit(house.noted)

    assert audit.findings == []
    assert audit.size >= RECORDS
    assert audit.removed == house.noted[-1][1] // 2 - len(KEPT) > 900
    assert audit.commits == audit.size - audit.removed


def test_what_was_removed_without_a_note_is_found(house: House) -> None:
    assert house.audit(None).findings == []

    (finding,) = house.audit(house.noted[:-1]).findings

    assert finding.code == "removed"
    assert "nobody noted it" in finding.text


@pytest.mark.parametrize("number", [700, 701, 900, 1100, RECORDS - 1])
def test_what_remains_is_proved(house: House, number: int) -> None:
    assert house.prove(number) is True


@pytest.mark.parametrize("number", [0, 1, 699, 702, 899])
def test_what_was_removed_is_not_there(house: House, number: int) -> None:
    assert house.prove(number) is None


def test_the_tree_goes_on(house: House) -> None:
    with Journal.open(house.place.journal, disk=house.disk, clock=StoppedClock()) as journal:
        journal.append(pair(RECORDS))

    assert house.tree.update().size == RECORDS + 1
    assert house.audit(house.noted).is_sound
    assert house.prove(RECORDS) is True
