"""`kill -9` of workers: every job ends once, none is lost, none is decided twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from kingpost.core import SystemDisk
from kingpost.journal import scan
from kingpost.records import decode_record
from tests.cli_app import PreparedShop, kingpost
from tests.postgres import own_schema
from tests.served_shop import ServedShop, order, until

JOBS = 300
WORKERS = 3
KILLS = 8
LEASE = "1s"


class Workers:
    """`kingpost job-worker`, processes that are killed and started again."""

    def __init__(self, directory: Path, url: str, secret: str) -> None:
        self._directory, self._url = directory, url
        self._environment = {**os.environ, "KINGPOST_API_KEY": secret}
        self.log = directory / "workers.log"
        self.running = [self._start() for _ in range(WORKERS)]

    def kill_one(self, at: int) -> None:
        with self.running[at] as worker:
            worker.send_signal(signal.SIGKILL)
        self.running[at] = self._start()

    def end(self) -> Sequence[int]:
        """Ask all of them to stop, and return what they ended with."""
        for worker in self.running:
            worker.send_signal(signal.SIGTERM)
        codes: list[int] = []
        for worker in self.running:
            with worker:
                codes.append(worker.wait(60))
        return codes

    def _start(self) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "kingpost.cli", "--data-dir", str(self._directory / "data"),
                 "job-worker", "--url", self._url, "--lease", LEASE, "--at-once", "2"],
                cwd=self._directory,
                env=self._environment,
                stderr=log,
            )  # fmt: skip


@contextmanager
def store_of(kind: str, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    if kind == "sqlite":
        yield
        return
    with own_schema() as (_, url):
        monkeypatch.setenv("KINGPOST_JOB_STORE", url)
        yield


def ended(server: ServedShop) -> Counter[str]:
    found: Counter[str] = Counter()
    after = ""
    while after is not None:
        page = server.client.get("/v1/jobs", params={"limit": "200", "after": after}).json()
        found.update(job["state"] for job in page["jobs"])
        after = page["next"]
    return found


def decided(directory: Path) -> Counter[str | None]:
    return Counter(
        decode_record(entry.body).idempotency_key
        for commit in scan(directory / "data" / "journal" / "data", disk=SystemDisk())
        for entry in commit.entries
        if entry.kind == "record"
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_job_ends_once_while_workers_are_killed(
    kind: str, prepared_shop: PreparedShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared_shop.copied(tmp_path)
    scopes = [word for one in ("decide", "jobs") for word in ("--scope", one)]
    secret = str(kingpost(tmp_path, "keys", "create", *scopes, "--json")["secret"])
    chance = random.Random(7)
    with store_of(kind, monkeypatch), ServedShop(tmp_path, secret, "--no-jobs") as server:
        headers = {"content-type": "application/json"}
        taken = [
            server.client.post(
                "/v1/decisions/risk/jobs", content=order(f"j-{at}", at), headers=headers
            ).json()["id"]
            for at in range(JOBS)
        ]
        workers = Workers(tmp_path, server.url, secret)
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.05, 0.5))
            workers.kill_one(chance.randrange(WORKERS))
        until(lambda: ended(server).keys() <= {"done", "dead"}, "every job has ended")
        assert workers.end() == [0] * WORKERS
        states = ended(server)
        listed = kingpost(tmp_path, "jobs", "list", "--limit", "10000", "--json")["jobs"]
        assert server.end() == 0

    assert states == {"done": JOBS}
    assert isinstance(listed, list)
    assert {job["id"] for job in listed} == set(taken)  # pyright: ignore[reportUnknownVariableType]
    assert decided(tmp_path) == {f"job:{one}": 1 for one in taken}
