"""`kill -9` of workers: every job ends once, none is lost, none is decided twice."""

import random
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli_app import PreparedShop, kingpost
from tests.job_workers import Workers, decided, ended
from tests.postgres import own_schema
from tests.served_shop import ServedShop, order, until

JOBS = 300
WORKERS = 3
KILLS = 8


@contextmanager
def store_of(kind: str, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    if kind == "sqlite":
        yield
        return
    with own_schema() as (_, url):
        monkeypatch.setenv("KINGPOST_JOB_STORE", url)
        yield


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
        workers = Workers(tmp_path, server.url, secret, WORKERS)
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
