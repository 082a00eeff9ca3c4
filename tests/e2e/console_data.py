"""A small installation with a past: decisions, labels, reviews and a drift, for the console.

    data = prepare_console(directory)

A model is trained on ten days of orders, then decides two more days of them, as fast as it
can; in the last hours every amount is a hundredfold. What became of the first day's orders
is known; some answers that went to people are approved and overridden. All of it is
deterministic, but for the ids and the wall clock.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

import numpy as np

from kingpost.access import create_key
from kingpost.calls import LoadClient
from kingpost.core import SystemClock
from tests.cli_app import HOUR_US, START_US, kingpost
from tests.cli_app import SOURCE as PLAIN_SOURCE
from tests.e2e.tiny_server import open_keys
from tests.served_shop import ServedShop

__all__ = ["ConsoleData", "prepare_console"]

PER_HOUR = 40
HISTORY_HOURS, CALM_HOURS, DRIFT_HOURS = 240, 36, 3
FIRST_US = START_US + HISTORY_HOURS * HOUR_US
DRIFT_US = FIRST_US + CALM_HOURS * HOUR_US
LAST_US = DRIFT_US + DRIFT_HOURS * HOUR_US
REVIEWED = 24

SOURCE = PLAIN_SOURCE.replace(
    'gate=kp.gate(min_confidence=0.7, otherwise=kp.review("risk-desk"))',
    """gate=kp.gate(
        min_confidence=0.7,
        otherwise=kp.review("risk-desk"),
        rules=[kp.rule("amount", above=5000, then=kp.review(
            "large-orders", within="1s", escalate_to="risk-leads"
        ))],
    )""",
).replace("rounds=20", "rounds=60, learning_rate=0.2, lambda_l2=1.0")


class Order(NamedTuple):
    """An order of the past, and what became of it."""

    key: str
    at_us: int
    customer: int
    amount: float
    is_fraud: bool

    @property
    def known_us(self) -> int:
        """When it is known what became of it."""
        return self.at_us + 24 * HOUR_US

    def request(self) -> dict[str, object]:
        """Write it as the application takes it."""
        return {
            "id": self.key,
            "at": _text(self.at_us),
            "customer": f"c{self.customer}",
            "amount": self.amount,
        }

    def chargeback(self) -> dict[str, object]:
        """Write what became of it."""
        return {
            "order": self.key,
            "at": _text(self.at_us),
            "known_at": _text(self.known_us),
            "customer": f"c{self.customer}",
            "fraud": self.is_fraud,
        }


@dataclass(frozen=True)
class ConsoleData:
    """An installation and who may use it.

    Attributes:
        directory: Where the application lies; its data is in `data`.
        ann: Key of somebody who may do everything.
        ben: Key of a second reviewer.
        viewer: Key of somebody who only reads.
    """

    directory: Path
    ann: str
    ben: str
    viewer: str

    def copied(self, directory: Path) -> Self:
        """Copy it, for tests that change it."""
        shutil.copytree(self.directory, directory, dirs_exist_ok=True)
        return type(self)(directory, self.ann, self.ben, self.viewer)

    def serve(self, *arguments: str) -> ServedShop:
        """Start `kingpost run` over it."""
        return ServedShop(self.directory, self.ann, *arguments)


def prepare_console(directory: Path) -> ConsoleData:
    """Build it, with the real command line and over HTTP."""
    (directory / "shop_app.py").write_text(SOURCE)
    history = list(_orders("o", START_US, HISTORY_HOURS, seed=1))
    for stream, rows in (
        ("order", [each.request() for each in history]),
        ("chargeback", [each.chargeback() for each in history]),
    ):
        (directory / f"{stream}.jsonl").write_bytes(_lines(rows))
        kingpost(directory, "ingest", "shop_app.py", stream, f"{stream}.jsonl", "--json")
    kingpost(directory, "train", "shop_app.py", "--json")
    kingpost(directory, "approve", "shop_app.py", "--reason", "a test", "--by", "ann", "--json")
    data = ConsoleData(
        directory,
        ann=_key(directory, "ann", "decide", "ingest", "records", "review"),
        ben=_key(directory, "ben", "records", "review"),
        viewer=_key(directory, "vera", "records"),
    )
    with data.serve("--no-watch") as shop:
        _decide(shop)
        assert shop.end() == 0
    kingpost(directory, "watch", "shop_app.py", "--once", "--json")
    return data


def _key(directory: Path, name: str, *scopes: str) -> str:
    keys = open_keys(directory / "data")
    return create_key(keys, SystemClock(), tenant="default", scopes=scopes, name=name).secret


def _decide(shop: ServedShop) -> None:
    live = list(_orders("live-", FIRST_US, CALM_HOURS + DRIFT_HOURS, seed=2))
    where = urlsplit(shop.url)
    client = LoadClient(where.hostname or "", where.port or 0, shop.headers, connections=1)
    bodies = (json.dumps(each.request()).encode() for each in live)
    report = client.run(client.post("/v1/decisions/risk", body) for body in bodies)
    assert set(report.statuses()) == {200}, report.statuses()
    known = _lines([each.chargeback() for each in live if each.known_us < LAST_US])
    answer = shop.client.post(
        "/v1/events/chargeback", content=known, headers={"content-type": "application/x-ndjson"}
    )
    assert answer.status_code == 200, answer.text
    _review(
        shop, [json.loads(each.body)["id"] for each in report.answers if b'"review"' in each.body]
    )


def _review(shop: ServedShop, records: Sequence[str]) -> None:
    """Answer some of what went to people, most as it was proposed."""
    for number, record in enumerate(records[:REVIEWED]):
        proposed = shop.client.get(f"/v1/records/{record}").json()["answer"]["fraud"]
        positive = proposed if number % 4 else not proposed
        answer = shop.client.post(
            f"/v1/records/{record}/override",
            json={"positive": positive, "reason": f"the customer was asked, call {number}"},
        )
        assert answer.status_code == 200, answer.text


def _orders(prefix: str, since_us: int, hours: int, seed: int) -> Iterator[Order]:
    rng = np.random.default_rng(seed)
    count = PER_HOUR * hours
    times = np.sort(rng.integers(since_us, since_us + hours * HOUR_US, count))
    customers, amounts = rng.integers(0, 40, count), np.round(rng.gamma(2, 30, count), 2)
    chances = np.select([amounts > 130, amounts > 100], [0.95, 0.5], 0.02)
    fraud = rng.random(count) < chances
    for row in range(count):
        at_us = int(times[row])
        amount = float(amounts[row]) * (100 if at_us >= DRIFT_US else 1)
        yield Order(
            f"{prefix}{row}", at_us, int(customers[row]), round(amount, 2), bool(fraud[row])
        )


def _lines(rows: Sequence[object]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows) + b"\n"


def _text(at_us: int) -> str:
    return f"{np.datetime64(at_us, 'us')}Z"
