"""An OpenID Connect issuer behind a transport of httpx, for tests; it can be told to be wrong."""

import time
from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qsl

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

__all__ = ["BACK", "KEY", "SECRET", "URL", "FakeIssuer"]

URL = "https://login.example/realm"
BACK = "https://kingpost.example/login/oidc/callback"
SECRET = "a-secret-of-some-length-for-hmac!"
KEY = RSAKey.generate_key(2048, {"kid": "one"})


class FakeIssuer:
    """Knows one person, `17`, and signs whatever it is told to say of them."""

    def __init__(self) -> None:
        self.keys = [KEY]
        self.facts: dict[str, object] = {
            "issuer": URL,
            "authorization_endpoint": f"{URL}/auth",
            "token_endpoint": f"{URL}/token",
            "jwks_uri": f"{URL}/keys",
            "userinfo_endpoint": f"{URL}/me",
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }
        self.claims: dict[str, object] = {"email": "ann@acme.example", "roles": ["ml-ops"]}
        self.more: dict[str, object] = {}
        self.token: str | None = None
        self.asked: dict[str, str] = {}
        self.answers: dict[str, httpx.Response] = {}
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        what = request.url.path.rpartition("/")[2]
        if what in self.answers:
            return self.answers[what]
        match what:
            case "openid-configuration":
                return httpx.Response(200, json=self.facts)
            case "keys":
                keys = KeySet(list(self.keys)).as_dict(private=False)
                return httpx.Response(200, json=keys)
            case "me":
                assert request.headers["authorization"] == "Bearer access"
                return httpx.Response(200, json={"sub": "17"} | self.more)
            case _:
                return self.exchanged(request)

    def exchanged(self, request: httpx.Request) -> httpx.Response:
        sent = dict(parse_qsl(request.content.decode()))
        challenge = urlsafe_b64encode(sha256(sent["code_verifier"].encode()).digest())
        if challenge.rstrip(b"=").decode() != self.asked["code_challenge"]:
            return httpx.Response(400, json={"error": "invalid_grant"})
        assert sent["redirect_uri"] == BACK
        assert sent["grant_type"] == "authorization_code"
        answer = {"access_token": "access", "token_type": "Bearer"}
        token = self.signed() if self.token is None else self.token
        return httpx.Response(200, json=answer | ({"id_token": token} if token else {}))

    def signed(
        self,
        key: RSAKey | OctKey = KEY,
        alg: str = "RS256",
        *,
        without: str = "",
    ) -> str:
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": URL,
            "sub": "17",
            "aud": "kingpost",
            "iat": now,
            "exp": now + 300,
            "nonce": self.asked["nonce"],
        }
        claims |= self.claims
        claims.pop(without, None)
        header = {"alg": alg, "kid": key.kid} if key.kid else {"alg": alg}
        return jwt.encode(header, claims, key, algorithms=["RS256", "HS256", "PS256"])
