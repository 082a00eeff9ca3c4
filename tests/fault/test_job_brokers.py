"""Faults at the broker while workers are killed: every job ends once, none is lost.

Connections to a shared broker are cut, a broker of the test's own is killed and started
again on its data, announcements come twice and out of nowhere, jobs are submitted twice.
"""

import random
import signal
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from kingpost.jobs import open_job_queue
from tests.cli_app import PreparedShop, kingpost
from tests.cut_proxy import Proxy
from tests.job_workers import Workers, decided, ended
from tests.own_brokers import OwnBroker, own_nats, own_rabbitmq
from tests.served_shop import ServedShop, order, until

JOBS, WORKERS = 200, 2
SHARED = {
    "nats": ("nats://127.0.0.1:{port}", 4222),
    "rabbitmq": ("amqp://guest:guest@127.0.0.1:{port}/", 5672),
}
Fault = Callable[[], None]


def secret_of(directory: Path) -> str:
    scopes = [word for one in ("decide", "jobs") for word in ("--scope", one)]
    return str(kingpost(directory, "keys", "create", *scopes, "--json")["secret"])


def submitted(server: ServedShop, jobs: range) -> list[str]:
    """Submit jobs, each twice under its key; return their ids."""
    taken: list[str] = []
    for at in jobs:
        headers = {"content-type": "application/json", "idempotency-key": f"k-{at}"}
        answers = [
            server.client.post(
                "/v1/decisions/risk/jobs", content=order(f"j-{at}", at), headers=headers
            )
            for _ in range(2)
        ]
        first, second = (answer.json()["id"] for answer in answers)
        assert first == second
        taken.append(first)
    return taken


def run_through(directory: Path, secret: str, announced: str, faults: Sequence[Fault]) -> None:
    """Submit jobs around faults at the broker, kill workers, and hold what came of them."""
    chance = random.Random(11)
    each = JOBS // (len(faults) + 1)
    with ServedShop(directory, secret, "--no-jobs") as server:
        workers = Workers(directory, server.url, secret, WORKERS)
        duplicates = open_job_queue(announced)
        taken: list[str] = []
        try:
            for fault in (*faults, None):
                taken += submitted(server, range(len(taken), len(taken) + each))
                for _ in range(5):
                    duplicates.announce()
                if fault is not None:
                    workers.kill_one(chance.randrange(WORKERS))
                    fault()
                    time.sleep(chance.uniform(0.1, 0.6))
            until(lambda: ended(server).keys() <= {"done", "dead"}, "every job has ended")
        finally:
            codes = workers.end()
            duplicates.close()
        states = ended(server)
        assert server.end() == 0

    # one that was only just started does not know yet how to end
    assert set(codes) <= {0, -signal.SIGTERM}
    assert len(set(taken)) == len(taken) >= JOBS - len(faults) - 1
    assert states == {"done": len(taken)}
    assert decided(directory) == {f"job:{one}": 1 for one in taken}
    assert "job_queue_away" in (directory / "server.log").read_text()


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("nats", marks=pytest.mark.needs_service("nats")),
        pytest.param("rabbitmq", marks=pytest.mark.needs_service("rabbitmq")),
    ],
)
def test_every_job_ends_once_while_connections_to_the_broker_are_cut(
    kind: str, prepared_shop: PreparedShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared_shop.copied(tmp_path)
    secret = secret_of(tmp_path)
    where, port = SHARED[kind]
    proxy, name = Proxy(port), f"kingpost-test-{uuid.uuid4().hex}"
    announced = f"{where.format(port=proxy.port)}?name={name}"
    monkeypatch.setenv("KINGPOST_JOB_QUEUE", announced)
    try:
        run_through(
            tmp_path, secret, announced, [proxy.cut, proxy.mend, proxy.cut, proxy.mend, proxy.cut]
        )
    finally:
        proxy.close()


@pytest.mark.parametrize("own", [own_nats, own_rabbitmq])
def test_every_job_ends_once_while_the_broker_is_killed_and_started_again(
    own: Callable[[Path], OwnBroker],
    prepared_shop: PreparedShop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared_shop.copied(tmp_path)
    secret = secret_of(tmp_path)
    (tmp_path / "broker").mkdir()
    broker = own(tmp_path / "broker")
    monkeypatch.setenv("KINGPOST_JOB_QUEUE", broker.url)
    try:
        run_through(
            tmp_path, secret, broker.url, [broker.kill, broker.restart, broker.kill, broker.restart]
        )
    finally:
        broker.kill()
