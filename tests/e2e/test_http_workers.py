"""Processes that share the port: they answer as one server, and may be killed."""

import http.client
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from kingpost.calls import LoadReport
from tests.cli_app import PreparedShop, kingpost
from tests.served_shop import Load, ServedShop, order, recorded, until

WORKERS, BROKEN = 2, 0


def workers_of(server: ServedShop) -> list[int]:
    """Find the processes that share the port."""
    found: list[int] = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            command = (place / "cmdline").read_bytes().split(b"\0")
            parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == server.process.pid and b"http-worker" in command:
            found.append(int(place.name))
    return found


@pytest.fixture
def shop(prepared_shop: PreparedShop, tmp_path: Path) -> Iterator[ServedShop]:
    prepared_shop.copied(tmp_path)
    scopes = [
        word for one in ("decide", "ingest", "records", "metrics") for word in ("--scope", one)
    ]
    secret = str(kingpost(tmp_path, "keys", "create", *scopes, "--json")["secret"])
    with ServedShop(tmp_path, secret, "--no-watch", "--http-workers", str(WORKERS)) as server:
        yield server


def answered_by(server: ServedShop, body: bytes) -> int:
    """Decide over a connection of its own; return the status."""
    where = urlsplit(server.url)
    with closing(http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)) as line:
        line.request("POST", "/v1/decisions/risk", body, server.headers)
        return line.getresponse().status


def hold_to_records(report: LoadReport, directory: Path) -> None:
    """See that every answer has its record."""
    records = recorded(directory)
    for answer in report.answers:
        if answer.status == 200:
            told = json.loads(answer.body)
            assert records[told["id"]] == told["answer"]


def test_workers_answer_what_a_server_answers(shop: ServedShop) -> None:
    assert len(workers_of(shop)) == WORKERS
    decided = shop.decide(order("one"))
    record = decided.headers["kingpost-record"]
    health = shop.client.get("/health/ready").json()
    found = shop.client.get(f"/v1/records/{record}").json()
    large = shop.client.post("/v1/decisions/risk", content=b"x" * 1_000_000)
    chunked = shop.client.post("/v1/decisions/risk", content=iter([order("two")]))
    page = shop.client.get("/")
    metrics = shop.client.get("/metrics").text
    many = [answered_by(shop, order(f"c-{number}", number)) for number in range(20)]

    assert decided.status_code == 200
    assert health["status"] == "ready"
    assert found["id"] == record
    assert large.status_code == 413
    assert large.json()["code"] == "body_too_large"
    assert chunked.status_code == 200
    assert page.status_code in (200, 302, 303)
    assert many == [200] * 20
    assert f"kingpost_http_workers {float(WORKERS)}" in metrics
    assert shop.end() == 0
    assert "Traceback" not in shop.log.read_text()


def test_a_caller_that_goes_away_and_one_that_waits_long_hurt_nobody(shop: ServedShop) -> None:
    where = urlsplit(shop.url)
    head = "POST /v1/events HTTP/1.1\r\nhost: t\r\ncontent-length: 100\r\n"
    head += f"authorization: {shop.headers['authorization']}\r\n\r\n"
    for _ in range(5):
        with socket.create_connection((where.hostname, where.port)) as line:
            line.sendall(head.encode() + b"[")
    assert shop.decide(order("after")).status_code == 200
    assert shop.is_ready()


def test_a_killed_worker_takes_only_its_own_connections_with_it(shop: ServedShop) -> None:
    load = Load(shop, "kill", connections=16)
    load.go_on()
    before = workers_of(shop)
    os.kill(before[0], signal.SIGKILL)
    until(
        lambda: len(now := workers_of(shop)) == WORKERS and before[0] not in now,
        "another worker shares the port",
    )
    until(lambda: all(answered_by(shop, order("x")) == 200 for _ in range(8)), "both answer")
    load.go_on(200)
    report = load.stop()

    assert set(report.statuses()) <= {200, BROKEN}
    assert report.statuses().get(BROKEN, 0) <= 16  # what it had in flight
    hold_to_records(report, shop.directory)
    assert shop.end() == 0


def test_a_server_that_ends_answers_what_its_workers_have(shop: ServedShop) -> None:
    load = Load(shop, "drain", connections=16)
    load.go_on()
    pids = workers_of(shop)
    assert shop.end() == 0
    report = load.stop()

    # what reached a connection as it closed was not read, and so not decided either
    assert set(report.statuses()) <= {200, BROKEN}
    assert report.statuses().get(BROKEN, 0) <= 16
    assert report.statuses()[200] == len(recorded(shop.directory))
    hold_to_records(report, shop.directory)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_workers_do_not_outlive_a_killed_server(shop: ServedShop) -> None:
    pids = workers_of(shop)
    assert len(pids) == WORKERS
    shop.end(signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "the workers end")
    where = urlsplit(shop.url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((where.hostname, where.port))
