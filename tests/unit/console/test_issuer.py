"""An issuer's word counts for whoever asked, if it holds; roles say what they may do."""

import json
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from joserfc.jwk import OctKey, RSAKey

from kingpost.access import BadRoles, Principal, read_roles, roles_in
from kingpost.console import Issuer, IssuerSettings
from kingpost.console.errors import IssuerFailed, SignInRefused
from kingpost.console.issuer import Asked
from tests.fake_issuer import BACK, KEY, SECRET, URL, FakeIssuer
from tests.tiny_app import FakeClock

OTHER_KEY = RSAKey.generate_key(2048, {"kid": "two"})
ROLES = read_roles("ml-ops=records,review; viewer=records;desk=review:fraud-desk")


class House:
    """Somebody who signs in with the fake issuer."""

    def __init__(self, *, secret: str = SECRET, role_claim: str = "roles") -> None:
        self.fake, self.clock = FakeIssuer(), FakeClock()
        settings = IssuerSettings(URL, "kingpost", secret, ROLES, role_claim, "acme")
        http = httpx.Client(transport=httpx.MockTransport(self.fake))
        self.issuer = Issuer(settings, self.clock, http=http)

    def ask(self) -> Asked:
        url, asked = self.issuer.ask(BACK, "/records")
        self.fake.asked = dict(parse_qsl(urlsplit(url).query))
        return asked

    def come_back(self, asked: Asked, **changed: str) -> Principal:
        answer = {"state": asked.state, "code": "a-code"} | changed
        return self.issuer.person(
            asked, {name: value for name, value in answer.items() if value}, BACK
        )

    def sign_in(self) -> Principal:
        return self.come_back(self.ask())

    def refused(self, asked: Asked | None = None, **changed: str) -> str:
        with pytest.raises(SignInRefused) as refusal:
            self.come_back(asked or self.ask(), **changed)
        return str(refusal.value)


@pytest.fixture
def house() -> House:
    return House()


def test_a_browser_is_sent_to_the_issuer_with_a_question_of_its_own(house: House) -> None:
    url, asked = house.issuer.ask(BACK, "/records")
    _, other = house.issuer.ask(BACK, "/records")

    assert url.startswith(f"{URL}/auth?")
    sent = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    challenge = urlsafe_b64encode(sha256(asked.verifier.encode()).digest()).rstrip(b"=")
    assert sent == {
        "response_type": "code",
        "client_id": "kingpost",
        "redirect_uri": BACK,
        "scope": "openid profile email",
        "state": asked.state,
        "nonce": asked.nonce,
        "code_challenge": challenge.decode(),
        "code_challenge_method": "S256",
    }
    assert asked.verifier not in url
    secrets = {asked.state, asked.nonce, asked.verifier, other.state, other.nonce, other.verifier}
    assert len(secrets) == 6


def test_what_was_asked_comes_back_from_a_cookie(house: House) -> None:
    asked = house.ask()

    assert Asked.from_text(asked.to_text()) == asked
    assert asked.to_text().isascii()


@pytest.mark.parametrize("text", ["", "x", "é", "WzFd", "bm8ganNvbg==", "WyJhIl0=", "\0"])
def test_a_cookie_that_is_none_of_ours_is_refused(text: str) -> None:
    with pytest.raises(SignInRefused, match="another browser"):
        Asked.from_text(text)


def test_who_comes_back_is_known_and_may_do_what_their_roles_say(house: House) -> None:
    person = house.sign_in()

    assert person == Principal(
        "oidc:17", "acme", frozenset({"records", "review"}), "ann@acme.example"
    )


def test_the_scopes_of_all_roles_count_and_unknown_roles_give_none(house: House) -> None:
    house.fake.claims["roles"] = ["viewer", "desk", "emperor", 7, None]

    assert house.sign_in().scopes == {"records", "review:fraud-desk"}


@pytest.mark.parametrize("roles", [[], ["emperor"], "emperor", None, 7, {"ml-ops": True}])
def test_who_has_no_role_here_is_refused_by_name(house: House, roles: object) -> None:
    house.fake.claims["roles"] = roles

    assert "ann@acme.example has no role" in house.refused()


def test_one_role_may_be_a_text(house: House) -> None:
    house.fake.claims["roles"] = "viewer"

    assert house.sign_in().scopes == {"records"}


def test_roles_may_lie_inside_another_claim() -> None:
    house = House(role_claim="realm_access.roles")
    house.fake.claims["realm_access"] = {"roles": ["viewer"]}

    assert house.sign_in().scopes == {"records"}


def test_a_claim_whose_name_has_a_dot_is_found_as_it_is() -> None:
    claims = {"https://acme.example/roles": ["viewer"], "a": "no claims"}

    assert roles_in(claims, "https://acme.example/roles") == ["viewer"]
    assert roles_in(claims, "a.b") is None
    assert roles_in(claims, "b.a") is None


def test_roles_that_the_token_leaves_out_are_asked_for(house: House) -> None:
    del house.fake.claims["roles"]
    house.fake.more = {"roles": ["viewer"], "email": "other@acme.example"}

    person = house.sign_in()

    assert person.scopes == {"records"}
    assert person.name == "ann@acme.example", "the token's word goes before"


def test_roles_of_somebody_else_are_not_taken(house: House) -> None:
    del house.fake.claims["roles"]
    house.fake.more = {"roles": ["ml-ops"], "sub": "18"}

    assert "somebody else" in house.refused()


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"email": "a@b.example", "email_verified": True}, "a@b.example"),
        ({"email": "a@b.example", "email_verified": False}, "17"),
        ({"email": "a@b.example", "email_verified": False, "preferred_username": "ann"}, "ann"),
        ({"email": "", "preferred_username": "ann"}, "ann"),
        ({"email": "a\n@b", "preferred_username": 7}, "17"),
        ({"email": None}, "17"),
        ({"email": "a" * 900}, "a" * 200),
    ],
)
def test_people_are_called_what_the_issuer_does_not_doubt(
    house: House, claims: Mapping[str, object], name: str
) -> None:
    house.fake.claims = {"roles": ["viewer"], **claims}

    assert house.sign_in().name == name


@pytest.mark.parametrize("subject", ["", "a\nb", "x" * 256])
def test_a_subject_that_cannot_be_one_is_refused(house: House, subject: str) -> None:
    house.fake.claims["sub"] = subject

    assert "not signed in" in house.refused()


@pytest.mark.parametrize("state", ["", "x", "é"])
def test_an_answer_to_another_browser_is_refused_before_anything_is_asked(
    house: House, state: str
) -> None:
    asked = house.ask()
    before = len(house.fake.requests)

    assert "another browser" in house.refused(asked, state=state)
    assert len(house.fake.requests) == before


def test_an_answer_of_another_issuer_is_refused(house: House) -> None:
    assert "another issuer" in house.refused(iss="https://evil.example")
    assert house.come_back(house.ask(), iss=URL).id == "oidc:17"


def test_who_did_not_agree_is_told_what_the_issuer_said(house: House) -> None:
    assert "'access_denied'" in house.refused(code="", error="access_denied")
    assert len(house.refused(code="", error="x" * 5000)) < 120


def test_a_code_is_exchanged_only_with_the_verifier_it_was_asked_with(house: House) -> None:
    asked = house.ask()
    stolen = Asked(asked.state, asked.nonce, "another-verifier", "/")

    assert "'invalid_grant'" in house.refused(stolen)


def unsigned(token: str) -> str:
    header = urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    return f"{header}.{token.split('.')[1]}."


@pytest.mark.parametrize(
    "changed",
    [
        {"nonce": "another"},
        {"aud": "somebody-else"},
        {"aud": ["somebody-else"], "azp": "kingpost"},
        {"aud": ["kingpost", "somebody-else"], "azp": "somebody-else"},
        {"iss": "https://evil.example"},
        {"exp": 1_000_000},
        {"exp": "never"},
        {"iat": 9_999_999_999},
        {"at_hash": "AAAA"},
    ],
)
def test_a_token_that_says_something_else_is_refused(
    house: House, changed: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    asked = house.ask()
    house.fake.claims |= changed
    house.fake.token = house.fake.signed()

    assert "does not hold" in house.refused(asked)
    assert house.fake.token not in caplog.text


@pytest.mark.parametrize("claim", ["nonce", "exp", "iat", "iss", "aud", "sub"])
def test_a_token_that_leaves_something_out_is_refused(house: House, claim: str) -> None:
    asked = house.ask()
    house.fake.token = house.fake.signed(without=claim)

    assert "does not hold" in house.refused(asked)


def test_a_token_that_the_issuer_did_not_sign_is_refused(house: House) -> None:
    asked = house.ask()
    forged = RSAKey.generate_key(2048, {"kid": "one"})
    good = house.fake.signed()
    for token in (
        house.fake.signed(forged),
        house.fake.signed(OTHER_KEY),
        house.fake.signed(OctKey.import_key(SECRET), "HS256"),
        house.fake.signed(KEY, "PS256"),
        unsigned(good),
        good[:-4] + "AAAA",
        good.replace(".", "", 1),
        "a.b.c",
        "no token",
    ):
        house.fake.token = token
        assert "does not hold" in house.refused(asked), token


def test_an_issuer_cannot_make_us_take_a_signature_by_a_shared_secret(house: House) -> None:
    house.fake.facts["id_token_signing_alg_values_supported"] = ["none", "HS256"]
    asked = house.ask()
    for token in (
        house.fake.signed(OctKey.import_key(SECRET), "HS256"),
        unsigned(house.fake.signed()),
    ):
        house.fake.token = token
        assert "does not hold" in house.refused(asked), token


def test_a_new_key_of_the_issuer_is_fetched_when_it_is_first_used(house: House) -> None:
    house.sign_in()
    house.fake.keys = [OTHER_KEY]
    asked = house.ask()
    house.fake.token = house.fake.signed(OTHER_KEY)

    assert house.come_back(asked).id == "oidc:17"


def test_the_issuer_is_asked_who_it_is_once_an_hour(house: House) -> None:
    for _ in range(5):
        house.sign_in()
        house.clock.advance(900)

    paths = [request.url.path.rpartition("/")[2] for request in house.fake.requests]
    assert paths.count("openid-configuration") == 2


@pytest.mark.parametrize(
    ("methods", "secret", "expected"),
    [
        (["client_secret_basic", "client_secret_post"], SECRET, "basic"),
        ([], SECRET, "basic"),
        (["client_secret_post"], SECRET, "post"),
        (["client_secret_basic"], "", "none"),
    ],
)
def test_we_say_who_we_are_as_the_issuer_wants_it(
    methods: list[str], secret: str, expected: str
) -> None:
    house = House(secret=secret)
    house.fake.facts["token_endpoint_auth_methods_supported"] = methods

    house.sign_in()

    [request] = [each for each in house.fake.requests if each.url.path.endswith("/token")]
    sent = dict(parse_qsl(request.content.decode()))
    if expected == "basic":
        given = b64decode(request.headers["authorization"].removeprefix("Basic "))
        assert given == f"kingpost:{SECRET}".encode()
        assert "client_secret" not in sent
    else:
        assert "authorization" not in request.headers
        assert sent.get("client_secret", "") == secret
        assert sent["client_id"] == "kingpost"


@pytest.mark.parametrize(
    ("what", "answer"),
    [
        ("openid-configuration", httpx.Response(500)),
        ("openid-configuration", httpx.Response(302, headers={"location": "https://x.example"})),
        ("openid-configuration", httpx.Response(200, text="<html>")),
        ("openid-configuration", httpx.Response(200, json={"issuer": URL})),
        ("token", httpx.Response(500, text="<html>")),
        ("token", httpx.Response(200, text="<html>")),
        ("token", httpx.Response(200, json=["no object"])),
        ("keys", httpx.Response(503)),
        ("me", httpx.Response(500)),
        ("me", httpx.Response(200, text="<html>")),
    ],
)
def test_an_issuer_that_cannot_be_asked_lets_nobody_in(
    house: House, what: str, answer: httpx.Response
) -> None:
    house.fake.answers[what] = answer
    house.fake.claims.pop("roles")

    with pytest.raises(IssuerFailed, match="login.example"):
        house.sign_in()


@pytest.mark.parametrize("answer", [{}, {"id_token": ""}, {"id_token": 7}, {"id_token": None}])
def test_an_answer_without_a_token_is_refused(house: House, answer: dict[str, object]) -> None:
    house.fake.answers["token"] = httpx.Response(200, json={"access_token": "access"} | answer)

    assert "not signed in" in house.refused()


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("issuer", "https://evil.example"),
        ("token_endpoint", "http://login.example/realm/token"),
        ("jwks_uri", "http://login.example/realm/keys"),
        ("authorization_endpoint", "http://login.example/realm/auth"),
    ],
)
def test_an_issuer_that_is_not_what_it_should_be_is_not_used(
    house: House, fact: str, value: str
) -> None:
    house.fake.facts[fact] = value

    with pytest.raises(IssuerFailed):
        house.issuer.ask(BACK, "/")


def test_what_is_secret_is_not_shown(house: House) -> None:
    settings = IssuerSettings(URL, "kingpost", SECRET, ROLES, "roles", "acme")

    assert SECRET not in repr(settings)
    assert SECRET not in json.dumps(str(vars(house.issuer)))


def test_roles_are_read_from_one_line() -> None:
    assert read_roles(" ml ops = records, review:desk ;; viewer=records; ") == {
        "ml ops": ("records", "review:desk"),
        "viewer": ("records",),
    }
    assert read_roles("") == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("viewer", "no role with a scope"),
        ("=records", "no role with a scope"),
        ("viewer=", "no role with a scope"),
        ("viewer=,", "no role with a scope"),
        ("viewer=everything", "no scope is called 'everything'"),
        ("viewer=records;viewer=review", "a role twice"),
    ],
)
def test_roles_that_cannot_be_read_are_an_error_that_says_where(text: str, problem: str) -> None:
    with pytest.raises(BadRoles, match=problem):
        read_roles(text)


def test_whose_address_the_issuer_doubts_has_no_name_that_reads_as_one(house: House) -> None:
    house.fake.claims |= {"email_verified": False, "preferred_username": "ann@acme.example"}

    assert house.sign_in().name == "17"


def test_an_issuer_that_would_have_tokens_sent_in_the_clear_is_not_used(house: House) -> None:
    house.fake.facts["userinfo_endpoint"] = "http://login.example/me"

    with pytest.raises(IssuerFailed, match="without https"):
        house.ask()
