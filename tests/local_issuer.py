"""An issuer of tokens on a port of this machine, for tests; its keys can be changed."""

import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey, OKPKey, RSAKey

__all__ = ["AUDIENCE", "EC", "ISSUER", "OKP", "RSA", "LocalIssuer", "local_issuer", "signed"]

ISSUER, AUDIENCE = "https://login.example/realm", "kingpost"
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
OKP = OKPKey.generate_key("Ed25519", {"kid": "okp"})
SigningKeys = RSAKey | ECKey | OKPKey | OctKey
_ALGORITHMS = {"RSA": "RS256", "EC": "ES256", "OKP": "Ed25519", "oct": "HS256"}


def signed(
    key: SigningKeys = EC,
    *,
    alg: str = "",
    header: dict[str, object] | None = None,
    without: str = "",
    now_s: float | None = None,
    **claims: object,
) -> str:
    """Sign a token that is taken, but for what is said otherwise."""
    now = time.time() if now_s is None else now_s
    told: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "scorer",
        "scope": "decide:fraud records openid",
        "iat": int(now),
        "exp": int(now) + 300,
    }
    told |= claims
    told.pop(without, None)
    head: dict[str, object] = {"alg": alg or _ALGORITHMS[key.key_type], "typ": "at+jwt"}
    head |= ({"kid": key.kid} if key.kid else {}) | (header or {})
    return jwt.encode(head, told, key, algorithms=[str(head["alg"])])


class LocalIssuer(HTTPServer):
    """Answers with its description and its keys."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.keys: list[RSAKey | ECKey | OKPKey] = [RSA, EC, OKP]
        self.fetched = 0

    def document(self) -> bytes:
        return json.dumps(KeySet(list(self.keys)).as_dict(private=False)).encode()


class _Answers(BaseHTTPRequestHandler):
    server: LocalIssuer  # pyright: ignore[reportIncompatibleVariableOverride]  it is the one

    def do_GET(self) -> None:
        issuer = self.server
        about = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
        body = json.dumps(about).encode()
        if self.path == "/keys":
            issuer.fetched += 1
            body = issuer.document()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def local_issuer() -> Generator[LocalIssuer]:
    """Run an issuer until the block ends."""
    with LocalIssuer() as issuer:
        thread = threading.Thread(target=issuer.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield issuer
        finally:
            issuer.shutdown()
            thread.join()
