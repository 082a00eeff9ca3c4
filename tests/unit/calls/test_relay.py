"""A relay sends what waits, in its order, until it is taken or a dead letter."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from kingpost.calls import (
    BadService,
    Breaker,
    Broken,
    CallAnswer,
    CallStoreFailed,
    Claimed,
    Delivery,
    MemoryDeadLetters,
    MemoryOutbox,
    OutboxMessage,
    Relay,
    RelayRound,
    Retries,
    Route,
    Service,
    ServiceSender,
)
from tests.virtual_service import VirtualService, VirtualTime, answer

KEYED = Service(
    "bank", "https://bank.example", idempotency="Idempotency-Key", retries=Retries(attempts=1)
)


class Scripted:
    """Sends with the outcomes given, then `sent`."""

    def __init__(
        self, *outcomes: Delivery | Exception, takes: Callable[[], None] | None = None
    ) -> None:
        self.outcomes = list(outcomes)
        self.sent: list[str] = []
        self.takes = takes

    def send(self, message: OutboxMessage, within_s: float) -> Delivery:
        self.sent.append(message.id)
        if self.takes:
            self.takes()
        outcome = self.outcomes.pop(0) if self.outcomes else Delivery("sent")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class House:
    def __init__(self, sender: Scripted, *, waits: tuple[str, ...] = ("5s", "5m")) -> None:
        self.time, self.outbox = VirtualTime(), MemoryOutbox()
        self.dead = MemoryDeadLetters(self.outbox)
        self.relay = Relay(
            self.outbox, {"bank": Route(sender, waits)}, clock=self.time, chance=lambda: 0.0
        )

    def put(self, identifier: str, order_key: str = "") -> None:
        message = OutboxMessage(identifier, "bank", b"x", order_key)
        self.outbox.put(message, now_us=self.time.now_us())


def test_messages_are_sent_once() -> None:
    sender = Scripted()
    house = House(sender)
    for name in "abc":
        house.put(name)

    assert house.relay.run_once() == RelayRound(sent=3)
    assert house.relay.run_once() == RelayRound()
    assert sender.sent == ["a", "b", "c"]


def test_a_message_is_sent_again_after_each_wait_and_then_is_a_dead_letter() -> None:
    sender = Scripted(*[Delivery("later", "status 503")] * 3)
    house = House(sender)
    house.put("a")
    sent_at: list[float] = []

    for _ in range(400):
        if house.relay.run_once().handled:
            sent_at.append(house.time.passed_s)
        house.time.sleep(1)

    assert sent_at == [0, 5, 305]
    letter = house.dead.get("default", "a")
    assert letter is not None
    assert (letter.attempts, letter.reason) == (3, "status 503")


def test_the_receivers_wait_is_kept_and_holding_is_no_attempt() -> None:
    sender = Scripted(Delivery("later", "", 60), *[Delivery("held", "circuit_open", 2)] * 5)
    house = House(sender)
    house.put("a")
    sent_at: list[float] = []

    for _ in range(100):
        if house.relay.run_once().handled:
            sent_at.append(house.time.passed_s)
        house.time.sleep(1)

    assert sent_at == [0, 60, 62, 64, 66, 68, 70]


def test_what_can_never_be_taken_is_a_dead_letter_at_once_and_the_next_goes_on() -> None:
    sender = Scripted(Delivery("never", "status 400"))
    house = House(sender)
    house.put("a", "k")
    house.put("b", "k")

    assert house.relay.run_once() == RelayRound(dead=1)
    assert house.relay.run_once() == RelayRound(sent=1)
    assert sender.sent == ["a", "b"]


def test_a_sender_that_breaks_does_not_stop_the_others() -> None:
    house = House(Scripted(ZeroDivisionError()))
    house.put("a")
    house.put("b")

    assert house.relay.run_once() == RelayRound(sent=1, later=1)


def test_a_message_is_not_sent_when_its_lease_may_end_meanwhile() -> None:
    house: House
    sender = Scripted(takes=lambda: house.time.sleep(115))
    house = House(sender)
    house.put("a")
    house.put("b")

    assert house.relay.run_once() == RelayRound(sent=1)
    assert sender.sent == ["a"]
    house.time.sleep(5)
    assert house.relay.run_once() == RelayRound(sent=1)


def test_a_relay_runs_until_it_is_told_to_stop() -> None:
    stop = threading.Event()
    house = House(Scripted(takes=stop.set))
    house.put("a")

    house.relay.run(stop)

    assert house.outbox.backlog() == []


def test_a_relay_goes_on_after_its_database_refused(caplog: pytest.LogCaptureFixture) -> None:
    class Refusing(MemoryOutbox):
        refusals = 2

        def claim(
            self, routes: Sequence[str], by: str, *, now_us: int, lease_us: int, limit: int
        ) -> Sequence[Claimed]:
            self.refusals -= 1
            if self.refusals >= 0:
                raise CallStoreFailed("SQLite", "database is locked")
            return super().claim(routes, by, now_us=now_us, lease_us=lease_us, limit=limit)

    stop, outbox = threading.Event(), Refusing()
    outbox.put(OutboxMessage("a", "bank", b"x"), now_us=0)
    sender = Scripted(takes=stop.set)

    Relay(outbox, {"bank": Route(sender)}).run(stop, idle_s=0.001)

    assert sender.sent == ["a"]
    assert [one.getMessage() for one in caplog.records] == ["relay_failed"] * 2


def deliver(
    *outcomes: CallAnswer | Broken, service: Service = KEYED
) -> tuple[Delivery, VirtualService]:
    there = VirtualService(*outcomes)
    sender = ServiceSender(there.client(service), "/in")
    return sender.send(OutboxMessage("m1", "bank", b"x", content_type="text/plain"), 5), there


def test_a_message_goes_to_its_service_with_its_id_as_the_key() -> None:
    delivery, there = deliver(answer(202))

    assert delivery == Delivery("sent")
    sent = there.sent[0]
    assert (sent.method, sent.url, sent.body) == ("POST", "https://bank.example/in", b"x")
    assert sent.headers["idempotency-key"] == "m1"
    assert sent.headers["content-type"] == "text/plain"


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (answer(400), "never"),
        (answer(401), "later"),
        (answer(503), "later"),
        (Broken("lost", "ReadError"), "later"),
        (answer(429, retry_after="7"), "later"),
        (Broken("large", "", 200), "sent"),
        (Broken("untrusted", "expired"), "later"),
    ],
)
def test_what_a_call_came_to_says_what_becomes_of_the_message(
    outcome: CallAnswer | Broken, expected: str
) -> None:
    assert deliver(outcome)[0].outcome == expected


def test_a_receivers_wait_reaches_the_relay_and_an_open_breaker_holds() -> None:
    assert deliver(answer(429, retry_after="7"))[0].retry_after_s == 7
    there = VirtualService(answer(500))
    breaker = Breaker(minimum=1, open="5s")
    sender = ServiceSender(there.client(replace(KEYED, breaker=breaker)))
    message = OutboxMessage("m1", "bank", b"x")

    assert [sender.send(message, 5).outcome for _ in range(2)] == ["later", "held"]


def test_a_service_without_keys_cannot_be_sent_to_from_an_outbox() -> None:
    service = Service("bank", "https://bank.example", at_most_once=True)

    with pytest.raises(BadService, match="outbox"):
        ServiceSender(VirtualService().client(service))
