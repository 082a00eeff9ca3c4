"""Two servers over one Redis: a server killed, Redis killed, Redis back and empty; then every
record of both is computed again from the journals.
"""

import shutil
import signal
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from kingpost.core import SystemDisk
from kingpost.journal import Position, scan
from kingpost.records import DecisionRecord, decode_record
from tests.cli_app import PreparedShop, kingpost
from tests.redis_server import RedisServer, redis_server, share_store
from tests.served_shop import Load, ServedShop, order, until

pytestmark = pytest.mark.needs_service("redis")
PARTITIONS = ("data", "b")


@pytest.fixture(scope="module")
def shop(prepared_shop: PreparedShop, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Prepare one installation; give its directory and an API key."""
    directory = tmp_path_factory.mktemp("shop")
    return directory, prepared_shop.copied(directory)


@contextmanager
def two_servers(
    root: Path, shop: tuple[Path, str], redis: RedisServer
) -> Generator[tuple[ServedShop, ServedShop]]:
    """Start a server with history in its journal, and one beside it that has none."""
    directory, secret = shop
    for name in PARTITIONS:
        shutil.copytree(directory, root / name)
    shutil.rmtree(root / "b" / "data" / "journal" / "data")
    share_store(root, redis.url, PARTITIONS)
    with ServedShop(root / "data", secret) as one, ServedShop(root / "b", secret) as two:
        yield one, two


def records_of(root: Path, name: str) -> list[DecisionRecord]:
    return [
        decode_record(entry.body)
        for commit in scan(root / name / "data" / "journal" / name, disk=SystemDisk())
        for entry in commit.entries
        if entry.kind == "record"
    ]


def code_of(answer: httpx.Response) -> str:
    return "ok" if answer.status_code == 200 else str(answer.json()["code"])


def test_kills_of_a_server_and_of_redis_leave_no_record_that_differs(
    tmp_path: Path, shop: tuple[Path, str]
) -> None:
    with redis_server() as redis, two_servers(tmp_path, shop, redis) as (one, two):
        secret = two.headers["authorization"].removeprefix("Bearer ")
        loads = [Load(one, "one"), Load(two, "two")]
        for load in loads:
            load.go_on()
        two.end(signal.SIGKILL)  # under load
        loads[1].stop()
        with ServedShop(tmp_path / "b", secret) as again:
            loads.append(Load(again, "again"))
            loads[2].go_on()
            redis.kill()
            until(lambda: not one.is_ready() and not again.is_ready(), "not ready")
            assert code_of(one.decide(order("away"))) == "features_unavailable"
            redis.start()  # with nothing in it
            until(lambda: one.is_ready() and again.is_ready(), "ready")
            for load in (loads[0], loads[2]):
                load.go_on()
            answers = [answer for load in (loads[0], loads[2]) for answer in load.stop().answers]
            assert {answer.status for answer in answers} == {200, 503}
            seen = again.decide(order("last"))
            assert seen.status_code == 200
            assert again.end() == 0
        assert one.end() == 0

    outcomes: Counter[str] = Counter()
    for name in PARTITIONS:
        records = records_of(tmp_path, name)
        outcomes.update(record.reason for record in records)
        both = [r for r in records if Position.parse(r.position).partitions == ("b", "data")]
        assert len(both) > 100, "each saw the other's events"
        verified = kingpost(tmp_path / name, "verify", "--json")
        assert verified["different"] == 0, verified
        assert verified["records"] == len(records)
        assert isinstance(verified["reads"], int)
        assert verified["reads"] > 1000
        told = kingpost(tmp_path / name, "features", "hindsight", "shop_app.py", "--json")
        assert told["requests"] == sum(bool(record.features) for record in records)

    assert outcomes["online_store_unreachable"] > 0
    assert outcomes["feature_error"] == 0

    record = seen.json()["id"]
    replayed = kingpost(tmp_path / "b", "replay", record, "--json")
    assert replayed["is_equal"] is True


def test_a_partition_that_cannot_be_read_is_named(tmp_path: Path, shop: tuple[Path, str]) -> None:
    with redis_server() as redis, two_servers(tmp_path, shop, redis) as (one, two):
        one.decide(order("before"))
        assert one.end() == 0
        answer = two.decide(order("after", 45))
        assert two.end() == 0
    (tmp_path / "b" / "kingpost.toml").write_text('partition = "b"\n')

    with pytest.raises(AssertionError) as raised:
        kingpost(tmp_path / "b", "replay", answer.json()["id"], "--json")

    assert "partition 'data'" in str(raised.value)
    assert "`partitions`" in str(raised.value)


def test_a_journal_under_another_name_is_not_taken_for_empty(
    tmp_path: Path, shop: tuple[Path, str]
) -> None:
    shutil.copytree(shop[0], tmp_path, dirs_exist_ok=True)
    (tmp_path / "kingpost.toml").write_text('partition = "a"\n')

    with pytest.raises(AssertionError, match="partition_renamed"):
        kingpost(tmp_path, "verify", "--json")
