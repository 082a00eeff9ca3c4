"""Secrets are where they have to be and nowhere else: no log, no answer, no file, no argument."""

import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from tests.cli_app import PreparedShop
from tests.served_shop import ServedShop, order, until
from tests.unit.calls.test_webhook import receiver
from tests.unit.monitoring.test_notify import Mailbox, mail_server

SECRETS = {
    "KINGPOST_ALERT_WEBHOOK_SECRET": "whsec_dGVsbC1ub2JvZHktMg==",
    "KINGPOST_ALERT_SMTP_PASSWORD": "tell-nobody-3",
    "KINGPOST_OIDC_CLIENT_SECRET": "tell-nobody-4",
}
BESIDE = {
    "KINGPOST_ALERT_SMTP_USER": "kingpost",
    "KINGPOST_ALERT_FROM": "kingpost@shop.example",
    "KINGPOST_ALERT_TO": "ops@shop.example",
    "KINGPOST_OIDC_ISSUER": "http://127.0.0.1:9/realm",
    "KINGPOST_OIDC_CLIENT_ID": "kingpost",
    "KINGPOST_PUBLIC_URL": "http://127.0.0.1:8080",
}


class Strict(Mailbox):
    """A mail server that lets nobody in, and says whom it turned away."""

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        self.turned_away = data
        return AuthResult(success=False, handled=False, message=f"535 not with {data}")


def test_no_secret_is_written_anywhere(
    prepared_shop: PreparedShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = prepared_shop.copied(tmp_path)
    for name, value in (SECRETS | BESIDE).items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    with refusing() as where:
        for name, value in where.items():
            monkeypatch.setenv(name, value)
        with ServedShop(tmp_path, secret) as server:
            said += [answer.text for answer in asked(server, secret)]
            cookies = signed_in(server.url, secret)
            said += [arguments(server.process.pid)]
            alarm(server)
            assert server.end() == 0
    log = server.log.read_text()
    assert "incident_opened" in log
    assert "SMTP status 535" in log
    assert "status 403" in log
    said.append(log)
    said += [
        file.read_bytes().decode("latin-1")
        for file in tmp_path.rglob("*")
        if file.is_file() and file.suffix not in (".csv", ".py")
    ]

    hidden = [
        *SECRETS.values(),
        *where.values(),
        "tell-nobody",
        secret,
        secret.rpartition("_")[2],
        *cookies,
    ]
    for text in said:
        for each in hidden:
            assert each not in text


@contextmanager
def refusing() -> Generator[dict[str, str]]:
    """Run a webhook and a mail server that take nothing; say what leads there."""
    with receiver(*[403] * 100) as (url, _), mail_server(Strict()) as mail:
        yield {
            "KINGPOST_ALERT_WEBHOOK": f"{url}/tell-nobody-1",
            "KINGPOST_ALERT_SMTP": mail,
        }


def alarm(server: ServedShop) -> None:
    """Send orders as there were none before, until both channels have failed to tell of it."""
    for number in range(0, 12_000, 50):  # ten minutes of stream time
        body = order(f"high-{number}", number).rpartition(b":")[0] + b":99999.5}"
        assert server.decide(body).status_code == 200
    until(lambda: server.log.read_text().count("alert_dropped") >= 2, "alerts fail")


def asked(server: ServedShop, secret: str) -> list[httpx.Response]:
    """Use the key well and badly."""
    client = server.client
    answers = [
        server.decide(order("o-1")),
        server.decide(b"{"),
        client.get("/v1/records/x"),
        client.get(f"/v1/records/{secret}"),
        client.get("/v1/decisions", headers={"authorization": f"Bearer {secret}x"}),
        client.get("/v1/decisions", headers={"authorization": f"Basic {secret}"}),
        client.get("/metrics", params={"key": secret}),
        client.post(
            "/v1/decisions/risk", content=order("o-2"), headers={b"idempotency-key": b"\xe9"}
        ),
        client.get("/no/such/page", headers={"cookie": f"kingpost={secret}"}),
    ]
    return [answer for answer in answers if secret not in str(answer.request.url)]


def signed_in(url: str, secret: str) -> list[str]:
    """Sign in to the console, rightly and wrongly; return what the cookies hold."""
    with httpx.Client(base_url=url, follow_redirects=False) as client:
        page = client.get("/login?next=/records")
        for key, status in ((secret + "x", 401), (secret, 303)):  # a form is good once
            form = dict(re.findall(r'name="([^"]+)"[^>]*value="([^"]*)"', page.text))
            page = client.post("/login", data={**form, "key": key}, headers={"origin": url})
            assert page.status_code == status
        assert page.headers["location"] == "/records"
        session = client.cookies["kingpost"]
        assert client.get("/records").status_code == 200
        client.get("/login/oidc")
        return [session, *(value for value in client.cookies.values() if len(value) > 16)]


def arguments(pid: int) -> str:
    """Return the arguments of a process and its children, which everybody may read."""
    found: list[str] = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            status = (process / "status").read_text()
            is_family = process.name == str(pid) or f"PPid:\t{pid}\n" in status
            found += [(process / "cmdline").read_text()] if is_family else []
        except OSError:  # it has ended meanwhile
            continue
    assert found or not os.path.isdir("/proc/self")
    return "\n".join(found)
