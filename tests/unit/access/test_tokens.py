"""Bearer tokens: let in when the issuer's key signed them for us, now, with a scope."""

import base64
import hmac
import json
import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc.jwk import ECKey, RSAKey

from kingpost.access import (
    ApiKeyRefused,
    FetchedKeys,
    IssuerKeys,
    KeyRing,
    Limits,
    MemoryKeys,
    Principal,
    TokenKeysMissing,
    TokenRefused,
    Tokens,
    TokenSettings,
    key_file,
    key_url,
)
from kingpost.access.issuer_keys import LEAST_S
from kingpost.access.tokens import KEPT_US, LONGEST
from kingpost.core import rate_of
from tests.local_issuer import AUDIENCE, EC, ISSUER, OKP, RSA, LocalIssuer, local_issuer, signed
from tests.tiny_app import FakeClock

NOW_S = FakeClock().us / 1e6
SETTINGS = TokenSettings(issuer=ISSUER, audience=AUDIENCE, tenant="acme")


class Source:
    """Keys that can be changed, and refused."""

    def __init__(self, *keys: RSAKey | ECKey) -> None:
        self.keys: list[object] = [key.as_dict(private=False) for key in keys or (RSA, EC, OKP)]
        self.read_count = 0
        self.error: Exception | None = None

    def read(self) -> bytes:
        self.read_count += 1
        if self.error is not None:
            raise self.error
        return json.dumps({"keys": self.keys}).encode()


class House:
    """A ring that takes tokens."""

    def __init__(
        self, settings: TokenSettings = SETTINGS, source: Source | None = None, limits: str = ""
    ) -> None:
        self.clock, self.source = FakeClock(), source or Source()
        self.keys = IssuerKeys(FetchedKeys("source", self.source.read, 300), self.clock)
        self.keys.refresh()
        held = Limits.from_text(limits)
        tokens = Tokens(settings, self.keys, self.clock, held or None)
        self.ring = KeyRing(MemoryKeys(), self.clock, tokens=tokens, limits=held)

    def check(self, token: str) -> Principal:
        return self.ring.check(f"Bearer {token}".encode())

    def token(self, signer: RSAKey | ECKey = EC, **said: object) -> str:
        return signed(signer, now_s=self.clock.us / 1e6, **said)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (RSA, "PS512"), (EC, ""), (OKP, "")])
def test_a_token_that_the_issuer_signed_lets_in(key: RSAKey, alg: str) -> None:
    principal = House().check(signed(key, alg=alg, now_s=NOW_S))

    assert principal == Principal("jwt:scorer", "acme", frozenset({"decide:fraud", "records"}))
    assert not principal.may("decide", "other")


def test_a_token_may_be_for_several_and_its_scopes_a_list() -> None:
    house = House()

    token = house.token(aud=["other", AUDIENCE], scope=["decide", "ingest"])

    assert house.check(token).scopes == {"decide", "ingest"}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"iss": "https://login.example/other"}, "another issuer"),
        ({"iss": ISSUER + "/"}, "another issuer"),
        ({"without": "iss"}, "another issuer"),
        ({"aud": "other"}, "another audience"),
        ({"aud": f"x {AUDIENCE}"}, "another audience"),
        ({"aud": []}, "another audience"),
        ({"without": "aud"}, "another audience"),
        ({"exp": int(NOW_S) - 31}, "expired"),
        ({"exp": "soon"}, "no exp"),
        ({"exp": True}, "no exp"),
        ({"exp": 1e300}, "no exp"),
        ({"without": "exp"}, "no exp"),
        ({"nbf": int(NOW_S) + 60}, "not valid yet"),
        ({"iat": int(NOW_S) + 60}, "not valid yet"),
        ({"without": "sub"}, "whose it is"),
        ({"sub": "x" * 256}, "whose it is"),
        ({"sub": "a\nb"}, "whose it is"),
        ({"sub": 17}, "whose it is"),
        ({"scope": "openid profile"}, "no scope"),
        ({"without": "scope"}, "no scope"),
        ({"scope": {"decide": True}}, "no scope"),
        ({"header": {"typ": "logout+jwt"}}, "no access token"),
        ({"header": {"kid": "gone"}}, "no such key"),
    ],
)
def test_a_token_that_does_not_fit_lets_nobody_in_and_says_why(
    said: dict[str, object], reason: str
) -> None:
    house = House()
    with pytest.raises(TokenRefused, match=reason):
        house.check(house.token(**said))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("header", [{"kid": 17}, {"kid": "ec", "crit": ["b64"]}, {"kid": None}])
def test_a_header_that_is_not_understood_lets_nobody_in(header: dict[str, object]) -> None:
    house = House()

    with pytest.raises(TokenRefused, match="header is not taken"):
        house.check(forged({"alg": "ES256"} | header, house.token()))


def forged(header: dict[str, object], token: str) -> str:
    """Put another header before a token."""
    head = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    return ".".join([head, *token.split(".")[1:]])


def by_secret(secret: bytes, token: str) -> str:
    """Sign with a secret what a public key should have, as if that were the secret."""
    text = forged({"alg": "HS256", "kid": "ec"}, token).rpartition(".")[0]
    made = hmac.digest(secret, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def test_the_clocks_may_differ_a_little() -> None:
    house = House()

    assert house.check(house.token(exp=int(NOW_S) - 29, nbf=int(NOW_S) + 29, iat=int(NOW_S) + 29))


def test_signatures_by_others_or_by_a_shared_secret_or_none_let_nobody_in() -> None:
    house = House()
    good = house.token()
    stranger = ECKey.generate_key("P-256", {"kid": "ec"})
    crossed = house.token(RSA, header={"kid": "ec"})
    altered = good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB")
    attempts = [
        house.token(stranger),
        by_secret(EC.as_pem(private=False), good),
        forged({"alg": "none", "kid": "ec"}, good),
        forged({"alg": "none"}, good.rpartition(".")[0] + "."),
        forged({"alg": "RS256", "kid": "ec"}, good),
        forged({"alg": "ES384", "kid": "ec"}, good),
        crossed,
        altered,
        good.rpartition(".")[0] + ".",
    ]

    for attempt in attempts:
        with pytest.raises(TokenRefused):
            house.check(attempt)


@pytest.mark.parametrize(
    "text", ["a.b.c", "..", "é.é.é", "e30.e30.", "bnVsbA.bnVsbA.bnVsbA", "x" * LONGEST + ".b.c"]
)
def test_what_is_no_token_lets_nobody_in(text: str) -> None:
    with pytest.raises(TokenRefused):
        House().check(text)


def test_deeply_nested_claims_are_refused() -> None:
    nested = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 5_000 + b"}").decode()

    with pytest.raises(TokenRefused):
        House().check(f"{nested}.b.c")


def test_without_an_issuer_a_token_is_refused_like_a_wrong_key() -> None:
    with pytest.raises(ApiKeyRefused):
        KeyRing(MemoryKeys(), FakeClock()).check(f"Bearer {signed()}".encode())


def test_roles_of_the_issuer_let_do_what_is_said_here() -> None:
    roles = {"scorer": ("decide:fraud",), "ops": ("records", "metrics")}
    settings = TokenSettings(
        issuer=ISSUER, audience=AUDIENCE, tenant="acme", scope_claim="realm.roles", roles=roles
    )
    house = House(settings)

    principal = house.check(house.token(realm={"roles": ["scorer", "ops", "other"]}))

    assert principal.scopes == {"decide:fraud", "records", "metrics"}
    with pytest.raises(TokenRefused, match="no scope"):
        house.check(house.token(realm={"roles": ["decide"]}))


def test_a_claim_may_name_the_tenant() -> None:
    house = House(
        TokenSettings(issuer=ISSUER, audience=AUDIENCE, tenant="acme", tenant_claim="org")
    )

    assert house.check(house.token(org="umbrella")).tenant == "umbrella"
    for wrong in ("", "Umbrella", "a b", "../x", ["a", "b"], 17):
        with pytest.raises(TokenRefused, match="no tenant"):
            house.check(house.token(org=wrong))


def test_a_token_is_verified_once_until_it_expires_or_five_minutes_have_gone() -> None:
    house = House()
    short, long = house.token(exp=int(NOW_S) + 60), house.token(exp=int(NOW_S) + 9_000)
    house.check(short)
    house.check(long)
    house.source.keys = []
    house.keys.refresh()

    house.clock.advance(89)
    house.check(short)
    house.clock.advance(1)
    with pytest.raises((TokenRefused, TokenKeysMissing)):
        house.check(short)
    house.clock.advance(KEPT_US / 1e6 - 91)
    house.check(long)
    house.clock.advance(1)
    with pytest.raises((TokenRefused, TokenKeysMissing)):
        house.check(long)


def test_what_is_remembered_of_a_token_is_not_the_token() -> None:
    house = House()
    token = house.token()
    house.check(token)

    assert token.rpartition(".")[2] not in repr(vars(house.ring))


def test_a_new_key_is_fetched_at_most_once_in_ten_seconds() -> None:
    house = House()
    new = ECKey.generate_key("P-256", {"kid": "new"})
    house.source.keys.append(new.as_dict(private=False))
    token = house.token(new)

    with pytest.raises(TokenRefused, match="no such key"):
        house.check(token)
    house.clock.advance(LEAST_S)
    with pytest.raises(TokenKeysMissing):
        house.check(house.token(new))
    house.keys.refresh()
    assert house.check(house.token(new)).id == "jwt:scorer"
    for number in range(50):
        made_up = house.token(EC, header={"kid": f"made-up-{number}"})
        with pytest.raises(TokenRefused, match="no such key"):
            house.check(made_up)
    assert house.source.read_count == 2


def test_keys_that_cannot_be_fetched_stay_as_they_were() -> None:
    house = House()
    for error in (OSError("away"), ValueError("no key set")):
        house.source.error = error

        assert not house.keys.refresh()
        assert house.check(house.token(jti=str(error)))


def test_before_there_are_keys_a_token_may_be_tried_again() -> None:
    source = Source()
    source.error = OSError("away")

    with pytest.raises(TokenKeysMissing, match="try again"):
        House(source=source).check(signed(now_s=NOW_S))


def test_keys_that_cannot_or_must_not_sign_are_left_out() -> None:
    weak = rsa.generate_private_key(65537, 1024).public_key()
    pem = weak.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    numbers = weak.public_numbers()
    modulus = base64.urlsafe_b64encode(numbers.n.to_bytes(128, "big")).rstrip(b"=").decode()
    source = Source(EC)
    source.keys += [
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0", "kid": "shared"},
        {"kty": "new", "kid": "unknown"},
        {"kty": "RSA", "kid": "weak", "n": modulus, "e": "AQAB"},
        RSA.as_dict(private=False) | {"kid": "enc", "use": "enc"},
    ]
    house = House(source=source)

    assert house.check(house.token())
    for kid in ("shared", "unknown", "weak", "enc"):
        assert house.keys.find(kid) is None
    source.read = lambda: pem  # pyright: ignore[reportAttributeAccessIssue]
    assert not IssuerKeys(FetchedKeys("weak", source.read, 1), house.clock).refresh()


def test_a_token_without_a_key_id_is_checked_with_the_only_key_there_is() -> None:
    nameless = ECKey.import_key(EC.as_pem(private=True))
    token = signed(nameless, now_s=NOW_S)

    assert House(source=Source(EC)).check(token)
    with pytest.raises(TokenRefused):
        House().check(token)


def test_tokens_have_the_limits_of_the_installation() -> None:
    house = House(limits="requests=5/s")

    assert house.check(house.token()).limits == Limits(requests=rate_of("5/s"))


@pytest.mark.parametrize("form", ["json", "pem"])
def test_keys_may_lie_in_a_file_that_is_read_anew(tmp_path: Path, form: str) -> None:
    file = tmp_path / "keys"
    pem = RSA.as_pem(private=False)
    key_set = json.dumps({"keys": [RSA.as_dict(private=False)]}).encode()
    file.write_bytes(pem if form == "pem" else key_set)
    keys = IssuerKeys(key_file(file), FakeClock())
    assert keys.refresh()
    assert keys.find("") is not None
    file.write_text("neither")
    assert not keys.refresh()
    assert keys.find("") is not None


def wait_for(issuer: LocalIssuer, number: int) -> None:
    until = time.monotonic() + 10
    while issuer.fetched < number and time.monotonic() < until:
        time.sleep(0.01)


@pytest.mark.parametrize("is_described", [True, False])
def test_an_issuer_is_asked_in_a_thread_and_again_for_a_key_it_began_to_use(
    is_described: bool,
) -> None:
    with local_issuer() as issuer:
        clock = FakeClock()
        source = key_url(issuer.url, "" if is_described else f"{issuer.url}/keys")
        keys = IssuerKeys(source, clock)
        keys.start()
        assert keys.find("rsa") is not None
        new = ECKey.generate_key("P-256", {"kid": "new"})
        issuer.keys = [new]
        clock.advance(LEAST_S)
        assert keys.want()
        wait_for(issuer, 2)
        until = time.monotonic() + 10
        while keys.find("new") is None and time.monotonic() < until:
            time.sleep(0.01)
        keys.close()

    assert keys.find("new") is not None
    assert keys.find("rsa") is None
    assert issuer.fetched == 2


def test_an_issuer_that_calls_itself_something_else_is_not_believed() -> None:
    with local_issuer() as issuer:
        assert not IssuerKeys(key_url(issuer.url + "/", ""), FakeClock()).refresh()
        assert not IssuerKeys(key_url("http://127.0.0.1:9", ""), FakeClock()).refresh()
