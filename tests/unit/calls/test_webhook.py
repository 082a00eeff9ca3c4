"""Webhooks are signed as the standard says, and tell nobody their address."""

import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import NamedTuple

import pytest

from kingpost.calls import (
    BadWebhookSecret,
    WebhookFailed,
    WebhookSender,
    is_signed,
    webhook_headers,
)

# the example of the standard's own libraries
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, SENT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


class Heard(NamedTuple):
    path: str
    headers: dict[str, str]
    body: bytes


@contextmanager
def receiver(*statuses: int) -> Generator[tuple[str, list[Heard]]]:
    """Answer one request after the other with these statuses, then with 200."""
    heard: list[Heard] = []
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            heard.append(Heard(self.path, headers, body))
            self.send_response(left.pop(0) if left else 200)
            self.send_header("location", "/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hooks/T0K3N", heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_signature_is_that_of_the_standard() -> None:
    headers = webhook_headers(SECRET, ID, SENT, BODY)

    assert headers == {
        "webhook-id": ID,
        "webhook-timestamp": str(SENT),
        "webhook-signature": SIGNATURE,
    }


def test_a_receiver_tells_what_is_signed_from_what_is_not() -> None:
    headers = webhook_headers(SECRET, ID, SENT, BODY)

    assert is_signed(SECRET, headers, BODY, SENT + 10)
    assert is_signed(SECRET, headers | {"webhook-signature": f"v1,x {SIGNATURE}"}, BODY, SENT)
    assert not is_signed(SECRET, headers, BODY + b" ", SENT)
    assert not is_signed("another", headers, BODY, SENT)
    assert not is_signed(SECRET, headers, BODY, SENT + 301)
    assert not is_signed(SECRET, headers | {"webhook-timestamp": "soon"}, BODY, SENT)
    assert not is_signed(SECRET, {}, BODY, SENT)


def test_a_secret_may_be_any_text() -> None:
    headers = webhook_headers("correct horse", ID, SENT, BODY)

    assert is_signed("correct horse", headers, BODY, SENT)


def test_a_secret_that_is_cut_short_is_an_error_that_does_not_tell_it() -> None:
    with pytest.raises(BadWebhookSecret) as caught:
        WebhookSender("http://localhost", "whsec_MfKQ9")
    assert "MfKQ9" not in str(caught.value)


def test_what_is_sent_can_be_checked() -> None:
    with receiver() as (url, heard):
        WebhookSender(url, SECRET).send(ID, BODY, SENT)

    assert heard[0].path == "/hooks/T0K3N"
    assert heard[0].body == BODY
    assert is_signed(SECRET, heard[0].headers, heard[0].body, SENT)


def test_without_a_secret_nothing_is_signed() -> None:
    with receiver() as (url, heard):
        WebhookSender(url).send(ID, BODY, SENT)

    assert "webhook-signature" not in heard[0].headers


@pytest.mark.parametrize(
    ("status", "again"), [(500, True), (429, True), (302, False), (401, False), (404, False)]
)
def test_what_is_not_taken_says_whether_to_try_again(
    status: int, again: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.INFO),
        receiver(status) as (url, _),
        pytest.raises(WebhookFailed) as caught,
    ):
        WebhookSender(url).send(ID, BODY, SENT)

    assert WebhookSender.may_try_again(caught.value) is again
    assert "T0K3N" not in f"{caught.value} {caplog.text}"


def test_an_address_where_nobody_listens_is_an_error_that_does_not_tell_it() -> None:
    with receiver() as (url, _):
        pass

    with pytest.raises(WebhookFailed, match="ConnectError") as caught:
        WebhookSender(url).send(ID, BODY, SENT)
    assert WebhookSender.may_try_again(caught.value)
    assert caught.value.__cause__ is None
    assert "T0K3N" not in str(caught.value)
