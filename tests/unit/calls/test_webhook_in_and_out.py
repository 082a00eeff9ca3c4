"""Webhooks are believed when they are signed, new and heard for the first time."""

import base64
from collections.abc import Iterator, Mapping

import pytest

from kingpost.calls import (
    BadService,
    BadWebhookSecret,
    MemoryDeadLetters,
    MemoryInbox,
    MemoryOutbox,
    OutboxMessage,
    Relay,
    Route,
    Service,
    WebhookEndpoint,
    WebhookReceiver,
    WebhookRefused,
    webhook_headers,
    webhook_service,
)
from tests.virtual_service import VirtualService, VirtualTime, answer

# the examples of the standard's own libraries
SHARED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PRIVATE = "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk="
PUBLIC = "whpk_ZlN4eg7dSSqi0moX9hQUk3orrOouK3QVQSlJa248c/g="
ID, SENT = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330
BODY = b'{"test": 2432232314}'
V1 = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
V1A = "v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag=="


def headers(signature: str = V1, **changes: str) -> dict[str, str]:
    made = {"webhook-id": ID, "webhook-timestamp": str(SENT), "webhook-signature": signature}
    return made | {name.replace("_", "-"): value for name, value in changes.items()}


def receiver(*secrets: str, at_s: int = SENT) -> WebhookReceiver:
    return WebhookReceiver(secrets, clock=VirtualTime(at_s * 1_000_000))


def is_believed(
    secret: str, given: Mapping[str, str], body: bytes = BODY, at_s: int = SENT
) -> bool:
    try:
        receiver(secret, at_s=at_s).receive(given, body, MemoryInbox())
    except WebhookRefused:
        return False
    return True


@pytest.mark.parametrize(("secret", "signature"), [(SHARED, V1), (PRIVATE, V1A)])
def test_the_examples_of_the_standard_are_signed_alike(secret: str, signature: str) -> None:
    assert webhook_headers(secret, ID, SENT, BODY)["webhook-signature"] == signature


@pytest.mark.parametrize(("secret", "signature"), [(SHARED, V1), (PUBLIC, V1A)])
def test_the_examples_of_the_standard_are_believed(secret: str, signature: str) -> None:
    got = receiver(secret).receive(headers(signature), BODY, MemoryInbox())

    assert got == (ID, SENT, BODY, True)
    assert is_believed(secret, {name.title(): text for name, text in headers(signature).items()})


def changed_bits(text: bytes) -> Iterator[bytes]:
    for bit in range(len(text) * 8):
        changed = bytearray(text)
        changed[bit // 8] ^= 1 << bit % 8
        yield bytes(changed)


@pytest.mark.parametrize(("secret", "signature"), [(SHARED, V1), (PUBLIC, V1A)])
def test_no_changed_bit_is_believed(secret: str, signature: str) -> None:
    given = headers(signature)

    for body in changed_bits(BODY):
        assert not is_believed(secret, given, body)
    for name, value in given.items():
        for changed in changed_bits(value.encode()):
            assert not is_believed(secret, {**given, name: changed.decode("latin1")})


def test_one_of_several_signatures_and_of_several_secrets_is_enough() -> None:
    new = "whsec_" + base64.b64encode(b"n" * 32).decode()
    both = webhook_headers([new, SHARED], ID, SENT, BODY)

    assert len(both["webhook-signature"].split()) == 2
    assert is_believed(SHARED, both)
    assert is_believed(new, both)
    receiver(new, SHARED, PUBLIC).receive(headers(), BODY, MemoryInbox())
    assert not is_believed(new, headers())


@pytest.mark.parametrize(
    ("later_s", "is_taken"), [(300, True), (301, False), (-300, True), (-301, False)]
)
def test_a_message_is_believed_within_five_minutes(later_s: int, is_taken: bool) -> None:
    assert is_believed(SHARED, headers(), at_s=SENT + later_s) is is_taken


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook_id": ""},
        {"webhook_id": "x" * 257},
        {"webhook_timestamp": ""},
        {"webhook_timestamp": "-5"},
        {"webhook_timestamp": "1" * 16},
        {"webhook_signature": ""},
        {"webhook_signature": "v1,"},
        {"webhook_signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
    ],
)
def test_what_is_missing_or_odd_is_refused(changes: dict[str, str]) -> None:
    assert not is_believed(SHARED, headers(**changes))
    assert not is_believed(PUBLIC, headers(V1A, **changes))


def test_a_large_body_is_refused_before_it_is_hashed() -> None:
    small = WebhookReceiver([SHARED], max_bytes=10)

    with pytest.raises(WebhookRefused, match="10 bytes"):
        small.receive(headers(), BODY, MemoryInbox())


def test_a_message_that_comes_again_is_told_apart() -> None:
    inbox = MemoryInbox()

    assert receiver(SHARED).receive(headers(), BODY, inbox).is_first
    assert not receiver(SHARED).receive(headers(), BODY, inbox).is_first


@pytest.mark.parametrize("secrets", [[], [""], ["whsec_"], ["whsec_%"], ["whpk_%%%"]])
def test_secrets_that_cannot_be_used_are_refused_when_they_are_given(secrets: list[str]) -> None:
    with pytest.raises(BadWebhookSecret) as caught:
        WebhookReceiver(secrets)

    assert "%" not in str(caught.value)


def test_a_key_for_the_other_side_is_refused() -> None:
    with pytest.raises(BadWebhookSecret):
        webhook_headers(PUBLIC, ID, SENT, BODY)
    with pytest.raises(BadWebhookSecret):
        receiver(PRIVATE).receive(headers(V1A), BODY, MemoryInbox())


def test_a_webhook_is_signed_anew_each_time_over_hours_and_then_a_dead_letter() -> None:
    time = VirtualTime(SENT * 1_000_000)
    there = VirtualService(answer(500), time=time)
    endpoint = WebhookEndpoint(
        there.client(webhook_service("shop", "https://shop.example/hook")), [SHARED], clock=time
    )
    outbox = MemoryOutbox()
    outbox.put(OutboxMessage(ID, "shop", BODY), now_us=time.now_us())
    relay = Relay(outbox, {"shop": Route(endpoint)}, clock=time, chance=lambda: 0.0)

    while outbox.backlog():
        relay.run_once()
        time.sleep(5)

    assert len(there.sent) == 10
    assert time.passed_s == pytest.approx(75.6 * 3600, rel=0.01)
    assert {sent.headers["webhook-id"] for sent in there.sent} == {ID}
    assert there.sent[0].headers["webhook-signature"] == V1
    assert len({sent.headers["webhook-signature"] for sent in there.sent}) == 10
    letter = MemoryDeadLetters(outbox).get("default", ID)
    assert letter is not None
    assert letter.attempts == 10


def test_an_endpoint_that_is_gone_is_not_tried_again_and_a_refusal_is() -> None:
    for status, outcome in ((410, "never"), (404, "later"), (204, "sent")):
        there = VirtualService(answer(status))
        endpoint = WebhookEndpoint(
            there.client(webhook_service("s", "https://s.example")), [SHARED]
        )

        assert endpoint.send(OutboxMessage(ID, "s", BODY), 5).outcome == outcome


def test_an_endpoint_is_of_a_service_for_webhooks() -> None:
    other = Service("s", "https://s.example", idempotency="Idempotency-Key")

    with pytest.raises(BadService):
        WebhookEndpoint(VirtualService().client(other), [SHARED])
