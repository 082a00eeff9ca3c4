"""Consent and erasure at a real server that is killed: what was dropped does not come back."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import cast

import pytest

from kingpost.features.redis_link import RedisLink
from tests.cli_app import SOURCE, kingpost, write_history
from tests.redis_server import RedisServer, redis_server, share_store
from tests.served_shop import ServedShop, until

CONSENT = """
class Permission(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime
    customer: str
    granted: bool


permissions = kp.stream(Permission)
profiling = permissions.by("customer").consent("granted", purpose="profiling")
spend = kp.consented(orders"""
APP = SOURCE.replace("spend = orders", CONSENT).replace(
    '("amount")\n)\n', '("amount")\n), profiling)\n', 1
)
SCOPES = [word for one in ("decide", "ingest", "records", "erase") for word in ("--scope", one)]


def prepare(directory: Path) -> str:
    """Train on orders of customers of whom the first twenty consented before anything."""
    directory.mkdir(exist_ok=True)
    (directory / "shop_app.py").write_text(APP)
    write_history(directory)
    rows = [f"p{at},2018-08-01T00:00:00Z,c{at},true" for at in range(20)]
    (directory / "permissions.csv").write_text("\n".join(["id,at,customer,granted", *rows]) + "\n")
    for stream in ("permission", "order", "chargeback"):
        kingpost(directory, "ingest", "shop_app.py", stream, f"{stream}s.csv", "--json")
    kingpost(directory, "train", "shop_app.py", "--json")
    kingpost(directory, "approve", "shop_app.py", "--reason", "a test", "--by", "ann", "--json")
    return str(kingpost(directory, "keys", "create", *SCOPES, "--json")["secret"])


class Customers:
    """What a server makes of them."""

    def __init__(self, shop: ServedShop, numbers: Iterator[int]) -> None:
        self._shop, self._numbers = shop, numbers

    def ask(self, customer: str) -> Mapping[str, object]:
        """Ask for a decision and return its record."""
        number = next(self._numbers)
        body = {
            "id": f"asked-{number}",
            "at": f"2018-08-11T02:00:{number:02d}Z",
            "customer": customer,
            "amount": 20.0,
        }
        answer = self._shop.decide(json.dumps(body).encode())
        assert answer.status_code == 200, answer.text
        record = self._shop.client.get(f"/v1/records/{answer.json()['id']}")
        return cast("Mapping[str, object]", record.json())

    def orders_of(self, customer: str) -> float | None:
        """Return how many orders a decision sees; None without consent."""
        record = self.ask(customer)
        found = cast("Mapping[str, float | None]", record["features"])["customer_n_2d"]
        assert record["outcome"] in ("decided", "review")
        assert record["no_consent"] == ([] if found is not None else ["profiling"])
        assert ("customer_n_2d" in cast("list[str]", record["unavailable"])) == (found is None)
        return found

    def say(self, customer: str, *, granted: bool) -> None:
        number = next(self._numbers)
        body = {
            "id": f"said-{number}",
            "at": f"2018-08-11T01:00:{number:02d}Z",
            "customer": customer,
            "granted": granted,
        }
        done = self._shop.client.post("/v1/events/permission", json=body)
        assert done.json()["accepted"] == 1


@contextmanager
def in_process(directory: Path) -> Generator[None]:
    yield


@contextmanager
def in_redis(directory: Path) -> Generator[None]:
    """Keep windows in a Redis, and see that it holds nothing of who was erased."""
    with redis_server() as redis:
        (directory / "kingpost.toml").write_text(f'online_store = "{redis.url}"\n')
        yield
        held = names_in(redis)
        assert any(name.endswith(":c2") for name in held)
        assert not [name for name in held if name.endswith(":c3")]


def names_in(redis: RedisServer) -> Sequence[str]:
    link = RedisLink(redis.url, timeout_s=5.0)
    try:
        return link.keys("kingpost:")
    finally:
        link.close()


@pytest.mark.parametrize(
    "kept",
    [
        pytest.param(in_process, id="process"),
        pytest.param(in_redis, id="redis", marks=pytest.mark.needs_service("redis")),
    ],
)
def test_what_was_dropped_or_erased_does_not_come_back_after_a_kill(
    tmp_path: Path, kept: Callable[[Path], AbstractContextManager[None]]
) -> None:
    secret = prepare(tmp_path)
    with kept(tmp_path):
        live(tmp_path, secret)


def live(tmp_path: Path, secret: str) -> None:
    numbers = count(1)
    with ServedShop(tmp_path, secret) as shop:
        customers = Customers(shop, numbers)
        before = customers.orders_of("c1")
        assert before is not None
        assert before > 1
        assert customers.orders_of("c30") is None
        erased = [customers.ask(one) for one in ("c2", "c3")]
        customers.say("c1", granted=False)
        assert customers.orders_of("c1") is None
        customers.say("c1", granted=True)
        assert customers.orders_of("c1") == 1
        shop.end(signal.SIGKILL)

    with ServedShop(tmp_path, secret) as shop:
        customers = Customers(shop, numbers)
        assert customers.orders_of("c1") == 2
        for customer in ("c2", "c3"):
            done = kingpost(
                tmp_path, "erase", "customer", customer, "--yes", "--reason", "asked by letter",
                "--url", shop.url, "--json", KINGPOST_API_KEY=secret,
            )  # fmt: skip
            assert (done["entity"], done["key"]) == ("customer", customer)
            assert cast("int", done["forgotten"]) > 0
        assert customers.orders_of("c2") is None
        refused = shop.client.post("/v1/erasures", json={"entity": "amount", "key": "7"})
        assert (refused.status_code, refused.json()["code"]) == (404, "entity_not_found")
        customers.say("c2", granted=True)
        assert customers.orders_of("c2") == 1
        shop.end(signal.SIGKILL)

    with ServedShop(tmp_path, secret) as shop:
        customers = Customers(shop, numbers)
        assert customers.orders_of("c2") == 2
        assert customers.orders_of("c3") is None
        listed = kingpost(
            tmp_path, "erasures", "--url", shop.url, "--json", KINGPOST_API_KEY=secret
        )
        keys = [one["key"] for one in cast("list[dict[str, str]]", listed["erasures"])]
        assert keys == ["c3", "c2"]
        shop.end()

    kingpost(tmp_path, "snapshot", "shop_app.py", "--json")
    held = [path.read_bytes() for path in (tmp_path / "data" / "snapshots").glob("*.columns")]
    assert held
    assert all(one.count(b"\xa2c3") == 1 for one in held), "in the list of erasures alone"

    verified = kingpost(tmp_path, "verify", "--json")
    assert (verified["different"], verified["erased"]) == (0, len(erased))
    replayed = kingpost(tmp_path, "replay", str(erased[0]["id"]), "--json", code=1)
    assert (replayed["is_erased"], replayed["is_equal"]) == (True, False)


def erase(directory: Path, secret: str, customer: str, *urls: str) -> list[dict[str, str]]:
    """Erase a customer at some servers by one command."""
    done = subprocess.run(
        [sys.executable, "-m", "kingpost.cli", "erase", "customer", customer, "--yes", "--json"]
        + [word for url in urls for word in ("--url", url)],
        cwd=directory,
        env=os.environ | {"KINGPOST_API_KEY": secret},
        capture_output=True,
        check=True,
        text=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.needs_service("redis")
def test_each_of_two_servers_has_its_own_consents_and_erases_what_came_to_it(
    tmp_path: Path,
) -> None:
    secret, numbers = prepare(tmp_path / "data"), count(1)
    shutil.copytree(tmp_path / "data", tmp_path / "b")
    shutil.rmtree(tmp_path / "b" / "data" / "journal" / "data")
    with redis_server() as redis:
        share_store(tmp_path, redis.url, ("data", "b"))
        with (
            ServedShop(tmp_path / "data", secret) as one,
            ServedShop(tmp_path / "b", secret) as two,
        ):
            here, there = Customers(one, numbers), Customers(two, numbers)
            of_history = here.orders_of("c4")
            assert of_history is not None
            assert there.orders_of("c4") is None, "said there, and not here"
            there.say("c4", granted=True)
            assert there.orders_of("c4") == of_history + 1, "what the other one holds counts"
            here.say("c4", granted=False)
            until(lambda: there.orders_of("c4") is not None, "its own are kept")
            [erased] = erase(tmp_path / "b", secret, "c5", two.url)
            assert erased["other_partitions"] == ["data"]
            assert [name for name in names_in(redis) if name.endswith(":c5")]
            here.ask("c5")
            two.end(signal.SIGKILL)
            with ServedShop(tmp_path / "b", secret) as again:
                both = erase(tmp_path / "b", secret, "c5", one.url, again.url)
                assert [told["position"].partition(":")[0] for told in both] == ["data", "b"]
                until(
                    lambda: not [name for name in names_in(redis) if name.endswith(":c5")],
                    "nothing of it is left in Redis",
                )
                assert again.end() == 0
            assert one.end() == 0

    for name in ("data", "b"):
        verified = kingpost(tmp_path / name, "verify", "--json")
        assert verified["different"] == 0, verified
