"""Keys, tokens and limits on the real command line and a server of its own."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from joserfc.jwk import ECKey

from tests.cli_app import PreparedShop, kingpost
from tests.local_issuer import AUDIENCE, LocalIssuer, local_issuer, signed
from tests.served_shop import ServedShop, order, until


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with local_issuer() as issuer:
        yield issuer


@pytest.fixture(scope="module")
def shop(
    issuer: LocalIssuer, prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedShop]:
    directory = tmp_path_factory.mktemp("access")
    secret = prepared_shop.copied(directory)
    (directory / "kingpost.toml").write_text(
        f'jwt_issuer = "{issuer.url}"\njwt_audience = "{AUDIENCE}"\nlimit_requests = "500/s"\n'
        'jwt_roles = "scorer=decide:risk"\njwt_scope_claim = "roles"\n'
    )
    with ServedShop(directory, secret, "--no-watch") as server:
        yield server
        assert server.end() == 0
        log = server.log.read_text()
    assert "Traceback" not in log
    assert "eyJ" not in log, "no token is logged"


def ask(shop: ServedShop, bearer: str, number: int) -> httpx.Response:
    headers = {"authorization": f"Bearer {bearer}"}
    body = order(f"o-{time.monotonic_ns()}", number)
    return httpx.post(f"{shop.url}/v1/decisions/risk", content=body, headers=headers)


def bearer(issuer: LocalIssuer, key: ECKey | None = None, **said: object) -> str:
    told: dict[str, object] = {"iss": issuer.url, "roles": ["scorer"]} | said
    return signed(key, **told) if key else signed(**told)  # pyright: ignore[reportArgumentType]


def test_a_token_decides_and_does_no_more_than_its_role(
    shop: ServedShop, issuer: LocalIssuer
) -> None:
    token = bearer(issuer)

    decided = ask(shop, token, 1)

    assert decided.status_code == 200
    assert decided.headers["ratelimit-policy"] == '"requests";q=500;w=1'
    headers = {"authorization": f"Bearer {token}"}
    path = f"{shop.url}/v1/records/{decided.json()['id']}"
    assert httpx.get(path, headers=headers).json()["code"] == "missing_scope"
    assert shop.client.get(path).status_code == 200
    assert ask(shop, bearer(issuer, aud="other"), 2).json()["code"] == "token_refused"


def test_a_key_that_the_issuer_begins_to_use_is_fetched_beside_the_requests(
    shop: ServedShop, issuer: LocalIssuer
) -> None:
    new = ECKey.generate_key("P-256", {"kid": "new"})
    issuer.keys = [new]
    token = bearer(issuer, new)

    def is_taken() -> bool:
        answer = ask(shop, token, 3)
        assert answer.status_code in (200, 401, 503)
        return answer.status_code == 200

    until(is_taken, "the new key is fetched")
    assert ask(shop, bearer(issuer, header={"kid": "made-up"}), 4).status_code == 401


def test_a_key_is_rotated_beside_the_server(shop: ServedShop) -> None:
    made = kingpost(shop.directory, "keys", "create", "--decision", "risk", "--name", "shop",
                    "--limit-requests", "2/h", "--json")  # fmt: skip
    assert (made["scopes"], made["limits"]) == (["decide:risk"], "requests=2/h")
    assert ask(shop, str(made["secret"]), 5).status_code == 200

    rotated = kingpost(
        shop.directory, "keys", "rotate", str(made["id"]), "--overlap", "1s", "--json"
    )

    assert (rotated["principal"], rotated["rotates"]) == (made["id"], made["id"])
    assert ask(shop, str(rotated["secret"]), 6).headers["ratelimit"].startswith('"requests";r=0')
    assert ask(shop, str(rotated["secret"]), 7).status_code == 429, "the limit is the caller's"
    until(lambda: ask(shop, str(made["secret"]), 8).status_code == 401, "the overlap ends")
    listed = kingpost(shop.directory, "keys", "list", "--json")["keys"]
    assert str(made["secret"]) not in json.dumps(listed)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ('limit_rows = "many"', "is not a rate"),
        ('jwt_issuer = "https://login.example"', "needs jwt_audience"),
        ('jwt_roles = "a=b"', "no scope is called 'b'"),
        ('jwt_leeway = "soon"', "not a length of time"),
    ],
)
def test_a_setting_that_cannot_be_read_is_named(tmp_path: Path, setting: str, said: str) -> None:
    (tmp_path / "kingpost.toml").write_text(setting + "\n")

    problems = kingpost(tmp_path, "config", "check", "--json", code=1)["problems"]

    assert said in str(problems)
