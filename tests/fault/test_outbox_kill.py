"""`kill -9` of relays and writers: every payment is told once, in its order, or not made."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks._flaky_server import Faults, counts_of, flaky_server
from tests.fault.outbox_process import Shop, opened_shop
from tests.postgres import own_schema

MESSAGES = 400
KILLS = 10
ENDS_WITHIN_S = 60.0
FAULTS = Faults(burst_every_s=1.0, burst_s=0.1, burst_takes_s=0.05)


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield str(tmp_path / "shop.sqlite")
        return
    with own_schema() as (_, url):
        yield url


def start(role: str, where: str, what: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.fault.outbox_process", role, where, what]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def waiting(shop: Shop) -> int:
    return sum(one.waiting for one in shop.outbox.backlog())


def test_nothing_is_lost_or_done_twice_or_out_of_order(where: str) -> None:
    chance = random.Random(11)
    with flaky_server(FAULTS) as url:
        roles = [("write", str(MESSAGES)), ("relay", url), ("relay", url)]
        running = [start(role, where, what) for role, what in roles]
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.02, 0.3))
            victim = chance.randrange(len(running))
            kill(running[victim])
            role, what = roles[victim]
            running[victim] = start(role, where, what)
        running[0].wait(ENDS_WITHIN_S)
        shop, until = opened_shop(where), time.monotonic() + ENDS_WITHIN_S
        while waiting(shop) and time.monotonic() < until:
            time.sleep(0.05)
        for process in running:
            kill(process)
        counts = counts_of(url)
    paid, dead = shop.paid(), shop.dead_letters.find("default")
    shop.close()

    assert paid == list(range(MESSAGES))
    assert dead == []
    assert sorted(int(order.partition("-")[2]) for order in counts.effects) == paid
    assert set(counts.effects.values()) == {1}
    for key in {order.partition("-")[0] for order in counts.effects}:
        told = [order for order in counts.effects if order.partition("-")[0] == key]
        assert told == sorted(told)
    assert counts.at_once == 0
    assert counts.repeated_keys > 0  # answers were lost, and asked for again
