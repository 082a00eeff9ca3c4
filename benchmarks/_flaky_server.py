"""A local service that behaves badly, in a process of its own, and counts what was done.

`POST /effects` does something for an order, the JSON body's `order`: once for a key in
`Idempotency-Key`. A share of the calls fails, before or after the effect; of another share
the answer is lost: the effect is done and the connection closed. There are bursts in which
answers are slow, and a time in which all fail. `POST /token` gives tokens that last a
second, for a refresh token that may be used once. `GET /counts` tells what was counted.

What does not depend on the order of calls is drawn from a seed.
"""

import argparse
import asyncio
import contextlib
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from urllib.parse import parse_qs
from urllib.request import urlopen

__all__ = ["Counts", "Faults", "counts_of", "flaky_server"]

TOKEN_TAKES_S = 0.03


@dataclass(frozen=True)
class Faults:
    """How badly the service behaves; shares of calls, seconds since the start.

    Attributes:
        token_s: How long a token lasts; 0 asks for none.
        burst_every_s: In the first `burst_s` of each, answers take `burst_takes_s`.
    """

    errors: float = 0.3
    lost: float = 0.05
    token_s: float = 0.0
    burst_every_s: float = 3.0
    burst_s: float = 0.3
    burst_takes_s: float = 0.3
    outage_from_s: float = 0.0
    outage_s: float = 0.0
    seed: int = 7


@dataclass
class Counts:
    """What the service has seen.

    Attributes:
        effects: How often something was done, by order.
        at_once: Calls that came while another one with their key was handled.
        overlapping: Requests for a token while another one of the same client was handled.
        reused: Refresh tokens that came a second time.
    """

    calls: int = 0
    effects: dict[str, int] = field(default_factory=dict[str, int])
    repeated_keys: int = 0
    at_once: int = 0
    refused_tokens: int = 0
    refreshes: int = 0
    overlapping: int = 0
    reused: int = 0


class _Service:
    def __init__(self, faults: Faults) -> None:
        self.faults, self.counts = faults, Counts()
        self.chance = random.Random(faults.seed)
        self.start = time.monotonic()
        self.keys: dict[str, int] = {}
        self.tokens: dict[str, float] = {}
        self.given: Counter[str] = Counter()
        self.asking: Counter[str] = Counter()
        self.handling: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
                first, *lines = head.split("\r\n")
                parts = (line.partition(":") for line in lines if line)
                headers = {name.lower(): value.strip() for name, _, value in parts}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                answered = await self.answer(first.split()[1], headers, body)
                if answered is None:
                    break
                status, told = answered
                data = json.dumps(told).encode()
                writer.write(
                    b"HTTP/1.1 %d Told\r\ncontent-length: %d\r\n\r\n%s" % (status, len(data), data)
                )
                await writer.drain()
        writer.close()

    async def answer(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, object] | None:
        match path:
            case "/counts":
                return 200, asdict(self.counts)
            case "/token":
                return await self.token(body)
            case _:
                key = headers["idempotency-key"]
                self.counts.at_once += self.handling[key] > 0
                self.handling[key] += 1
                try:
                    return await self.effect(headers, key, json.loads(body)["order"])
                finally:
                    self.handling[key] -= 1

    async def token(self, body: bytes) -> tuple[int, object]:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        client, counts = form["client_id"], self.counts
        counts.refreshes += 1
        counts.overlapping += self.asking[client] > 0
        self.asking[client] += 1
        await asyncio.sleep(TOKEN_TAKES_S)
        self.asking[client] -= 1
        if form["refresh_token"] != f"{client}-{self.given[client]}":
            counts.reused += 1
            return 400, {"error": "invalid_grant"}
        self.given[client] += 1
        access = f"{client}-access-{self.given[client]}"
        self.tokens[access] = time.monotonic() + self.faults.token_s
        return 200, {
            "access_token": access,
            "expires_in": self.faults.token_s,
            "refresh_token": f"{client}-{self.given[client]}",
        }

    async def effect(
        self, headers: dict[str, str], key: str, order: str
    ) -> tuple[int, object] | None:
        faults, counts = self.faults, self.counts
        counts.calls += 1
        since_s = time.monotonic() - self.start
        if since_s % faults.burst_every_s < faults.burst_s:
            await asyncio.sleep(faults.burst_takes_s)
        if faults.token_s and self.tokens.get(_bearer(headers), 0) < time.monotonic():
            counts.refused_tokens += 1
            return 401, {}
        if 0 <= since_s - faults.outage_from_s < faults.outage_s:
            return 503, {}
        drawn = self.chance.random()
        if drawn < faults.errors / 2:
            return self.chance.choice((500, 502, 503, 504)), {}
        self.do(key, order)
        if drawn < faults.errors:
            return 500, {}
        return None if drawn < faults.errors + faults.lost else (201, {"order": order})

    def do(self, key: str, order: str) -> None:
        if key in self.keys:
            self.counts.repeated_keys += 1
            return
        self.keys[key] = 1
        self.counts.effects[order] = self.counts.effects.get(order, 0) + 1


def _bearer(headers: dict[str, str]) -> str:
    return headers.get("authorization", "").removeprefix("Bearer ")


@contextmanager
def flaky_server(faults: Faults) -> Generator[str]:
    """Run the service; yield its URL."""
    command = [sys.executable, "-m", "benchmarks._flaky_server", json.dumps(asdict(faults))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


def counts_of(url: str) -> Counts:
    """Ask the service what it has seen."""
    with urlopen(f"{url}/counts") as told:
        return Counts(**json.loads(told.read()))


async def _run(faults: Faults) -> None:
    server = await asyncio.start_server(_Service(faults).serve, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("faults", type=json.loads)
    asyncio.run(_run(Faults(**parser.parse_args().faults)))
