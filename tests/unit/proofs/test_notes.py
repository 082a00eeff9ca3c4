"""Signed notes: the published example, and what is refused."""

import pytest

from kingpost.proofs import (
    COSIGNATURE,
    ED25519,
    BadNote,
    BadVerifierKey,
    SigningKey,
    VerifierKey,
    parse_checkpoint,
    parse_note,
    sign_checkpoint,
    signed_by,
)

KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
NOTE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mF"
    "XmRKuwHjG1Yu72IneyaQM=\n"
)
from tests.small_tree import auditor


def test_the_published_example_verifies_in_both_verifiers() -> None:
    key = VerifierKey.parse(KEY)

    assert str(key) == KEY
    assert [one.key for one in signed_by(parse_note(NOTE), [key])] == [key]
    other = auditor.parse_key(KEY)
    assert auditor.signers(auditor.parse_note(NOTE), [other]) == [other]


@pytest.mark.parametrize("at", [0, 10, 26, 80, 100, 130])
def test_a_changed_note_is_refused_by_both(at: int) -> None:
    changed = NOTE[:at] + ("x" if NOTE[at] != "x" else "y") + NOTE[at + 1 :]

    with pytest.raises(BadNote):
        signed_by(parse_note(changed), [VerifierKey.parse(KEY)])
    with pytest.raises(auditor.Refused):
        found = auditor.signers(auditor.parse_note(changed), [auditor.parse_key(KEY)])
        if not found:
            raise auditor.Refused("nobody")


def test_unknown_signers_are_passed_over_and_a_known_one_must_be_right() -> None:
    log, other = (SigningKey("log", ED25519, bytes([at]) * 32) for at in (1, 2))
    made = sign_checkpoint("log", 3, bytes(32), [log, other])

    assert [one.key for one in signed_by(made.note, [log.verifier])] == [log.verifier]
    with pytest.raises(BadNote, match="nobody"):
        signed_by(made.note, [SigningKey("log", ED25519, bytes([3]) * 32).verifier])
    forged = made.note.whole.replace("\n3\n", "\n4\n")
    with pytest.raises(BadNote, match="wrong"):
        signed_by(parse_note(forged), [log.verifier])


def test_a_cosignature_says_when() -> None:
    witness = SigningKey("w.example", COSIGNATURE, bytes(32))
    text = sign_checkpoint("log", 3, bytes(32), [witness]).note.text
    note = parse_note(text + "\n" + witness.sign(text, at_s=1_800_000_000))

    (signed,) = signed_by(note, [witness.verifier])
    key = auditor.parse_key(str(witness.verifier))

    assert signed.at_s == 1_800_000_000
    assert auditor.signers(auditor.parse_note(note.whole), [key]) == [key]
    assert str(SigningKey.parse(witness.secret()).verifier) == str(witness.verifier)


@pytest.mark.parametrize(
    "text", ["", "a+b", KEY.replace("530d903a", "530d903b"), KEY[:-1], "a+b+c"]
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(BadVerifierKey):
        VerifierKey.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "log\n03\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\n3\nAAAA\n",
        "log\nx\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "lo g\n3\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "log\n3\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    key = SigningKey("log", ED25519, bytes(32))

    with pytest.raises(BadNote):
        parse_checkpoint(text + "\n" + key.sign(text))
