"""People at their desks: `kingpost review` against a server in a process of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from kingpost.access import create_key
from kingpost.core import SystemClock, SystemDisk, parse_id
from kingpost.journal import scan
from kingpost.records import decode_record, decode_review
from kingpost.serving import task_of_incident, task_of_review
from kingpost.tasks import Task
from tests.e2e.review_server import open_sources
from tests.e2e.tiny_server import open_keys
from tests.review_house import INCIDENT, line_of
from tests.tiny_app import fraud, payment

OVERRIDE = ("override", "--negative", "--reason", "a known card")


@dataclass
class Desk:
    """A running server, with people's keys."""

    directory: Path
    url: str
    keys: dict[str, str]

    def decide(self, name: str, amount: float = 600) -> str:
        """Have a payment decided, and do what the observer does."""
        answered = httpx.post(
            f"{self.url}/v1/decisions/fraud",
            content=payment(name, amount),
            headers={"authorization": f"Bearer {self.keys['shop']}"},
        )
        identifier: str = answered.json()["id"]
        sources = open_sources(self.directory)
        for commit in scan(self.directory / "data", disk=SystemDisk()):
            for entry in commit.entries:
                if entry.kind == "record":
                    record = decode_record(entry.body)
                    if record.id == parse_id(identifier):
                        sources.records().add([line_of(record, commit.offset)])
                        sources.tasks().add([task_of_review(record, fraud)])
        return identifier

    def review(
        self, *arguments: str, by: str = "ann", url: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {"KINGPOST_API_KEY": self.keys.get(by, "")}
        environment["KINGPOST_URL"] = url or self.url
        return subprocess.run(
            [sys.executable, "-m", "kingpost.cli", "review", *arguments],
            env=environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )

    def told(self, *arguments: str, by: str = "ann") -> dict[str, Any]:
        """Return what a command prints as JSON."""
        done = self.review(*arguments, "--json", by=by)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def reviews_of(self, identifier: str) -> list[str]:
        """Return the verdicts that the journal has on a record."""
        found = [
            decode_review(entry.body)
            for commit in scan(self.directory / "data", disk=SystemDisk())
            for entry in commit.entries
            if entry.kind == "review"
        ]
        return [review.verdict for review in found if review.record == parse_id(identifier)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    directory = tmp_path_factory.mktemp("desk")
    keys = open_keys(directory)
    secrets = {
        name: create_key(keys, SystemClock(), tenant="acme", scopes=scopes, name=name).secret
        for name, scopes in {
            "shop": ["decide"],
            "ann": ["review", "records"],
            "bob": ["review:fraud-desk", "records"],
        }.items()
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.review_server", str(directory)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    url = process.stdout.readline().decode().strip()
    assert url, "the server did not start"
    yield Desk(directory, url, secrets)
    with process:
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 0


def test_a_case_goes_from_the_inbox_to_the_record(desk: Desk) -> None:
    record = desk.decide("p1")

    listed = desk.told("list", "--queue", "fraud-desk", "--state", "open")
    assert record in [task["id"] for task in listed["tasks"]]
    assert desk.told("claim", record)["claimed_by"] == "ann"
    shown = desk.told("show", record)
    assert shown["task"]["subject"] == shown["record"]["id"] == record
    assert desk.told(*OVERRIDE, record)["verdict"] == "overridden"

    after = desk.told("show", record)
    assert after["task"]["state"] == "closed"
    assert after["record"]["answer"]["fraud"] is True
    assert (after["record"]["review"]["positive"], after["record"]["review"]["by"]) == (
        False,
        "ann",
    )
    assert desk.reviews_of(record) == ["overridden"]


def test_what_others_hold_is_refused_with_the_servers_word(desk: Desk) -> None:
    record = desk.decide("p2")
    desk.told("claim", record, by="bob")

    refused = desk.review("approve", record)

    assert refused.returncode == 1
    assert refused.stderr.startswith("error [server_refused]: task_claimed: bob has claimed")
    assert desk.told("release", record, by="bob")["state"] == "open"
    assert desk.told("approve", record, "--reason", "looks fine")["verdict"] == "approved"


def test_of_many_answers_at_once_one_counts(desk: Desk) -> None:
    record = desk.decide("p3")

    def answer(by: str) -> int:
        path = f"{desk.url}/v1/tasks/{record}/approve"
        return httpx.post(
            path, headers={"authorization": f"Bearer {desk.keys[by]}"}, timeout=60
        ).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(answer, ["ann", "bob"] * 8))

    assert statuses == [200] + [409] * 15
    assert desk.reviews_of(record) == ["approved"]


def test_an_incident_is_acknowledged(desk: Desk) -> None:
    sources = open_sources(desk.directory)
    sources.monitors().save_incident(INCIDENT)
    sources.tasks().add([task_of_incident(INCIDENT, SystemClock().now_us())])

    shown = desk.told("show", INCIDENT.id)
    done = desk.told("acknowledge", INCIDENT.id, "--reason", "a new shop")

    assert shown["incident"]["title"] == "amount has drifted"
    assert (done["verdict"], done["reason"]) == ("acknowledged", "a new shop")


def test_what_a_workflow_asks_is_answered_with_words_or_another_value(desk: Desk) -> None:
    sources, now_us = open_sources(desk.directory), SystemClock().now_us()
    asked = [
        Task(
            id=f"order 17-{number}",
            tenant="acme",
            kind="approval",
            queue="finance",
            decision="",
            subject=f"order 17-{number}",
            title="Pay 100 €",
            created_us=now_us,
            event_time_us=now_us,
            workflow="order 17",
            about={"amount": 100},
        )
        for number in (1, 2)
    ]
    sources.tasks().add(asked)

    listed = desk.told("list", "--kind", "approval")
    shown = desk.told("show", "order 17-1")
    no_json = desk.review("modify", "order 17-1", "--value", "{amount: 50}")
    modified = desk.told("modify", "order 17-1", "--value", '{"amount": 50}', "--reason", "half")
    rejected = desk.told("reject", "order 17-2", "--reason", "no budget")

    assert [task["id"] for task in listed["tasks"]] == ["order 17-1", "order 17-2"]
    assert (shown["task"]["about"], shown["task"]["workflow"]) == ({"amount": 100}, "order 17")
    assert no_json.returncode == 2
    assert "it is no JSON" in no_json.stderr
    assert (modified["verdict"], modified["answer"]) == ("modified", {"amount": 50})
    assert (rejected["verdict"], rejected["reason"]) == ("rejected", "no budget")


def test_people_read_lines_and_programs_read_json(desk: Desk) -> None:
    record = desk.decide("p4")

    lines = desk.review("list", "--limit", "200")
    shown = desk.review("show", record)

    assert lines.returncode == shown.returncode == 0
    assert f"{record}  fraud-desk  open  -  -  p4: fraud proposed" in lines.stdout
    assert "confidence" in shown.stdout
    assert "nothing waits" in desk.review("list", "--queue", "empty").stdout


def test_a_key_a_server_and_an_id_are_asked_for_in_words(desk: Desk) -> None:
    nobody = desk.review("list", by="nobody")
    nowhere = desk.review("list", url="http://127.0.0.1:9")
    wrong = desk.review(*OVERRIDE, "not-an-id")

    assert (nobody.returncode, nowhere.returncode, wrong.returncode) == (1, 1, 2)
    assert "KINGPOST_API_KEY" in nobody.stderr
    assert "[server_unreachable]" in nowhere.stderr
    assert "36 characters" in wrong.stderr
    for done in (nobody, nowhere, wrong):
        assert "Traceback" not in done.stderr
