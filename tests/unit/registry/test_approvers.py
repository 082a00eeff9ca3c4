"""Whose approvals count, and what no approval survives."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from kingpost.registry import (
    Approval,
    ApprovalRefused,
    Approvers,
    BadApprovers,
    BadSigningKey,
    SigningKey,
)

ADA, BOB, EVE = SigningKey.make(), SigningKey.make(), SigningKey.make()
APPROVERS = Approvers.read(f"ada={ADA.public}; bob={BOB.public}")
LOG, BUNDLE = "1" * 64, "a" * 64


def approval(by: str, key: SigningKey | None, number: int, *, bundle: str = BUNDLE) -> Approval:
    plain = Approval(
        format=2, decision="fraud", bundle=bundle, by=by, reason="read it", at_us=7, number=number
    )
    return plain if key is None else key.signed(plain, LOG)


def problems(*approvals: Approval, author: str = "carol", log: str = LOG) -> list[str]:
    return [one.problem for one in APPROVERS.judge(approvals, log, lambda _: author)]


def test_what_an_approver_signed_counts() -> None:
    assert problems(approval("ada", ADA, 1), approval("bob", BOB, 2)) == ["", ""]


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (approval("ada", None, 1), "not signed it at all"),
        (approval("ada", BOB, 1), "ada has not signed it"),
        (approval("eve", EVE, 1), "eve is no approver"),
        (approval("ada", ADA, 0), "number 0 again"),
        (structs.replace(approval("ada", ADA, 1), signature="!"), "ada has not signed it"),
    ],
)
def test_what_nobody_signed_who_may_does_not_count(made: Approval, why: str) -> None:
    (problem,) = problems(made)
    assert why in problem


def test_an_old_approval_put_at_the_end_again_does_not_count() -> None:
    old, new = approval("ada", ADA, 1), approval("bob", BOB, 2, bundle="b" * 64)

    assert problems(old, new, old)[:2] == ["", ""]
    assert "number 1 again, after number 2" in problems(old, new, old)[2]


def test_an_approval_of_another_log_does_not_count() -> None:
    assert problems(approval("ada", ADA, 1), log="2" * 64) == ["ada has not signed it"]


def test_whoever_made_the_model_does_not_approve_it_unless_that_is_allowed() -> None:
    (problem,) = problems(approval("ada", ADA, 1), author=" Ada")
    assert "somebody else" in problem

    lenient = Approvers.read(f"ada={ADA.public}", may_own=True)
    (judged,) = lenient.judge([approval("ada", ADA, 1)], LOG, lambda _: "ada")
    assert judged.problem == ""


def test_who_is_no_approver_any_more_takes_only_their_approvals_along() -> None:
    later = Approvers.read(f"bob={BOB.public}")
    judged = later.judge([approval("ada", ADA, 1), approval("bob", BOB, 2)], LOG, lambda _: "carol")

    assert [bool(one.problem) for one in judged] == [True, False]


@given(
    st.sampled_from(["decision", "bundle", "reason", "at_us", "number", "signature"]),
    st.integers(0, 2**40),
)
def test_an_approval_with_any_part_changed_does_not_count(part: str, other: int) -> None:
    made = approval("ada", ADA, 1)
    value: object = other if part in ("at_us", "number") else f"{other:064d}"
    if part == "signature":
        raw = bytearray(base64.b64decode(made.signature))
        raw[other % len(raw)] ^= 1 + other % 255
        value = base64.b64encode(bytes(raw)).decode()
    changed = structs.replace(made, **{part: value})

    assert bool(problems(changed)[0]) == (changed != made)


@pytest.mark.parametrize(
    "text",
    [
        "ada",
        "ada=",
        "=QUJD",
        "ada=QUJD",
        "ada=é",
        pytest.param(f"ada={ADA.public};Ada={BOB.public}", id="named twice"),
    ],
)
def test_approvers_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(BadApprovers):
        Approvers.read(text)


def test_a_key_is_written_and_read_with_its_passphrase(tmp_path: Path) -> None:
    clear, locked, other = (tmp_path / name for name in ("clear", "locked", "other"))
    clear.write_bytes(ADA.pem(""))
    locked.write_bytes(ADA.pem("open sesame"))
    other.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")

    assert SigningKey.read(clear, lambda: "unused").public == ADA.public
    assert SigningKey.read(locked, lambda: "open sesame").public == ADA.public
    for path, said in ((locked, "wrong"), (other, ""), (tmp_path / "none", "")):
        with pytest.raises(BadSigningKey):
            SigningKey.read(path, lambda said=said: said)


def test_the_error_of_a_refusal_says_who_and_why() -> None:
    assert "cannot approve it: no" in str(ApprovalRefused("eve", BUNDLE, "no"))
