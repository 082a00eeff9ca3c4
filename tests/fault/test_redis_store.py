"""Several processes over one Redis, a `kill -9` among them, and a Redis that fails."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from kingpost.contracts import batch_of
from kingpost.core import KingpostError, SystemClock, SystemDisk
from kingpost.features import (
    Change,
    Changes,
    Readings,
    RedisFeatures,
    RedisSettings,
    StoreBehind,
    StoreFull,
    StoreNotResumed,
    StoreUnfit,
    StoreUnreachable,
    catch_up,
    different_bits,
    redis_writer,
)
from kingpost.journal import Entry, Journal, Position, scan
from tests.card_payments import (
    CONTRACTS,
    FEATURES,
    HOUR,
    PARTITIONS,
    START,
    VIEWS,
    CardPayment,
    payment,
    recomputed,
    redis_features,
)
from tests.fault.redis_writer import drawn
from tests.redis_server import RedisServer, redis_server

ROOT = Path(__file__).parents[2]
COUNT = 1200
CONTRACT = CONTRACTS["card_payment"]

pytestmark = pytest.mark.needs_service("redis")


class Read(NamedTuple):
    partition: str
    offset: int
    position: Position
    values: bytes


def start(root: Path, partition: str, prefix: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fault.redis_writer", root, partition, prefix, str(COUNT)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def reads_in(lines: Sequence[str], partition: str) -> list[Read]:
    told = [line.split() for line in lines if line.startswith("read") and line.endswith("\n")]
    return [
        Read(partition, int(offset), Position.parse(position), bytes.fromhex(values))
        for _, offset, position, values in told
    ]


def test_three_processes_and_a_kill_leave_no_read_that_cannot_be_computed_again(
    tmp_path: Path,
) -> None:
    prefix = f"kingpost-test-{uuid.uuid4().hex}"
    lines: dict[str, list[str]] = {name: [] for name in PARTITIONS.names}
    with redis_features(RedisSettings(prefix=prefix)):
        running = {name: start(tmp_path, name, prefix) for name in PARTITIONS.names}
        for kill_after in (150, 300):  # the same process twice, in the midst of the others
            victim = running["south"]
            assert victim.stdout is not None
            lines["south"] += [victim.stdout.readline() for _ in range(kill_after)]
            victim.send_signal(signal.SIGKILL)
            lines["south"] += victim.stdout.readlines()
            assert victim.wait() == -signal.SIGKILL
            victim.stdout.close()
            running["south"] = start(tmp_path, "south", prefix)
        for name, process in running.items():
            out, _ = process.communicate(timeout=300)
            lines[name] += out.splitlines(keepends=True)
            assert process.returncode == 0
            assert lines[name][-1] == "done\n"

    logs = {name: [drawn(name, number) for number in range(COUNT)] for name in PARTITIONS.names}
    for name in PARTITIONS.names:
        commits = list(scan(tmp_path / name, disk=SystemDisk()))
        assert [commit.offset for commit in commits] == list(range(COUNT))
    reads = [read for name in PARTITIONS.names for read in reads_in(lines[name], name)]
    assert len(reads) >= 3 * COUNT - 4, "at most what was in flight at each kill is not told"
    mixed = [read for read in reads if len(read.position.partitions) == len(PARTITIONS)]
    assert len(mixed) > COUNT, "the processes ran side by side"
    online = np.frombuffer(b"".join(read.values for read in reads)).reshape(-1, len(FEATURES))
    asked = [logs[read.partition][read.offset] for read in reads]

    offline = recomputed(logs, asked, [read.position for read in reads])

    report = different_bits(FEATURES.names, online, offline)
    assert report.mismatches == 0, report.shown


class Writer:
    """A process that journals what it applies, in this process."""

    def __init__(self, directory: Path, server: RedisServer, *, timeout_s: float = 5.0) -> None:
        self.directory = directory
        self.logs: list[CardPayment] = []
        self._journal = Journal.open(directory, disk=SystemDisk(), clock=SystemClock())
        self.store = RedisFeatures.open(
            server.url,
            VIEWS,
            PARTITIONS,
            tenant="acme",
            clock=SystemClock(),
            settings=RedisSettings(timeout_s=timeout_s),
        )
        self.catch_up()

    def catch_up(self) -> int:
        return catch_up(self.store, self.directory, CONTRACTS, tenant="acme", disk=SystemDisk())

    def write(self) -> Readings:
        number = len(self.logs)
        made = payment(number, at=START + number * HOUR // 9, shop=number % 3, amount=number)
        self.logs.append(made)
        body = batch_of(CONTRACT, [made]).encode()
        offset = self._journal.append([Entry("events", "acme", "card_payment", body)])
        after = Changes("north", [Change("card_payment", made, offset)], offset)
        return self.store.reader(FEATURES).read([made], after=after)

    def check(self) -> None:
        """Read the last payment again, and see that nothing is missing or there twice."""
        last = self.logs[-1]
        got = self.store.reader(FEATURES).read([last])
        assert got.position == Position.of({"north": len(self.logs) - 1})
        offline = recomputed({"north": self.logs}, [last], [got.position])
        assert different_bits(FEATURES.names, got.values, offline).mismatches == 0

    def close(self) -> None:
        self.store.close()
        self._journal.close()


def test_an_emptied_redis_is_noticed_and_built_anew(tmp_path: Path) -> None:
    with redis_server() as server:
        writer = Writer(tmp_path / "north", server)
        for _ in range(30):
            writer.write()
        server.kill()
        with pytest.raises(StoreUnreachable):
            writer.write()

        server.start()

        with pytest.raises(StoreBehind, match="catch_up"):
            writer.write()
        with pytest.raises(StoreBehind):
            writer.store.reader(FEATURES).read([payment(99)])
        assert writer.catch_up() == 32
        writer.check()
        writer.write()
        writer.check()
        writer.close()


@pytest.mark.parametrize("answer_is_lost", [False, True])
def test_changes_that_got_no_answer_are_applied_once(tmp_path: Path, answer_is_lost: bool) -> None:
    with redis_server() as server:
        writer = Writer(tmp_path / "north", server, timeout_s=1.0)
        writer.write()
        server.freeze()
        for _ in range(2):
            with pytest.raises(StoreUnreachable) as raised:
                writer.write()
            assert raised.value.retry_safe
        if answer_is_lost:  # it takes what lies in its sockets, and the next try comes second
            server.thaw()
            server.command("PING")

        server.thaw()
        writer.write()

        writer.check()
        writer.close()


def test_a_full_redis_takes_all_or_nothing_and_goes_on_when_it_has_room(tmp_path: Path) -> None:
    with redis_server() as server:
        writer = Writer(tmp_path / "north", server)
        writer.write()
        server.command("CONFIG", "SET", "maxmemory", "1")

        for _ in range(3):
            with pytest.raises(StoreFull, match="maxmemory"):
                writer.write()

        got = writer.store.reader(FEATURES).read([writer.logs[0]])
        assert got.position == Position.of({"north": 0})
        server.command("CONFIG", "SET", "maxmemory", "0")
        writer.write()
        writer.check()
        writer.close()


def test_too_many_changes_for_a_store_that_is_away_ask_for_catching_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_writer, "WAITING_AT_MOST", 5)
    with redis_server() as server:
        writer = Writer(tmp_path / "north", server, timeout_s=1.0)
        server.freeze()
        errors: list[type[KingpostError]] = []
        for _ in range(4):
            with pytest.raises((StoreUnreachable, StoreNotResumed)) as raised:
                writer.write()
            errors.append(raised.type)
        server.thaw()

        assert errors == [StoreUnreachable] * 3 + [StoreNotResumed]
        assert writer.catch_up() >= 1
        writer.check()
        writer.close()


def test_a_reader_sees_that_the_server_fell_behind_what_it_has_read(tmp_path: Path) -> None:
    with redis_server() as server:
        writer = Writer(tmp_path / "north", server)
        other = RedisFeatures.open(
            server.url, VIEWS, PARTITIONS, tenant="acme", clock=SystemClock()
        )
        for _ in range(3):
            writer.write()
        reader = other.reader(FEATURES)
        reader.read([payment(9)])
        server.command("FLUSHALL")

        with pytest.raises(StoreBehind):
            reader.read([payment(9)])

        writer.catch_up()
        assert reader.read([payment(9)]).position == Position.of({"north": 2})
        other.close()
        writer.close()


def open_store(url: str) -> RedisFeatures:
    return RedisFeatures.open(
        url,
        VIEWS,
        PARTITIONS,
        tenant="acme",
        clock=SystemClock(),
        settings=RedisSettings(timeout_s=5.0),
    )


def evicting(server: RedisServer) -> str:
    server.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    return server.url


def replica(server: RedisServer) -> str:
    server.command("REPLICAOF", "127.0.0.1", "1")
    return server.url


def wrong_password(server: RedisServer) -> str:
    return server.url.replace("127", "kate:hunter2@127")


def without_rights(server: RedisServer) -> str:
    server.command("ACL", "SETUSER", "kate", "on", ">hunter2", "~*", "+info", "+client")
    return server.url.replace("127", "kate:hunter2@127")


@pytest.mark.parametrize(
    ("spoiled", "words"),
    [
        (evicting, "maxmemory-policy noeviction"),
        (replica, "name the primary server"),
        (wrong_password, "credentials"),
        (without_rights, "check its rights"),
    ],
)
def test_a_server_that_is_unfit_is_refused_and_no_password_told(
    spoiled: Callable[[RedisServer], str], words: str
) -> None:
    with redis_server() as server:
        url = spoiled(server)

        with pytest.raises(StoreUnfit, match=words) as raised:
            open_store(url)

        assert "hunter2" not in f"{raised.value} {raised.value!r} {raised.value.__cause__}"
