"""What letting a request in costs: keys, tokens and limits, microseconds per request.

    make bench B=access

`access_none`, `access_one` and `access_three` are the check of a known key with so many limits,
`access_token` that of a known token, `token_verified` the first look at a token. No network.
"""

import json
import sys
import time
from collections.abc import Callable

from benchmarks._figures import figure_at
from kingpost.access import (
    FetchedKeys,
    IssuerKeys,
    KeyRing,
    Limits,
    MemoryKeys,
    Tokens,
    TokenSettings,
    create_key,
)
from kingpost.core import SystemClock, rate_of

ROUNDS, CALLS = 7, 20_000
RATE = "1000000000/s"


def main() -> int:
    clock = SystemClock()
    limits = [Limits(), Limits(rate_of(RATE)), Limits(*[rate_of(RATE)] * 3)]
    for name, each, bar in zip(("none", "one", "three"), limits, (2.0, 6.0, 12.0), strict=True):
        store = MemoryKeys()
        secret = create_key(store, clock, tenant="bench", scopes=["decide"], limits=each).secret
        took = _let_in(KeyRing(store, clock), f"Bearer {secret}".encode())
        figure_at(f"access_{name}", took, "us", bar, more_is_better=False)
    tokens, token = _tokens(clock)
    ring = KeyRing(MemoryKeys(), clock, tokens=tokens)
    figure_at("access_token", _let_in(ring, b"Bearer " + token), "us", 3.0, more_is_better=False)
    verified = _best(lambda: tokens.check(token), CALLS // 40)
    figure_at("token_verified", verified, "us", 500.0, more_is_better=False)
    return 0


def _let_in(ring: KeyRing, header: bytes) -> float:
    def ask() -> None:
        principal = ring.check(header)
        if principal.limits is not None:
            ring.charge(principal)

    return _best(ask, CALLS)


def _best(work: Callable[[], object], calls: int) -> float:
    """Return the microseconds of one call, the best of some rounds."""
    found: list[float] = []
    for _ in range(ROUNDS):
        start_ns = time.perf_counter_ns()
        for _ in range(calls):
            work()
        found.append((time.perf_counter_ns() - start_ns) / calls / 1000)
    return min(found)


def _tokens(clock: SystemClock) -> tuple[Tokens, bytes]:
    from joserfc import jwt
    from joserfc.jwk import ECKey

    key = ECKey.generate_key("P-256", {"kid": "one"})
    document = json.dumps({"keys": [key.as_dict(private=False)]}).encode()
    keys = IssuerKeys(FetchedKeys("here", lambda: document, 300), clock)
    keys.refresh()
    settings = TokenSettings(issuer="https://issuer", audience="bench", tenant="bench")
    claims = {"iss": "https://issuer", "aud": "bench", "sub": "x", "scope": "decide"}
    claims |= {"exp": int(time.time()) + 3600}
    token = jwt.encode({"alg": "ES256", "kid": "one"}, claims, key, algorithms=["ES256"])
    return Tokens(settings, keys, clock), token.encode()


if __name__ == "__main__":
    sys.exit(main())
