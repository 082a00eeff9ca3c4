"""Proofs of records and of consistency, in both verifiers; every change is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kingpost.core import SystemDisk, id_text
from kingpost.journal import Entry
from kingpost.proofs import (
    BadNote,
    BadProof,
    Checkpoint,
    CheckpointInconsistent,
    PositionNotListed,
    Prover,
    TreeNewer,
    TreePlace,
    Trust,
    consistency_json,
    proof_json,
    verify_json,
)
from tests.small_tree import auditor, entry_id, opened, pair, place_in, record_id, tree_on

Fields = dict[str, Any]


class House:
    """A log of 400 commits in a real directory, with a checkpoint of 100 kept."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.place = directory, place_in(directory)
        disk = self.disk = SystemDisk()
        tree = tree_on(disk, self.place)
        with opened(disk, self.place) as journal:
            for number in range(100):
                journal.append(pair(number))
            self.kept = tree.update()
            journal.append([pair(number)[1] for number in range(100, 2000)])
            for number in range(2000, 2300):
                journal.append(pair(number))
            self.newest = tree.update()
        tree.close()
        self.keys = self.place.keys(disk).verifiers()
        self.prover = Prover(self.place, disk, entry_id)

    def proof(self, number: int, *kept: Checkpoint) -> Fields:
        proof = self.prover.prove(record_id(number), kept=kept)
        assert proof is not None
        return json.loads(json.dumps(proof_json(proof)))

    def verdicts(self, fields: Fields, trust: Trust) -> list[bool]:
        """Ask both verifiers."""
        data = json.dumps(fields).encode()
        try:
            ours = verify_json(data, trust, entry_id).is_proved
        except (BadProof, BadNote, TreeNewer):
            ours = False
        path = self.directory / "asked.json"
        path.write_bytes(data)
        return [ours, is_proved(path, trust)]


def is_proved(path: Path, trust: Trust) -> bool:
    """Ask the auditor's script."""
    other = {
        "keys": [auditor.parse_key(str(key)) for key in trust.keys],
        "kept": [auditor.parse_checkpoint(one.note.whole) for one in trust.kept],
        "witnesses": [],
        "quorum": trust.quorum,
    }
    try:
        auditor.verify(str(path), other)
    except auditor.Refused:
        return False
    return True


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return House(tmp_path_factory.mktemp("house"))


@pytest.mark.parametrize("number", [0, 55, 99, 100, 1500, 1999, 2000, 2299])
def test_every_record_is_proved_to_both_verifiers(house: House, number: int) -> None:
    fields = house.proof(number, house.kept)

    for trust in (
        Trust(house.keys),
        Trust((), [house.kept]),
        Trust(house.keys, [house.kept, house.newest]),
    ):
        assert house.verdicts(fields, trust) == [True, True]
    assert fields["id"] == id_text(record_id(number))


def test_an_unknown_id_has_no_proof(house: House) -> None:
    assert house.prover.prove(record_id(9999)) is None


@pytest.mark.parametrize("offset", [0, 1, 77, 199, 200, 2100, 2101, 2699])
def test_every_entry_is_proved_by_its_position_and_by_no_other(house: House, offset: int) -> None:
    proof = house.prover.prove_at(offset, kept=[house.kept])
    assert proof is not None
    fields = json.loads(json.dumps(proof_json(proof)))
    trust = Trust(house.keys, [house.kept])

    assert fields["id"] == f"data:{offset}"
    assert house.verdicts(fields, trust) == [True, True]
    for other in (f"data:{offset + 1}", f"control:{offset}", f"data:0{offset}", "data:", ":"):
        assert house.verdicts({**fields, "id": other}, trust) == [False, False]


def test_a_position_that_no_leaf_lists_is_not_proved(house: House) -> None:
    assert house.prover.prove_at(2700) is None
    with pytest.raises(PositionNotListed):
        house.prover.prove_at(201)  # 1,900 entries came in one commit


def test_nothing_is_proved_to_who_trusts_nothing_or_somebody_else(
    house: House, tmp_path: Path
) -> None:
    fields = house.proof(55)
    other = House(tmp_path)

    assert house.verdicts(fields, Trust()) == [False, False]
    assert house.verdicts(fields, Trust(other.keys)) == [False, False]
    assert house.verdicts(fields, Trust(house.keys, [house.kept])) == [False, False]
    assert house.verdicts(fields, Trust((), [other.newest])) == [False, False]
    assert house.verdicts(fields, Trust(house.keys, quorum=1)) == [False, False]
    with pytest.raises(CheckpointInconsistent):
        house.prover.prove(record_id(55), kept=[other.kept])


def _set(name: str, value: object) -> Callable[[Fields], None]:
    return lambda fields: fields.__setitem__(name, value)


def _replace(one: str, other: str) -> Callable[[Fields], None]:
    def replace(fields: Fields) -> None:
        assert one in fields["proof"]
        fields["proof"] = fields["proof"].replace(one, other)

    return replace


def _entry(name: str, value: object) -> Callable[[Fields], None]:
    return lambda fields: fields["entries"][0].__setitem__(name, value)


@pytest.mark.parametrize("number", [55, 1500])
@pytest.mark.parametrize(
    "change",
    [
        _set("id", id_text(record_id(56))),
        _set("leaf", "AAAA"),
        _set("entries", list[object]()),
        _set("format", "kingpost-proof/2"),
        _entry("number", 0),
        _entry("number", -1),
        _entry("count", 2),
        _entry("tenant", "other"),
        _entry("topic", "other"),
        _entry("kind", "inference"),
        _entry("nonce", "AAAAAAAAAAAAAAAAAAAAAA=="),
        _set("leaf", None),
        _replace("index ", "index 1"),
        _replace("a.example", "b.example"),
        _replace("c2sp.org", "c3sp.org"),
        _set("consistency", list[object]()),
        _set("consistency", [{"old": 100, "new": 401, "hashes": list[str]()}]),
    ],
)
def test_no_changed_proof_is_believed(
    house: House, number: int, change: Callable[[Fields], object]
) -> None:
    fields = house.proof(number, house.kept)
    change(fields)

    assert house.verdicts(fields, Trust(house.keys, [house.kept])) == [False, False]


def test_a_body_is_what_was_committed_to(house: House) -> None:
    fields = house.proof(55)
    body = fields["entries"][0]["body"]
    fields["entries"][0]["body"] = body[:-4] + ("AAA=" if body[-4:] != "AAA=" else "AAE=")

    assert house.verdicts(fields, Trust(house.keys)) == [False, False]


def test_one_checkpoint_continues_another(house: House) -> None:
    made, hashes = house.prover.consistency(house.kept)
    fields: Fields = consistency_json(house.kept.note.whole, made.note.whole, hashes, [])

    assert house.verdicts(fields, Trust(house.keys, [house.kept])) == [True, True]
    fields["hashes"] = list(reversed(fields["hashes"]))
    assert house.verdicts(fields, Trust(house.keys)) == [False, False]


def test_keys_that_were_handed_over_are_followed(tmp_path: Path) -> None:
    house = House(tmp_path)
    tree = tree_on(house.disk, house.place)
    tree.rotate()
    with opened(house.disk, house.place) as journal:
        journal.append(pair(5000))
    tree.update()
    tree.close()
    fields = house.proof(5000)

    assert house.verdicts(fields, Trust(house.keys)) == [True, True]
    fields["handovers"] = []
    assert house.verdicts(fields, Trust(house.keys)) == [False, False]


def test_a_whole_log_is_checked_by_the_script_as_kept_and_as_published(house: House) -> None:
    from kingpost.proofs import export_tree

    target = house.directory / "published"
    export_tree(house.place.public, target, disk=house.disk)
    trust = Trust(house.keys, [house.kept, house.newest])

    assert is_proved(house.place.public, trust)
    assert is_proved(target, trust)
    tile = next((target / "tile" / "0").rglob("000.p/*"), target / "tile" / "0" / "000")
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    assert not is_proved(target, trust)


def test_an_entry_without_an_id_is_no_record() -> None:
    assert entry_id(Entry("event", "acme", "t", b"1")) is None
    assert entry_id(pair(3)[1]) == record_id(3)
    assert isinstance(place_in(Path("/x")), TreePlace)
