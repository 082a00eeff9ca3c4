"""Witnesses: what they answer, and that two histories are never both signed."""

import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from kingpost.core import SystemDisk
from kingpost.proofs import (
    COSIGNATURE,
    ED25519,
    Checkpoint,
    SigningKey,
    Tree,
    Witness,
    WitnessClient,
    WitnessRefused,
    WitnessServer,
    WitnessState,
    parse_note,
    sign_checkpoint,
    signed_by,
)
from kingpost.proofs.merkle import consistency_proof, leaf_hash, subtree_of, tree_root
from kingpost.proofs.proof import base64_text
from tests.simulated_disk import SimulatedDisk
from tests.small_tree import PLACE, entry_id, opened, pair, tree_on
from tests.stopped_clock import StoppedClock

LOG = SigningKey("a.example/log", ED25519, bytes(32))
KEY = SigningKey("w.example", COSIGNATURE, bytes([1]) * 32)
HASHES = [leaf_hash(b"%d" % number) for number in range(20)]
OTHER = [leaf_hash(b"other %d" % number) for number in range(20)]
DIRECTORY = Path("/witness")


def state_on(disk: SimulatedDisk) -> WitnessState:
    logs = {LOG.verifier.name: [LOG.verifier]}
    return WitnessState(DIRECTORY, KEY, logs, disk=disk, clock=StoppedClock())


def checkpoint(size: int, hashes: list[bytes] = HASHES, key: SigningKey = LOG) -> Checkpoint:
    root = tree_root(size, subtree_of(hashes))
    return sign_checkpoint(key.verifier.name, size, root, [key])


def body(old: int, made: Checkpoint, hashes: list[bytes] = HASHES) -> bytes:
    proof = consistency_proof(old, made.size, subtree_of(hashes)) if 0 < old < made.size else []
    lines = "".join(base64_text(one) + "\n" for one in proof)
    return f"old {old}\n{lines}\n{made.note.whole}".encode()


def test_a_checkpoint_that_nobody_was_asked_about_is_offered_later() -> None:
    disk = SimulatedDisk()
    with opened(disk) as journal:
        journal.append(pair(1))
    plain = tree_on(disk)
    first = plain.update()
    asked: list[int] = []

    def cosigns(checkpoint: Checkpoint, consistency: Callable[[int], Sequence[bytes]]) -> str:
        del consistency
        asked.append(checkpoint.size)
        return KEY.sign(checkpoint.note.text, at_s=7) if len(asked) > 1 else ""

    tree = Tree(PLACE, disk, entry_id, cosigns)
    again, signed, quiet = tree.update(), tree.update(), tree.update()
    plain.close()
    tree.close()

    assert again == first  # the witness was away
    assert (signed.size, signed.root) == (first.size, first.root)
    assert signed_by(signed.note, [KEY.verifier])[0].at_s == 7
    assert quiet == signed
    assert asked == [1, 1]


def test_it_signs_what_continues_and_says_when() -> None:
    state = state_on(SimulatedDisk())

    for old, size in ((0, 5), (5, 5), (5, 12)):
        made = checkpoint(size)
        answer = state.add_checkpoint(body(old, made))

        assert answer.status == 200
        (signed,) = signed_by(parse_note(made.note.text + "\n" + answer.body), [KEY.verifier])
        assert signed.at_s == StoppedClock().now_us() // 1_000_000


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (body(3, checkpoint(12)), 409),
        (body(5, checkpoint(5, OTHER)), 409),
        (body(5, checkpoint(12, OTHER), OTHER), 422),
        (body(5, checkpoint(12)).replace(b"\n\n", b"\n" + b"A" * 43 + b"=\n\n", 1), 422),
        (body(5, checkpoint(12, key=SigningKey("b.example", ED25519, bytes(32)))), 404),
        (body(5, checkpoint(12, key=SigningKey(LOG.verifier.name, ED25519, b"1" * 32))), 403),
        (body(9, checkpoint(5)), 400),
        (b"old x\n\n" + checkpoint(12).note.whole.encode(), 400),
        (b"old 05\n\n" + checkpoint(12).note.whole.encode(), 400),
        (b"\xff", 400),
        (b"", 400),
    ],
)
def test_it_refuses_with_the_status_of_the_protocol(sent: bytes, status: int) -> None:
    state = state_on(SimulatedDisk())
    assert state.add_checkpoint(body(0, checkpoint(5))).status == 200

    answer = state.add_checkpoint(sent)

    assert answer.status == status
    if status == 409:
        assert (answer.kind, answer.body) == ("text/x.tlog.size", "5\n")


def test_what_it_signed_is_durable_before_it_answers() -> None:
    disk = SimulatedDisk()
    assert state_on(disk).add_checkpoint(body(0, checkpoint(5))).status == 200

    again = state_on(disk.after_power_loss())

    assert again.add_checkpoint(body(0, checkpoint(7, OTHER), OTHER)).status == 409


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    logs = {LOG.verifier.name: [LOG.verifier]}
    state = WitnessState(tmp_path, KEY, logs, disk=SystemDisk(), clock=StoppedClock())
    with WitnessServer(("127.0.0.1", 0), state) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_log_asks_a_witness_over_http_and_learns_where_it_is(served: str) -> None:
    witness = Witness(served, KEY.verifier)

    def consistency(old: int) -> list[bytes]:
        return consistency_proof(old, made.size, subtree_of(HASHES))

    made = checkpoint(5)
    assert signed_by(
        parse_note(made.note.whole + WitnessClient([witness])(made, consistency)), [KEY.verifier]
    )
    made = checkpoint(12)  # a client that was started anew does not know of the first
    lines = WitnessClient([witness]).ask(witness, made, consistency)
    assert signed_by(parse_note(made.note.whole + lines), [KEY.verifier])
    with pytest.raises(WitnessRefused, match="already"):
        WitnessClient([witness]).ask(witness, checkpoint(7), consistency)


def test_a_witness_that_is_away_or_another_holds_nothing_up(served: str) -> None:
    made = checkpoint(5)
    away = Witness("http://127.0.0.1:1", KEY.verifier)
    wrong = Witness(served, SigningKey("w.example", COSIGNATURE, bytes(32)).verifier)

    assert WitnessClient([away, wrong])(made, lambda old: []) == ""
