"""Incidents get through to people, and nothing gets through that should not."""

import json
import logging
import socket
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from kingpost.calls import is_signed
from kingpost.monitoring import AlertSettings, BadAlertSetting, Incident, LogLine, Notifier
from kingpost.monitoring.letters import incident_letter, mail_of
from kingpost.tasks import Task
from tests.served_shop import until
from tests.stopped_clock import StoppedClock
from tests.unit.calls.test_webhook import receiver

NOW_US = 1_790_000_000 * 10**6
INCIDENT = Incident(
    id="0b5cf2f0-5b9d-5d4e-8d93-3b8b9f6f2a11",
    tenant="acme",
    decision="fraud",
    kind="drift",
    title="amount has drifted: PSI 6.21 in the last 2 minutes, limit 0.61",
    columns=("amount",),
    opened_us=1_535_630_460 * 10**6,
    breach_since_us=1_535_630_401 * 10**6,
    value=6.21,
    limit=0.61,
    window="fast",
    rows=60,
    bundle="ab" * 32,
    records=("01",),
    facts=("amount: PSI 6.21, limit 0.61, in the last 2 minutes, 60 decisions",),
    runbook="docs/how-to/handle-a-drift-incident.md",
)
SECRET = "a shared secret"


class Mailbox:
    """A mail server that keeps what it is given, and may refuse at first."""

    def __init__(self, refusals: int = 0) -> None:
        self.mails: list[Envelope] = []
        self.logins: list[LoginPassword] = []
        self._refusals = refusals

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self._refusals:
            self._refusals -= 1
            return "451 try again later"
        self.mails.append(envelope)
        return "250 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data)
        return AuthResult(success=True)


def tell(settings: AlertSettings, *incidents: Incident, tries: int = 3) -> None:
    notifier = Notifier(settings, clock=StoppedClock(NOW_US), backoff_s=(0.0,) * (tries - 1))
    for incident in incidents:
        notifier.tell(incident)
    notifier.close(30)


@contextmanager
def mail_server(kept: Mailbox, host: str = "127.0.0.1") -> Generator[str]:
    with socket.create_server((host, 0)) as probe:
        port = probe.getsockname()[1]
    server = Controller(
        kept,
        hostname=host,
        port=port,
        authenticator=kept.authenticate,
        auth_require_tls=False,
    )
    server.start()
    try:
        yield f"{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def mailbox() -> Iterator[tuple[str, Mailbox]]:
    kept = Mailbox(refusals=2)
    with mail_server(kept) as address:
        yield address, kept


def test_a_webhook_that_fails_twice_is_told_in_the_end() -> None:
    with receiver(503, 429) as (url, heard):
        settings = AlertSettings(
            webhook=url, webhook_secret=SECRET, public_url="https://kingpost.example/"
        )
        tell(settings, INCIDENT)

    assert len(heard) == 3
    assert len({one.headers["webhook-id"] for one in heard}) == 1
    assert is_signed(SECRET, heard[-1].headers, heard[-1].body, NOW_US // 10**6)
    document = json.loads(heard[-1].body)
    assert document["type"] == "incident.opened"
    assert document["timestamp"] == "2018-08-30T12:01:00Z"
    assert document["data"]["columns"] == ["amount"]
    assert document["data"]["breach_since"] == "2018-08-30T12:00:01Z"
    assert document["data"]["url"] == f"https://kingpost.example/incidents/{INCIDENT.id}"
    assert document["text"].startswith("fraud: amount has drifted: PSI 6.21")


def test_a_webhook_that_refuses_for_good_is_not_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with receiver(404) as (url, heard), caplog.at_level(logging.INFO):
        tell(AlertSettings(webhook=url, webhook_secret=SECRET), INCIDENT)

    assert len(heard) == 1
    assert "alert_dropped" in [record.message for record in caplog.records]


def test_after_the_last_try_an_alert_is_dropped_and_the_next_one_goes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with receiver(500, 500) as (url, heard), caplog.at_level(logging.INFO):
        tell(AlertSettings(webhook=url), INCIDENT, INCIDENT, tries=2)

    assert len(heard) == 3
    messages = [record.message for record in caplog.records]
    assert messages.count("alert_dropped") == messages.count("alert_sent") == 1


def test_a_mail_gets_through_after_the_server_was_busy(mailbox: tuple[str, Mailbox]) -> None:
    address, kept = mailbox
    settings = AlertSettings(
        smtp=address,
        smtp_user="kingpost",
        smtp_password="p4ssw0rd",
        sender="kingpost@example.com",
        to="ops@example.com, desk@example.com",
        public_url="https://kingpost.example",
    )

    tell(settings, INCIDENT)

    assert len(kept.mails) == 1
    assert kept.mails[0].rcpt_tos == ["ops@example.com", "desk@example.com"]
    assert {(one.login, one.password) for one in kept.logins} == {(b"kingpost", b"p4ssw0rd")}
    assert isinstance(kept.mails[0].content, bytes)
    mail = message_from_bytes(kept.mails[0].content, policy=policy.default)
    assert mail["subject"] == f"[Kingpost] fraud: {INCIDENT.title}"
    assert mail["message-id"] == f"<{INCIDENT.id}@kingpost>"
    text = mail.get_content()
    assert "Since: 2018-08-30T12:00:01Z" in text
    assert f"https://kingpost.example/incidents/{INCIDENT.id}" in text


def test_every_incident_is_logged_and_no_secret_is(
    caplog: pytest.LogCaptureFixture, mailbox: tuple[str, Mailbox]
) -> None:
    address, _ = mailbox
    with receiver(500, 403) as (url, _), caplog.at_level(logging.DEBUG):
        settings = AlertSettings(
            webhook=url,
            webhook_secret=SECRET,
            smtp=address,
            smtp_user="kingpost",
            smtp_password="p4ssw0rd",
            sender="kingpost@example.com",
            to="ops@example.com",
        )
        tell(settings, INCIDENT)

    told = "\n".join(str(record.__dict__) for record in caplog.records) + repr(settings)
    assert "incident_opened" in told
    ours = [record for record in caplog.records if record.name.startswith("kingpost")]
    shown = "\n".join(str(record.__dict__) for record in ours) + repr(settings) + caplog.text
    for secret in (SECRET, "p4ssw0rd", "T0K3N"):
        assert secret not in shown


def test_a_chat_service_is_told_in_the_shape_that_slack_takes() -> None:
    evil = replace(INCIDENT, title="<!channel> & <https://evil.example|click>")
    with receiver(500) as (url, heard):
        settings = AlertSettings(
            slack=url, webhook_secret=SECRET, public_url="https://kingpost.example"
        )
        tell(settings, INCIDENT, evil)

    assert "webhook-signature" not in heard[0].headers, "who posts there is known by the address"
    message, escaped = json.loads(heard[1].body), json.loads(heard[2].body)
    assert set(message) == {"text", "blocks"}, "slack refuses what it does not know"
    assert message["text"] == f"fraud: {INCIDENT.title}"
    section, link = message["blocks"]
    assert section["type"] == "section"
    assert section["text"]["text"] == (
        f"*fraud: {INCIDENT.title}*\n{INCIDENT.facts[0]}\nWhat to do: {INCIDENT.runbook}"
    )
    assert link["elements"][0]["text"] == (
        f"<https://kingpost.example/incidents/{INCIDENT.id}|Look at it>"
    )
    assert escaped["text"] == ("fraud: &lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;")


def test_who_was_told_of_an_incident_and_who_was_not_is_written_down() -> None:
    written: list[tuple[str, str, LogLine]] = []

    def write(tenant: str, incident: str, line: LogLine) -> None:
        written.append((tenant, incident, line))

    with receiver(404) as (refusing, _), receiver() as (taking, _):
        notifier = Notifier(
            AlertSettings(webhook=refusing, slack=taking),
            clock=StoppedClock(NOW_US),
            on_told=write,
        )
        notifier.tell(INCIDENT)
        notifier.tell_of_task(ASKED, "reminded")
        notifier.close(30)

    assert {(tenant, incident) for tenant, incident, _ in written} == {("acme", INCIDENT.id)}
    assert {line for _, _, line in written} == {
        LogLine(NOW_US, "told", "log", ""),
        LogLine(NOW_US, "told", "slack", ""),
        LogLine(NOW_US, "not_told", "webhook", "status 404"),
    }


def test_one_channel_that_hangs_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    # it takes connections, and never says a word
    with socket.create_server(("127.0.0.1", 0)) as silent, receiver() as (url, heard):
        settings = AlertSettings(
            webhook=url,
            smtp=f"127.0.0.1:{silent.getsockname()[1]}",
            sender="a@example.com",
            to="b@example.com",
        )
        notifier = Notifier(settings, clock=StoppedClock(NOW_US), backoff_s=())
        notifier.tell(INCIDENT)
        until(lambda: len(heard) == 1, "the other channel tells")
        assert "alert_dropped" not in caplog.text, "the first still hangs"
        notifier.close(0)


def test_a_title_cannot_add_a_header() -> None:
    evil = replace(INCIDENT, title="x\r\nBcc: everybody@example.com")

    letter = incident_letter(evil, "")
    mail = mail_of(letter, sender="a@example.com", to=("b@example.com",), now_us=NOW_US)

    assert mail["bcc"] is None


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (AlertSettings(webhook="http://x", webhook_secret="whsec_!!"), "alert_webhook_secret"),
        (AlertSettings(smtp="mail", sender="a@b.c", to="a@b.c"), "alert_smtp"),
        (AlertSettings(smtp="mail:25", sender="nobody", to="a@b.c"), "alert_from"),
        (AlertSettings(smtp="mail:25", sender="a@b.c", to=""), "alert_to"),
        (AlertSettings(smtp="mail:25", sender="a@b.c", to="a@b.c, x y"), "alert_to"),
    ],
)
def test_a_setting_that_cannot_be_used_is_said_at_once(
    settings: AlertSettings, expected: str
) -> None:
    with pytest.raises(BadAlertSetting, match=expected):
        Notifier(settings)


@pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8")
def test_a_password_does_not_leave_the_machine_without_tls(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kept = Mailbox()
    with mail_server(kept, "127.0.0.2") as address, caplog.at_level(logging.ERROR):
        settings = AlertSettings(
            smtp=address, smtp_user="u", smtp_password="p", sender="a@b.c", to="a@b.c"
        )
        tell(settings, INCIDENT)

    assert (kept.logins, kept.mails) == ([], [])
    assert "offers no TLS" in str(caplog.records[-1].__dict__)


def test_channels_that_hang_share_the_time_that_is_left_at_the_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        settings = AlertSettings(
            webhook=f"http://127.0.0.1:{port}/hook",
            smtp=f"127.0.0.1:{port}",
            sender="kingpost@example.com",
            to="ops@example.com",
        )
        notifier = Notifier(settings, clock=StoppedClock(NOW_US))
        for _ in range(2):
            notifier.tell(INCIDENT)

        begun_s = time.monotonic()
        notifier.close(2.0)

        assert time.monotonic() - begun_s < 3.9  # one after the other it is 4
    assert [one.message for one in caplog.records].count("alert_dropped") >= 2


def test_an_incident_at_the_end_of_the_calendar_is_told() -> None:
    late = replace(INCIDENT, opened_us=253_402_300_799_999_999)

    letter = incident_letter(late, "")
    mail = mail_of(letter, sender="a@example.com", to=("b@example.com",), now_us=NOW_US)

    assert "9999-12-31T23:59:59.999999Z" in mail.as_string()


ASKED = Task(
    id="bestellung über 17-2",
    tenant="acme",
    kind="approval",
    queue="finance",
    decision="",
    subject="bestellung über 17-2",
    title="Pay 100 €",
    created_us=NOW_US,
    event_time_us=NOW_US,
    due_us=INCIDENT.opened_us,
    about={"iban": "DE02"},
)


def test_people_are_reminded_with_queue_title_and_time_and_nothing_else(
    mailbox: tuple[str, Mailbox], caplog: pytest.LogCaptureFixture
) -> None:
    address, kept = mailbox
    with receiver() as (url, heard), caplog.at_level(logging.INFO):
        settings = AlertSettings(
            webhook=url,
            webhook_secret=SECRET,
            smtp=address,
            sender="kingpost@example.com",
            to="ops@example.com",
            public_url="https://kingpost.example/",
        )
        notifier = Notifier(settings, clock=StoppedClock(NOW_US), backoff_s=(0.0, 0.0))
        notifier.tell_of_task(ASKED, "reminded")
        notifier.tell_of_task(ASKED, "escalated")
        notifier.close(30)

    documents = [json.loads(one.body) for one in heard]
    assert [one["type"] for one in documents] == ["task.reminded", "task.escalated"]
    assert len({one.headers["webhook-id"] for one in heard}) == 2
    assert documents[0]["text"] == (
        "finance: Pay 100 € still waits, due 2018-08-30T12:01:00Z "
        "https://kingpost.example/inbox/bestellung%20%C3%BCber%2017-2"
    )
    assert documents[0]["data"]["due"] == "2018-08-30T12:01:00Z"
    assert isinstance(kept.mails[0].content, bytes)
    mail = message_from_bytes(kept.mails[0].content, policy=policy.default)
    assert mail["subject"] == "[Kingpost] finance: Pay 100 € still waits"
    assert "Due: 2018-08-30T12:01:00Z" in mail.get_content()
    logged = [record for record in caplog.records if record.message.startswith("task_")]
    assert [record.message for record in logged] == ["task_reminded", "task_escalated"]
    ours = [record for record in caplog.records if record.name.startswith("kingpost")]
    told = "".join(str(record.__dict__) for record in ours)
    assert "Pay 100" not in told
    assert "DE02" not in told + str(documents) + str(mail)
