"""API keys: shown once, kept as a hash, let in only while they are valid."""

import pickle
from collections.abc import Sequence

import pytest

from kingpost.access import (
    ApiKeyMissing,
    ApiKeyRefused,
    BadKeyRequest,
    KeyRing,
    Limits,
    MemoryKeys,
    MissingScope,
    Principal,
    StoredKey,
    UnknownKey,
    create_key,
    revoke_key,
    rotate_key,
)
from kingpost.access.key_ring import HEADERS_KEPT
from kingpost.core import rate_of
from tests.tiny_app import FakeClock


class CountingKeys(MemoryKeys):
    """Keys that count how often one is looked up."""

    lookups = 0

    def find(self, identifier: str) -> StoredKey | None:
        self.lookups += 1
        return super().find(identifier)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> CountingKeys:
    return CountingKeys()


def header(store: MemoryKeys, clock: FakeClock, *scopes: str, expires_us: int | None = None):
    made = create_key(
        store, clock, tenant="acme", scopes=scopes or ("decide",), expires_us=expires_us
    )
    return made.key.id, f"Bearer {made.secret}".encode()


def test_a_secret_has_256_bits_and_is_stored_nowhere(store: CountingKeys, clock: FakeClock) -> None:
    made = create_key(store, clock, tenant="acme", scopes=["decide"], name="demo")

    prefix, identifier, secret = made.secret.split("_")
    assert (prefix, identifier, len(bytes.fromhex(secret))) == ("kp", made.key.id, 32)
    found = store.find(identifier)
    assert found is not None
    assert secret not in repr(made) + repr(found) + repr(vars(found))


@pytest.mark.parametrize("tenant", ["", "Acme", "a b", "a\0b", "x" * 65, "-a"])
def test_a_tenant_that_cannot_be_one_is_refused(
    store: CountingKeys, clock: FakeClock, tenant: str
) -> None:
    with pytest.raises(BadKeyRequest, match="tenant"):
        create_key(store, clock, tenant=tenant, scopes=["decide"])


@pytest.mark.parametrize("scopes", [[], ["everything"], ["decide:"], ["records:x"], ["decide", ""]])
def test_a_scope_that_there_is_not_is_refused(
    store: CountingKeys, clock: FakeClock, scopes: Sequence[str]
) -> None:
    with pytest.raises(BadKeyRequest, match="scope"):
        create_key(store, clock, tenant="acme", scopes=scopes)


def test_a_key_that_would_have_expired_already_is_refused(
    store: CountingKeys, clock: FakeClock
) -> None:
    with pytest.raises(BadKeyRequest, match="expired"):
        create_key(store, clock, tenant="acme", scopes=["decide"], expires_us=clock.us)


def test_a_key_lets_in_its_tenant_with_its_scopes(store: CountingKeys, clock: FakeClock) -> None:
    identifier, bearer = header(store, clock, "decide:fraud", "records")

    principal = KeyRing(store, clock).check(bearer)

    assert principal == Principal(identifier, "acme", frozenset({"decide:fraud", "records"}))
    assert principal.may("decide", "fraud")
    assert not principal.may("decide", "other")
    assert not principal.may("decide")
    with pytest.raises(MissingScope, match="ingest"):
        principal.require("ingest")


def test_a_whole_scope_holds_for_every_name() -> None:
    principal = Principal("a1", "acme", frozenset({"decide"}))

    assert principal.may("decide")
    assert principal.may("decide", "fraud")


def test_the_scheme_may_be_written_in_any_case(store: CountingKeys, clock: FakeClock) -> None:
    _, bearer = header(store, clock)

    assert KeyRing(store, clock).check(bearer.replace(b"Bearer ", b"bearer  ")).tenant == "acme"


def test_no_header_is_told_from_a_wrong_one(store: CountingKeys, clock: FakeClock) -> None:
    with pytest.raises(ApiKeyMissing):
        KeyRing(store, clock).check(None)


def test_every_refusal_reads_the_same(store: CountingKeys, clock: FakeClock) -> None:
    ring = KeyRing(store, clock)
    revoked_id, revoked = header(store, clock)
    revoke_key(store, clock, revoked_id)
    _, expired = header(store, clock, expires_us=clock.us + 1)
    clock.advance(1)
    _, valid = header(store, clock)
    wrong = [
        revoked,
        expired,
        valid[:-1] + (b"0" if valid[-1:] != b"0" else b"1"),
        valid + b"0",
        valid.replace(b"kp_", b"kp_0"),
        valid.removeprefix(b"Bearer "),
        valid.replace(b"Bearer", b"Basic"),
        b"Bearer kp_",
        b"Bearer kp__",
        b"Bearer",
        b"",
        b"Bearer kp_\xff_\xff",
        valid * 1000,
    ]

    messages: set[str] = set()
    for each in wrong:
        with pytest.raises(ApiKeyRefused) as refused:
            ring.check(each)
        messages.add(f"{refused.value.code}: {refused.value}")

    assert len(messages) == 1


def test_a_key_is_looked_up_once_a_second_at_most(store: CountingKeys, clock: FakeClock) -> None:
    ring = KeyRing(store, clock)
    _, bearer = header(store, clock)

    for _ in range(20):
        ring.check(bearer)
        clock.advance(0.1)

    assert store.lookups == 2


def test_a_revoked_key_opens_nothing_two_seconds_later(
    store: CountingKeys, clock: FakeClock
) -> None:
    ring = KeyRing(store, clock)
    identifier, bearer = header(store, clock)
    ring.check(bearer)

    revoke_key(store, clock, identifier)
    clock.advance(2)

    with pytest.raises(ApiKeyRefused):
        ring.check(bearer)


def test_an_expired_key_opens_nothing_from_that_moment(
    store: CountingKeys, clock: FakeClock
) -> None:
    ring = KeyRing(store, clock)
    _, bearer = header(store, clock, expires_us=clock.us + 500_000)
    ring.check(bearer)

    clock.advance(0.499)
    ring.check(bearer)
    clock.advance(0.001)

    with pytest.raises(ApiKeyRefused):
        ring.check(bearer)


def test_what_a_ring_remembers_is_bounded_and_holds_no_secret(
    store: CountingKeys, clock: FakeClock
) -> None:
    ring = KeyRing(store, clock)
    _, bearer = header(store, clock)

    for spaces in range(HEADERS_KEPT // 100):
        ring.check(bearer + b" " * spaces)

    assert bearer.decode()[-64:] not in repr(vars(ring))


def test_revoking_a_key_that_there_is_not_is_an_error(
    store: CountingKeys, clock: FakeClock
) -> None:
    with pytest.raises(UnknownKey, match="nobody"):
        revoke_key(store, clock, "nobody")


def test_errors_survive_pickling() -> None:
    for error in (ApiKeyMissing(), ApiKeyRefused(), MissingScope("decide"), UnknownKey("a1")):
        again = pickle.loads(pickle.dumps(error))
        assert str(again) == str(error)


def test_a_key_may_be_for_the_reviews_of_one_queue(store: CountingKeys, clock: FakeClock) -> None:
    made = create_key(
        store,
        clock,
        tenant="acme",
        scopes=["review:leads", "review:fraud-desk", "decide:fraud"],
        name="ann",
    )

    principal = KeyRing(store, clock).check(f"Bearer {made.secret}".encode())

    assert principal.narrowed("review") == ("fraud-desk", "leads")
    assert principal.narrowed("records") == ()
    assert principal.may("review", "leads")
    assert not principal.may("review")
    assert not principal.may("review", "operations")


def test_somebody_stands_under_what_they_did_by_their_name() -> None:
    assert Principal("a1", "acme", frozenset(), "ann").by == "ann"
    assert Principal("a1", "acme", frozenset()).by == "a1"


DAY_US = 86_400_000_000


def test_a_rotated_key_is_another_secret_of_the_same_caller(
    store: CountingKeys, clock: FakeClock
) -> None:
    limits = Limits(requests=rate_of("5/s"))
    old = create_key(store, clock, tenant="acme", scopes=["decide:fraud"], name="x", limits=limits)
    new = rotate_key(store, clock, old.key.id, overlap_us=DAY_US)
    newest = rotate_key(store, clock, new.key.id, overlap_us=DAY_US)
    ring = KeyRing(store, clock)

    principals = [ring.check(f"Bearer {one.secret}".encode()) for one in (old, new, newest)]

    assert len({old.secret, new.secret, newest.secret}) == 3
    assert set(principals) == {
        Principal(old.key.id, "acme", frozenset({"decide:fraud"}), "x", limits)
    }


def test_the_old_key_is_valid_until_the_overlap_ends(store: CountingKeys, clock: FakeClock) -> None:
    old = create_key(store, clock, tenant="acme", scopes=["decide"])
    new = rotate_key(store, clock, old.key.id, overlap_us=DAY_US)
    ring = KeyRing(store, clock)

    clock.advance(86_399)
    ring.check(f"Bearer {old.secret}".encode())
    clock.advance(1)

    with pytest.raises(ApiKeyRefused):
        ring.check(f"Bearer {old.secret}".encode())
    assert ring.check(f"Bearer {new.secret}".encode())


def test_a_rotated_key_lives_as_long_as_the_old_one_did(
    store: CountingKeys, clock: FakeClock
) -> None:
    old = create_key(
        store, clock, tenant="acme", scopes=["decide"], expires_us=clock.us + 10 * DAY_US
    )
    clock.advance(9 * 86_400)

    new = rotate_key(store, clock, old.key.id, overlap_us=5 * DAY_US)
    named = rotate_key(store, clock, new.key.id, overlap_us=0, expires_us=clock.us + DAY_US)

    found = store.find(old.key.id)
    assert found is not None
    assert found.key.expires_us == old.key.expires_us, "an overlap makes nothing valid for longer"
    assert new.key.expires_us == clock.us + 10 * DAY_US
    assert named.key.expires_us == clock.us + DAY_US


def test_only_a_key_that_is_valid_is_rotated(store: CountingKeys, clock: FakeClock) -> None:
    old = create_key(store, clock, tenant="acme", scopes=["decide"])
    revoke_key(store, clock, old.key.id)

    with pytest.raises(BadKeyRequest, match="not valid any more"):
        rotate_key(store, clock, old.key.id, overlap_us=0)
    with pytest.raises(UnknownKey):
        rotate_key(store, clock, "nobody", overlap_us=0)


def test_limits_of_a_key_go_before_those_of_the_installation(
    store: CountingKeys, clock: FakeClock
) -> None:
    own = Limits(requests=rate_of("5/s"))
    ring = KeyRing(store, clock, limits=Limits(requests=rate_of("1/s"), rows=rate_of("9/s")))
    made = create_key(store, clock, tenant="acme", scopes=["decide"], limits=own)
    _, plain = header(store, clock)

    assert ring.check(f"Bearer {made.secret}".encode()).limits == own._replace(rows=rate_of("9/s"))
    assert ring.check(plain).limits == Limits(requests=rate_of("1/s"), rows=rate_of("9/s"))
    assert KeyRing(store, clock).check(plain).limits is None
    assert KeyRing(store, clock).charge(KeyRing(store, clock).check(plain)) == ()
