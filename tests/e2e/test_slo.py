"""Failures over a real server: budgets, an incident, who was told, what it affected, a report."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kingpost.client import Client
from tests.cli_app import SOURCE, kingpost
from tests.e2e.test_cli import ORDER, running
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
        Client(url, secret) as client,
    ):
        for number in range(REQUESTS):
            order = ORDER | {"id": f"o{number}", "amount": 13.0 if number < FAILED else 300.0}
            try:
                client.decide("risk", order)
            except KingpostProblem:
                assert number < FAILED
        client.decide("risk", ORDER | {"id": "later", "at": "2018-08-12T10:05:00Z"})
        yield Shop(directory, url, secret, mails, chat, hook)


def until(found: Callable[[], bool], what: str) -> None:
    by = time.monotonic() + WAIT_S
    while not found():
        assert time.monotonic() < by, what
        time.sleep(0.2)
