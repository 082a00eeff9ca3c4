"""The end of a job is told to a webhook: signed, sent again, a dead letter, replayed."""

import threading
from pathlib import Path

import httpx
import pytest

from kingpost.calls import Relay, Route, ServiceClient, WebhookEndpoint, webhook_service
from kingpost.jobs import JobState, Settlement, SqliteJobs, webhook_route
from tests.cli_app import PreparedShop, kingpost
from tests.job_stores import new_job
from tests.served_shop import ServedShop, order, until
from tests.webhook_house import SECRET, WebhookHouse

JSON = {"content-type": "application/json"}


def submit(server: ServedShop, key: str, webhook: str = "crm") -> httpx.Response:
    path = f"/v1/decisions/risk/jobs?webhook={webhook}"
    return server.client.post(path, content=order(key), headers=JSON)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> WebhookHouse:
    """Start a receiver, and name it to the server that starts next."""
    house = WebhookHouse()
    monkeypatch.setenv("KINGPOST_JOB_WEBHOOKS", f"crm={house.url}")
    monkeypatch.setenv("KINGPOST_JOB_WEBHOOK_SECRET", SECRET)
    return house


def test_a_webhook_is_signed_sent_again_and_says_what_the_job_says(
    prepared_shop: PreparedShop, tmp_path: Path, receiver: WebhookHouse
) -> None:
    secret = prepared_shop.copied(tmp_path)
    receiver.failures = [503]
    with receiver, ServedShop(tmp_path, secret) as server:
        unknown = submit(server, "j-0", webhook="erp")
        job = submit(server, "j-1").json()["id"]
        until(lambda: bool(receiver.taken), "the receiver is told")
        kept = server.client.get(f"/v1/jobs/{job}").json()
        again = submit(server, "j-1")
        online = server.decide(order("j-1"))

    assert unknown.status_code == 422
    [told] = receiver.told()
    data = told["data"]
    assert isinstance(data, dict)
    assert told["type"] == "job.done"
    assert (data["id"], data["state"], data["record"]) == (job, "done", kept["record"])
    assert data["answer"] == kept["answer"] == online.json()
    assert not receiver.failures
    assert receiver.refused == []
    assert again.status_code == 202


def test_what_a_receiver_wants_no_more_is_a_dead_letter_and_can_be_replayed(
    prepared_shop: PreparedShop, tmp_path: Path, receiver: WebhookHouse
) -> None:
    secret = prepared_shop.copied(tmp_path)
    receiver.failures = [410]

    def letters() -> list[dict[str, object]]:
        found = kingpost(tmp_path, "dead-letters", "list", "--json")["dead_letters"]
        assert isinstance(found, list)
        return found  # pyright: ignore[reportUnknownVariableType]

    with receiver, ServedShop(tmp_path, secret) as server:
        job = submit(server, "j-1").json()["id"]
        until(lambda: bool(letters()), "it is a dead letter")
        [letter] = letters()
        shown = kingpost(tmp_path, "dead-letters", "show", str(letter["id"]), "--payload", "--json")
        kingpost(tmp_path, "dead-letters", "replay", str(letter["id"]), "--json")
        until(lambda: bool(receiver.taken), "the receiver is told")
        state = server.client.get(f"/v1/jobs/{job}").json()["state"]

    assert (letter["reason"], letter["route"]) == ("status 410", webhook_route("crm"))
    assert job in str(shown["payload"])
    assert receiver.taken[0].id == letter["id"]
    assert [told["type"] for told in receiver.told()] == ["job.done"]
    assert letters() == []
    assert state == "done"


def test_a_receiver_that_is_down_gets_everything_once_it_is_replayed(tmp_path: Path) -> None:
    with WebhookHouse() as house:
        port, url = house.port, house.url  # closed now: nobody listens there
    store = SqliteJobs(tmp_path / "jobs.sqlite")
    endpoint = WebhookEndpoint(ServiceClient(webhook_service("crm", url)), [SECRET])
    relay = Relay(store.outbox, {webhook_route("crm"): Route(endpoint, waits=("50ms", "50ms"))})
    job = store.submit(new_job(webhook="crm"), now_us=1).job
    [taken] = store.claim("w", now_us=2, until_us=3, limit=9)
    store.settle("w", [Settlement(taken, JobState.DEAD, 5, 4, "model_error")], now_us=4)
    stop = threading.Event()
    sending = threading.Thread(target=relay.run, args=(stop,), kwargs={"idle_s": 0.02})
    sending.start()
    try:
        until(lambda: bool(store.dead_letters.find("acme")), "it is a dead letter")
        [letter] = store.dead_letters.find("acme")
        with WebhookHouse([500], port=port) as house:
            assert store.dead_letters.replay("acme", letter.message.id, now_us=5)
            until(lambda: bool(house.taken), "the receiver is told")
    finally:
        stop.set()
        sending.join()
        store.close()

    [told] = house.told()
    assert letter.attempts == 3
    assert told["type"] == "job.dead"
    assert isinstance(told["data"], dict)
    assert told["data"]["id"] == job.id
    assert house.failures == house.refused == []
