"""Secrets are where they have to be and nowhere else: no log, no answer, no file, no argument."""

import os
import re
import time
from pathlib import Path

import httpx
import pytest

from tests.cli_app import prepare
from tests.served_shop import ServedShop, order

SECRETS = {
    "KINGPOST_ALERT_WEBHOOK": "http://127.0.0.1:9/hook/tell-nobody-1",
    "KINGPOST_ALERT_WEBHOOK_SECRET": "whsec_dGVsbC1ub2JvZHktMg==",
    "KINGPOST_ALERT_SMTP_PASSWORD": "tell-nobody-3",
    "KINGPOST_OIDC_CLIENT_SECRET": "tell-nobody-4",
}
BESIDE = {
    "KINGPOST_ALERT_SMTP": "127.0.0.1:9",
    "KINGPOST_ALERT_SMTP_USER": "kingpost",
    "KINGPOST_ALERT_FROM": "kingpost@shop.example",
    "KINGPOST_ALERT_TO": "ops@shop.example",
    "KINGPOST_OIDC_ISSUER": "http://127.0.0.1:9/realm",
    "KINGPOST_OIDC_CLIENT_ID": "kingpost",
    "KINGPOST_PUBLIC_URL": "http://127.0.0.1:8080",
}


def test_no_secret_is_written_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = prepare(tmp_path)
    for name, value in (SECRETS | BESIDE).items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    with ServedShop(tmp_path, secret) as server:
        said += [answer.text for answer in asked(server, secret)]
        cookies = signed_in(server.url, secret)
        said += [arguments(server.process.pid)]
        time.sleep(1)
        assert server.end() == 0
    said.append(server.log.read_text())
    said += [
        file.read_bytes().decode("latin-1")
        for file in tmp_path.rglob("*")
        if file.is_file() and file.suffix not in (".csv", ".py")
    ]

    hidden = [*SECRETS.values(), "tell-nobody", secret, secret.rpartition("_")[2], *cookies]
    for text in said:
        for each in hidden:
            assert each not in text


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
        page = client.get("/login")
        if page.status_code != 200:
            return []
        form = dict(re.findall(r'name="([^"]+)"[^>]*value="([^"]*)"', page.text))
        for key in (secret + "x", secret):
            client.post("/login", data={**form, "key": key}, headers={"origin": url})
        client.get("/")
        client.get("/login/oidc")
        return [value for value in client.cookies.values() if len(value) > 16]


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
