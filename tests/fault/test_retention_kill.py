"""A retention at a real server that is killed: what was let go stays so, and nothing is wrong."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import httpx

from tests.cli_app import SOURCE, kingpost, write_history
from tests.served_shop import ServedShop

STREAMS = "orders, chargebacks = kp.stream(Order), kp.stream(Chargeback)"
APP = SOURCE.replace(
    STREAMS, 'orders, chargebacks = kp.stream(Order, retention="4d"), kp.stream(Chargeback)'
)
SCOPES = [word for one in ("decide", "ingest", "records") for word in ("--scope", one)]


def prepare(directory: Path) -> str:
    assert APP != SOURCE
    (directory / "shop_app.py").write_text(APP)
    write_history(directory)
    for stream in ("order", "chargeback"):
        kingpost(directory, "ingest", "shop_app.py", stream, f"{stream}s.csv", "--json")
    kingpost(directory, "train", "shop_app.py", "--json")
    kingpost(directory, "approve", "shop_app.py", "--reason", "a test", "--by", "ann", "--json")
    return str(kingpost(directory, "keys", "create", *SCOPES, "--json")["secret"])


def ask(shop: ServedShop, number: int, day: int) -> httpx.Response:
    at = f"2018-08-{day:02d}T12:00:{number:02d}Z"
    body = {"id": f"asked-{number}", "at": at, "customer": "c1", "amount": 20.0}
    return shop.decide(json.dumps(body).encode())


def orders_of(shop: ServedShop, number: int, day: int) -> float:
    """Return how many orders of the last two days a decision sees."""
    answer = ask(shop, number, day)
    assert answer.status_code == 200, answer.text
    record = shop.client.get(f"/v1/records/{answer.json()['id']}").json()
    return cast("Mapping[str, float]", record["features"])["customer_n_2d"]


def assert_too_late(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (422, "request_too_late")
    assert answer.headers["kingpost-record"] == answer.json()["record"]
    assert "retry-after" not in answer.headers


def test_what_was_let_go_stays_so_after_kills_and_what_was_decided_can_be_replayed(
    tmp_path: Path,
) -> None:
    secret = prepare(tmp_path)
    with ServedShop(tmp_path, secret) as shop:
        assert orders_of(shop, 1, 20) == 1
        assert orders_of(shop, 2, 20) == 2
        assert_too_late(ask(shop, 3, 12))
        shop.end(signal.SIGKILL)

    for start in range(3):  # from the journal, from a snapshot, and from one with more after it
        with ServedShop(tmp_path, secret) as shop:
            assert orders_of(shop, 10 + start, 20) == 3 + start
            assert_too_late(ask(shop, 20 + start, 13))
            shop.end(signal.SIGKILL)
        if start == 0:
            kingpost(tmp_path, "snapshot", "shop_app.py", "--json")

    told = kingpost(tmp_path, "features", "show", "shop_app.py", "customer_n_2d", "--json")
    assert [one["retention"] for one in cast("list[dict[str, str]]", told["declared"])] == ["4d"]
    found = kingpost(tmp_path, "verify", "--json")
    assert (found["records"], found["failed"], found["different"]) == (9, 4, 0)
