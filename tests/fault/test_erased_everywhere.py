"""Nothing is left of whom was erased: every byte that an installation keeps is looked through.

The installation has all its stores beside it: jobs in PostgreSQL, features in Redis, segments in
an object store, a backup from before. What is personal goes in by every road; what is looked for
is found in what was sent, so the search can find it.
"""

import json
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import psycopg
import pytest
import redis

from kingpost.core import SystemClock, SystemDisk
from kingpost.journal import Entry, Journal, finished_segments
from tests.cli_app import kingpost
from tests.personal_shop import found_in, personal_of, prepare_personal_shop
from tests.postgres import own_schema
from tests.redis_server import RedisServer, redis_server
from tests.s3_server import BUCKET, CREDENTIALS, LocalStore, s3_server
from tests.served_shop import ServedShop, until

pytestmark = [pytest.mark.needs_service("redis"), pytest.mark.needs_service("postgresql")]

GONE, KEPT = "c3", "c5"


def body_of(customer: str, number: int) -> dict[str, object]:
    return {
        "id": f"request-of-{customer}-{number}",
        "at": f"2018-08-11T02:00:{number:02d}Z",
        "customer": customer,
        "amount": 20.0,
        **personal_of(customer),
    }


def come_in(shop: ServedShop, customer: str) -> str:
    """Send what is personal through every door; return the id of a record."""
    answer = shop.client.post("/v1/decisions/risk", json=body_of(customer, 1))
    assert answer.status_code == 200, answer.text
    identifier = str(answer.json()["id"])
    events = [body_of(customer, 2), body_of(customer, 3), {**body_of(customer, 4), "amount": "no"}]
    taken = shop.client.post("/v1/events/order", json=events).json()
    assert (taken["accepted"], len(taken["rejected"])) == (2, 1)
    corrected = shop.client.put(f"/v1/events/order/{events[0]['id']}", json=body_of(customer, 2))
    assert corrected.status_code == 200, corrected.text
    label = {
        "order": f"request-of-{customer}-1",
        "at": "2018-08-11T02:00:01Z",
        "known_at": "2018-08-12T02:00:01Z",
        "customer": customer,
        "fraud": True,
    }
    assert shop.client.post("/v1/events/chargeback", json=[label]).json()["accepted"] == 1
    assert shop.client.post("/v1/decisions/risk", content=b"{" + b'"name":').status_code >= 400
    job = shop.client.post("/v1/decisions/risk/jobs?webhook=crm", json=body_of(customer, 5)).json()
    until(
        lambda: shop.client.get(f"/v1/jobs/{job['id']}").json()["state"] == "done",
        "the job is done",
    )

    def is_reviewed() -> bool:
        path = f"/v1/records/{identifier}/override"
        said = {"positive": False, "reason": "looked at"}
        return shop.client.post(path, json=said).status_code == 200

    until(is_reviewed, "the record is observed, and reviewed")
    return identifier


@contextmanager
def beside(
    monkeypatch: pytest.MonkeyPatch,
) -> Generator[tuple[psycopg.Connection, RedisServer, LocalStore], None, None]:
    """Run the stores beside an installation, and have the settings name them."""
    with own_schema() as (database, url), redis_server() as features, s3_server() as store:
        settings = {
            "JOB_STORE": url,
            "SUBJECT_KEY_STORE": url,
            "JOB_WEBHOOKS": "crm=http://127.0.0.1:9/hook",
            "JOB_WEBHOOK_SECRET": "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0LWhlcmU=",
            "ONLINE_STORE": features.url,
            "ARCHIVE_STORE": f"s3://{BUCKET}/shop",
            "ARCHIVE_ENDPOINT": store.endpoint,
            "ACCESS_LOG": "1.0",
        }
        for name, value in settings.items():
            monkeypatch.setenv(f"KINGPOST_{name}", value)
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        yield database, features, store


def dumped(
    directory: Path, database: psycopg.Connection, features: RedisServer, store: LocalStore
) -> Path:
    """Write everything that the stores beside hold into files."""
    directory.mkdir(exist_ok=True)
    tables = database.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()"
    ).fetchall()
    with (directory / "postgres").open("w") as file:
        for (name,) in tables:
            for row in database.execute(f'SELECT "{name}"::text FROM "{name}"'.encode()):
                file.write(f"{row}\n")
    client = redis.Redis(port=features.port)
    with (directory / "redis").open("wb") as file:
        for key in client.keys("*"):  # pyright: ignore[reportUnknownMemberType]  of redis-py
            file.write(str(key).encode() + b"\n" + (client.dump(key) or b"") + b"\n")
    client.close()
    for key in store.listed():
        path = directory / "objects" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(store.read(key))
    return directory


def names_in(paths: list[Path], texts: list[str]) -> set[str]:
    """Return those texts that are found."""
    return {one.rpartition(": ")[2] for one in found_in(paths, texts)}


def finish_segment(data: Path) -> None:
    """Fill the last segment of the journal, so that it is finished."""
    where, disk = data / "journal" / "data", SystemDisk()
    before = len(finished_segments(where, disk=disk))
    with Journal.open(where, disk=disk, clock=SystemClock(), segment_bytes=8192) as journal:
        while len(finished_segments(where, disk=disk)) == before:
            journal.append([Entry("mark", "", "", bytes(1_000_000))])


def verify_log(directory: Path) -> None:
    """Check the whole log with its key, and what it says of a record."""
    (key,) = cast("list[str]", kingpost(directory, "tree", "keys", "--json")["keys"])
    kingpost(directory, "checkpoint", "--out", "kept.txt", "--json")
    found = kingpost(directory, "verify", "data", "--key", key, "--checkpoint", "kept.txt",
                     "--json")  # fmt: skip
    assert found["is_proved"], found
    (audited,) = cast("list[dict[str, object]]", found["logs"])
    assert audited["commits_compared"] == audited["leaves"] != 0


def prove(directory: Path, identifier: str) -> None:
    """Prove a record, and check the proof."""
    (key,) = cast("list[str]", kingpost(directory, "tree", "keys", "--json")["keys"])
    kingpost(directory, "prove", identifier, "--out", "proof.json", "--json")
    assert kingpost(directory, "verify", "proof.json", "--key", key, "--json")["is_proved"]


def test_no_byte_is_left_of_whom_was_erased_and_every_proof_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    out.mkdir()
    texts = [text for one in (GONE, KEPT) for text in personal_of(one).values()]
    with beside(monkeypatch) as (database, features, store):
        prepare_personal_shop(tmp_path)
        secret = made_key(tmp_path)
        assert names_in([tmp_path / "orders.csv"], texts) == set(texts), "it can be found"
        with ServedShop(tmp_path, secret) as shop:
            records = {one: come_in(shop, one) for one in (GONE, KEPT)}
            kingpost(tmp_path, "backup", str(tmp_path / "backup"), "--json")
            kingpost(tmp_path, "snapshot", "shop_app.py", "--json")
            shop.end()
        finish_segment(data)
        sealed = kingpost(tmp_path, "archive", "--json")
        assert cast("int", sealed["segments"]) >= 1
        marks = [f"request-of-{one}-1" for one in (GONE, KEPT)]
        assert names_in([data / "sealed"], marks) == set(marks), "and so can event keys"
        everything = [data, tmp_path / "backup", tmp_path / "server.log", out]
        before = dumped(tmp_path / "before", database, features, store)
        assert found_in([*everything, before], texts) == []

        with ServedShop(tmp_path, secret) as shop:
            kingpost(tmp_path, "erase", "customer", GONE, "--yes", "--url", shop.url, "--json",
                     KINGPOST_API_KEY=secret)  # fmt: skip
            told = shop.client.get(f"/v1/records/{records[GONE]}").json()["event"]["body"]
            assert told["name"] == "[erased]"
            shop.end()
        finish_segment(data)
        done = kingpost(tmp_path, "seal", "--json")
        assert cast("int", done["erased_rows"]) >= 2
        kingpost(tmp_path, "archive", "--json")
        kingpost(tmp_path, "backup", str(tmp_path / "backup"), "--json")
        kingpost(tmp_path, "snapshot", "shop_app.py", "--json")
        kingpost(tmp_path, "backfill", "shop_app.py", "--out", str(out / "past.parquet"), "--json")
        kingpost(tmp_path, "export", "--out", str(out / "export"), "--with-proofs", "--json")
        after = dumped(tmp_path / "after", database, features, store)

        assert found_in([*everything, after], texts) == []
        derived = [data / "sealed", after / "objects" / "shop" / "records",
                   after / "objects" / "shop" / "reviews"]  # fmt: skip
        assert names_in(derived, marks) == {marks[1]}
        assert (after / "redis").stat().st_size > 500 < (after / "postgres").stat().st_size
        asked = kingpost(tmp_path, "sql", "SELECT count(*) AS rows, count(event_key) AS told "
                         "FROM records WHERE is_erased", "--json")  # fmt: skip
        assert asked["rows"] == [{"rows": 2, "told": 0}]
        verify_log(tmp_path)
        for identifier in records.values():
            prove(tmp_path, identifier)


def test_a_backup_from_before_brings_nobody_back(tmp_path: Path) -> None:
    """With the keys of now it cannot; with keys of then, erasures are done again from a list."""
    prepare_personal_shop(tmp_path)
    secret = made_key(tmp_path)
    data, aside = tmp_path / "data", tmp_path / "aside"
    name = personal_of(GONE)["name"]
    with ServedShop(tmp_path, secret) as shop:
        answer = shop.client.post("/v1/decisions/risk", json=body_of(GONE, 1))
        identifier = str(answer.json()["id"])
        kingpost(tmp_path, "backup", str(tmp_path / "backup"), "--json")
        keep_keys(data, aside / "then")
        kingpost(tmp_path, "erase", "customer", GONE, "--yes", "--url", shop.url, "--json",
                 KINGPOST_API_KEY=secret)  # fmt: skip
        listed = kingpost(tmp_path, "erasures", "--url", shop.url, "--json",
                          KINGPOST_API_KEY=secret)  # fmt: skip
        (tmp_path / "erasures.json").write_text(json.dumps(listed))
        shop.end()
    keep_keys(data, aside / "now")

    def restored(keys: str) -> ServedShop:
        shutil.rmtree(data)
        kingpost(tmp_path, "restore", str(tmp_path / "backup"), "--json")
        assert not list(data.glob("subject_keys*")), "a backup never has the keys"
        for path in (aside / keys).iterdir():
            shutil.copy(path, data)
        return ServedShop(tmp_path, secret)

    def told(shop: ServedShop) -> object:
        return shop.client.get(f"/v1/records/{identifier}").json()["event"]["body"]["name"]

    with restored("now") as shop:
        assert told(shop) == "[erased]"
        shop.end()
    with restored("then") as shop:
        assert told(shop) == name
        for done in (1, 0):
            again = kingpost(tmp_path, "erase", "--again", "erasures.json", "--yes", "--url",
                             shop.url, "--json", KINGPOST_API_KEY=secret)  # fmt: skip
            assert (again["erased"], again["known"]) == (done, 1 - done)
        assert told(shop) == "[erased]"
        shop.end()
    assert found_in([data], [name]) == []


def keep_keys(data: Path, place: Path) -> None:
    """Back up the keys of subjects, apart."""
    place.mkdir(parents=True)
    source, target = (sqlite3.connect(one / "subject_keys.sqlite") for one in (data, place))
    source.backup(target)
    source.close()
    target.close()
    shutil.copy(data / "subject_keys.master", place)


def made_key(directory: Path) -> str:
    """Make a key that may do everything here; return its secret."""
    scopes = ("decide", "ingest", "records", "erase", "review")
    arguments = [word for one in scopes for word in ("--scope", one)]
    return str(kingpost(directory, "keys", "create", *arguments, "--json")["secret"])
