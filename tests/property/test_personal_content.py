"""What is encrypted comes back, to nobody else, unaltered, and never again once it is erased."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import kingpost as kp
from kingpost.contracts import Contract, Instant, Withheld, contract_of, split_body, whole_body
from kingpost.core import KingpostError
from kingpost.subjects import (
    ContentDamaged,
    MasterKey,
    MemorySubjectKeys,
    SubjectName,
    SubjectVault,
)


class Claim(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: kp.Subject[str]
    amount: float
    name: Annotated[str, kp.Personal()]
    note: Annotated[str | None, kp.Personal()] = None
    email: Annotated[str | None, kp.Personal("digest")] = None
    iban: Annotated[str | None, kp.Personal("drop")] = None


class Plain(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: str


MASTER = MasterKey(b"m" * 32)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
claims = st.builds(
    Claim,
    at=st.just(Instant.parse("2026-03-01T12:00:00Z")),
    id=texts.filter(len),
    customer=texts.filter(len),
    amount=st.floats(0, 1e6),
    name=texts,
    note=st.none() | texts,
    email=st.none() | texts,
    iban=st.none() | texts,
)


@contextmanager
def vault(
    store: MemorySubjectKeys | None = None, keys_cached: int = 65_536
) -> Generator[tuple[Contract[Claim], SubjectVault]]:
    contract = contract_of(Claim)
    opened = SubjectVault(store or MemorySubjectKeys(), MASTER, keys_cached=keys_cached)
    contract.desk.vault = opened
    try:
        yield contract, opened
    finally:
        contract.desk.vault = None


@given(claims)
def test_what_is_encrypted_comes_back_and_the_rest_is_withheld(claim: Claim) -> None:
    with vault() as (contract, _):
        stored = contract.protect("acme", claim, 7)
        found = contract.decode_stored(stored.body)

        assert (found.id, found.customer, found.amount) == (claim.id, claim.customer, claim.amount)
        assert (found.name, found.note) == (claim.name, claim.note)
        assert contract.stored_digest(stored.body) == stored.digest
        assert contract.protect("acme", claim, 9).digest == stored.digest
        assert contract.protect("acme", claim, 9).body != stored.body
    encrypted = contract.decode_protected(stored.body)  # without any key
    assert (encrypted.amount, encrypted.name) == (claim.amount, Withheld.ENCRYPTED)
    assert found.iban == Withheld.DROPPED
    assert found.email is None if claim.email is None else "hmac-sha256:" in str(found.email)


@given(claims, claims)
def test_equal_fields_have_equal_digests_within_a_tenant_alone(one: Claim, other: Claim) -> None:
    with vault() as (contract, _):

        def digest_of(tenant: str, claim: Claim) -> str | None:
            return contract.decode_stored(contract.protect(tenant, claim, 1).body).email

        assert (digest_of("acme", one) == digest_of("acme", other)) == (one.email == other.email)
        if one.email is not None:
            assert digest_of("acme", one) != digest_of("other", one)


@given(claims, claims, st.booleans())
def test_no_subject_opens_what_is_encrypted_for_another(
    one: Claim, other: Claim, is_elsewhere: bool
) -> None:
    with vault() as (contract, _):
        tenant = "elsewhere" if is_elsewhere or one.customer == other.customer else "acme"
        mine = split_body(contract.protect("acme", one, 1).body)
        theirs = split_body(contract.protect(tenant, other, 1).body)
        assert mine[1] is not None
        assert theirs[1] is not None
        stolen = msgspec.structs.replace(theirs[1], key=mine[1].key)

        with pytest.raises(ContentDamaged):
            contract.decode_stored(whole_body(theirs[0], stolen))
        if mine[0] != theirs[0]:
            with pytest.raises(ContentDamaged):  # beside other facts
                contract.decode_stored(whole_body(theirs[0], mine[1]))


@given(claims, st.data())
def test_a_changed_byte_is_never_a_wrong_value(claim: Claim, data: st.DataObject) -> None:
    with vault() as (contract, _):
        body = bytearray(contract.protect("acme", claim, 1).body)
        at = data.draw(st.integers(0, len(body) - 1))
        body[at] ^= data.draw(st.integers(1, 255))
        try:
            found = contract.decode_stored(bytes(body))
        except (KingpostError, msgspec.MsgspecError, UnicodeDecodeError):
            return
        # what is still read says that it is not there: its key's id was changed
        for value in (found.name, found.note):
            assert value in (claim.name, claim.note) or isinstance(value, Withheld)
        if isinstance(found.name, Withheld):
            assert found.name == Withheld.NO_KEY
        else:
            assert contract.clear_body(found) == contract.clear_body(claim)


@given(st.lists(claims, min_size=1, max_size=8), st.data(), st.integers(1, 3))
def test_what_is_erased_stays_erased_and_what_comes_later_does_not(
    history: list[Claim], data: st.DataObject, keys_cached: int
) -> None:
    store = MemorySubjectKeys()
    gone = data.draw(st.sampled_from([one.customer for one in history]))
    with vault(store, keys_cached) as (contract, opened):
        before = [(one, contract.protect("acme", one, 10).body) for one in history]
    with vault(store, keys_cached) as (contract, opened):  # keys are known by what is read alone
        for one, body in before:
            assert contract.decode_stored(body).name == one.name
        opened.erase(SubjectName("acme", "customer", gone), 20)
        after = [(one, contract.protect("acme", one, 21).body) for one in history]
        check(contract, before, after, gone)
        opened.destroy([(SubjectName("acme", "customer", gone), 20)])
        check(contract, before, after, gone)
    with vault(store) as (contract, opened):  # started again
        check(contract, before, after, gone)
        opened.destroy([(SubjectName("acme", "customer", gone), 20)])
        check(contract, before, after, gone)


def check(
    contract: Contract[Claim],
    before: list[tuple[Claim, bytes]],
    after: list[tuple[Claim, bytes]],
    gone: str,
) -> None:
    for claim, body in before:
        found = contract.decode_stored(body)
        if claim.customer == gone:
            assert (found.name, found.note) == (Withheld.ERASED, Withheld.ERASED)
            assert contract.stored_digest(body) is None
            assert isinstance(found.name, Withheld)
        else:
            assert (found.name, found.note) == (claim.name, claim.note)
        assert found.amount == claim.amount
    for claim, body in after:
        assert contract.decode_stored(body).name == claim.name


def test_an_erasure_that_was_not_recorded_is_taken_back() -> None:
    claim = contract_of(Claim).convert(
        {"id": "1", "at": "2026-03-01T12:00:00Z", "customer": "C1", "amount": 1.0, "name": "Ann"}
    )
    with vault() as (contract, opened):
        body = contract.protect("acme", claim, 3).body
        opened.erase(SubjectName("acme", "customer", "C1"), 5)
        assert contract.decode_stored(body).name == Withheld.ERASED

        opened.revive()

        assert contract.decode_stored(body).name == "Ann"


def test_a_contract_without_personal_fields_is_described_as_before() -> None:
    described = msgspec.json.decode(contract_of(Plain).description)

    assert all("personal" not in one and "is_subject" not in one for one in described["fields"])
