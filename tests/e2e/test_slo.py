"""Failures over a real server: budgets, an incident, who was told, what it affected, a report."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli_app import SOURCE, kingpost
from tests.e2e.test_cli import ORDER, ask, running
from tests.e2e.test_python_model import RULES
from tests.unit.calls.test_webhook import Heard, receiver
from tests.unit.monitoring.test_notify import Mailbox, mail_server

WAIT_S = 60.0
REQUESTS, FAILED = 320, 10
SLOS = (
    '    slos=[kp.slo("answered", 0.999), kp.slo("in-time", 0.99, within="10s", over="28d")],\n)\n'
)


@dataclass
class Shop:
    """A running server, and those whom it tells of incidents."""

    directory: Path
    url: str
    secret: str
    mails: Mailbox
    chat: list[Heard]
    hook: list[Heard]

    def told(self, *arguments: str) -> dict[str, Any]:
        """Return what a command prints as JSON."""
        return kingpost(
            self.directory, *arguments, "--json", KINGPOST_API_KEY=self.secret,
            KINGPOST_URL=self.url,
        )  # fmt: skip

    def budgets(self) -> Mapping[str, Mapping[str, Any]]:
        return {one["objective"]: one for one in self.told("slo", "shop_app.py")["slos"]}


def prepare(directory: Path) -> str:
    """Write an application that breaks on an amount of 13, and approve it; return a key."""
    start, end = SOURCE.index("        trainer="), SOURCE.index("        label=chargebacks")
    source = f"{SOURCE[:start]}        predict=by_amount,\n{SOURCE[end:]}"
    at = source.index("risk = kp.decision")
    source = source[:at] + RULES + source[at:].rstrip().removesuffix(")") + SLOS
    (directory / "shop_app.py").write_text(source)
    kingpost(directory, "models", "register", "shop_app.py", "--json")
    kingpost(directory, "approve", "shop_app.py", "--reason", "a test", "--json")
    scopes = ("decide", "records", "review", "metrics")
    asked = [word for scope in scopes for word in ("--scope", scope)]
    return str(kingpost(directory, "keys", "create", *asked, "--json")["secret"])


@contextmanager
def told_by(**settings: str) -> Generator[None]:
    """Set what a server is started with."""
    names = {f"KINGPOST_{name.upper()}": value for name, value in settings.items()}
    before = {name: os.environ.get(name) for name in names}
    os.environ |= names
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Generator[Shop]:
    directory, mails = tmp_path_factory.mktemp("shop"), Mailbox()
    secret = prepare(directory)
    with (
        mail_server(mails) as mail,
        receiver() as (chat_url, chat),
        receiver() as (hook_url, hook),
        told_by(
            alert_smtp=mail,
            alert_from="kingpost@example.com",
            alert_to="ops@example.com",
            alert_slack=chat_url,
            alert_webhook=hook_url,
        ),
        running(directory) as url,
    ):
        for number in range(REQUESTS):
            order = ORDER | {"id": f"o{number}", "amount": 13.0 if number < FAILED else 300.0}
            status, _ = ask(url, secret, order)
            assert status == (503 if number < FAILED else 200)
        ask(url, secret, ORDER | {"id": "later", "at": "2018-08-12T10:05:00Z"})
        yield Shop(directory, url, secret, mails, chat, hook)


def until(found: Callable[[], bool], what: str) -> None:
    by = time.monotonic() + WAIT_S
    while not found():
        assert time.monotonic() < by, what
        time.sleep(0.2)


def test_failures_spend_the_budget_and_everybody_sees_it(shop: Shop) -> None:
    until(
        lambda: shop.budgets().get("answered", {}).get("total") == REQUESTS + 1,
        "the observer did not see all requests",
    )
    found = shop.budgets()
    request = urllib.request.Request(
        f"{shop.url}/metrics", headers={"Authorization": f"Bearer {shop.secret}"}
    )
    with urllib.request.urlopen(request, timeout=60) as reply:
        metrics = reply.read().decode()

    answered, in_time = found["answered"], found["in-time"]
    assert (answered["bad"], answered["share"], answered["over_days"]) == (FAILED, 0.999, 30.0)
    assert answered["budget_left"] == pytest.approx(1 - FAILED / (REQUESTS + 1) / 0.001)
    assert in_time["bad"] == FAILED, "what failed was not in time either"
    assert [burn["rule"] for burn in answered["burns"]] == ["1h/5m", "6h/30m", "3d/6h"]
    assert all(burn["is_alert"] for burn in answered["burns"])
    labels = '{decision="risk",objective="answered",tenant="default"}'
    assert f"kingpost_slo_budget_left{labels} -30.1" in metrics
    assert 'kingpost_slo_burn_rate{decision="risk",objective="in-time",rule="1h/5m"' in metrics


def test_an_incident_goes_from_the_alert_to_the_review_and_the_report(shop: Shop) -> None:
    until(lambda: bool(shop.told("incidents", "list")["incidents"]), "no incident was opened")
    [incident] = shop.told("incidents", "list", "--decision", "risk", "--open")["incidents"]
    identifier: str = incident["id"]
    until(lambda: bool(shop.mails.mails and shop.chat and shop.hook), "somebody was not told")

    affected = shop.told("incidents", "affected", identifier)["records"]
    sent = shop.told("incidents", "review", identifier, "--reason", "13 breaks the model")
    shop.told("incidents", "note", identifier, "a new version is on its way")
    shop.told("review", "override", affected[0]["id"], "--negative", "--reason", "a regular")
    shop.told("review", "acknowledge", identifier, "--reason", "rolled out")
    until(
        lambda: shop.told("incidents", "report", identifier)["overridden"] == 1,
        "the review did not reach the search",
    )
    report = shop.told("incidents", "report", identifier)

    assert (incident["kind"], incident["runbook"]) == ("failures", "docs/monitoring.md#failures")
    assert len(shop.mails.mails) == len(shop.chat) == len(shop.hook) == 1, "told once each"
    assert json.loads(shop.hook[0].body)["data"]["id"] == identifier
    assert incident["title"] in json.loads(shop.chat[0].body)["text"]
    assert {one["outcome"] for one in affected} == {"failed"}
    assert len(affected) == report["affected"] == FAILED
    assert sent == {"queue": "risk-desk", "sent": FAILED, "passed_over": 0, "is_all": True}
    assert (report["reviewed"], report["overridden"]) == (1, 1)
    kinds = [(one["kind"], one["by"]) for one in report["timeline"]]
    assert kinds[:2] == [("began", "monitors"), ("opened", "monitors")]
    assert {by for kind, by in kinds if kind == "told"} == {"log", "mail", "slack", "webhook"}
    by = shop.told("review", "show", identifier)["task"]["closed_by"]
    assert [one for one in kinds if one[1] == by] == [
        ("sent_to_review", by),
        ("noted", by),
        ("acknowledged", by),
    ]
    waiting = shop.told("review", "list", "--queue", "risk-desk", "--state", "open")["tasks"]
    assert len(waiting) == FAILED - 1


def test_a_report_is_markdown_for_people(shop: Shop) -> None:
    [incident] = shop.told("incidents", "list", "--limit", "1")["incidents"]

    done = subprocess.run(
        [sys.executable, "-m", "kingpost.cli", "incidents", "--url", shop.url, "report",
         incident["id"]],
        env=os.environ | {"KINGPOST_API_KEY": shop.secret},
        capture_output=True,
        text=True,
        check=True,
    )  # fmt: skip

    assert done.stdout.startswith("# ")
    assert "## What happened" in done.stdout
    assert f"\n{FAILED} decisions; people reviewed" in done.stdout
