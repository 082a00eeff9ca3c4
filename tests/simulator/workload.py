"""What callers of a simulated engine ask for: small bodies, few keys, many repetitions."""

from random import Random
from typing import NamedTuple

from kingpost.contracts import contract_of
from kingpost.decisions import Ask
from tests.tiny_app import Chargeback, Payment, payment

__all__ = ["CARDS", "IDS", "SHOPS", "TENANTS", "Wish", "a_batch", "a_wish", "ask_of", "probes"]

TENANTS = ("acme", "umbrella")
CARDS = ("c1", "c2", "c3")
SHOPS = ("s1", "s2")
IDS = tuple(f"p{at}" for at in range(80))
_AMOUNTS = (0.07, 10.0, 19.99, 420.0, 900.0)
_UNLUCKY = 13.0
_PAYMENTS, _CHARGEBACKS = contract_of(Payment), contract_of(Chargeback)


class Wish(NamedTuple):
    """A request for a decision, as a caller would send it again."""

    tenant: str
    body: bytes
    idempotency_key: str | None


def a_wish(random: Random, before: list[Wish]) -> Wish:
    """Make a request; one in four is sent a second time."""
    if before and random.random() < 0.25:
        return random.choice(before)
    amount = _UNLUCKY if random.random() < 0.05 else random.choice(_AMOUNTS)
    identifier = random.choice(IDS)
    body = payment(identifier, amount, card=random.choice(CARDS), minute=random.randrange(4))
    key = f"{identifier}-{amount}" if random.random() < 0.5 else None
    return Wish(random.choice(TENANTS), body, key)


def probes() -> list[Wish]:
    """Return a request per tenant and card that no run has made before."""
    return [
        Wish(tenant, payment(f"probe-{card}", 20.0, card=card, minute=9), f"probe-{card}")
        for tenant in TENANTS
        for card in CARDS
    ]


def ask_of(wish: Wish) -> Ask:
    """Let a request in."""
    event = _PAYMENTS.decode(wish.body)
    return Ask("fraud", wish.tenant, "k", event, wish.body, "0", None, wish.idempotency_key, 0)


def a_batch(random: Random) -> tuple[str, list[bytes]]:
    """Make events that ask for nothing, of one stream: its name and their bodies."""
    number = random.choice((1, 1, 2, 5, 40))
    if random.random() < 0.5:
        bodies = [
            payment(
                random.choice(IDS),
                random.choice(_AMOUNTS),
                card=random.choice(CARDS),
                minute=random.randrange(4),
            )
            for _ in range(number)
        ]
        return _PAYMENTS.name, bodies
    return _CHARGEBACKS.name, [
        f'{{"payment":"{random.choice(IDS)}","at":"2018-07-{random.randrange(20, 32)}T12:00:00Z",'
        f'"known_at":"2018-08-01T11:00:00Z","shop":"{random.choice(SHOPS)}",'
        f'"fraud":{random.choice(("true", "false"))}}}'.encode()
        for _ in range(number)
    ]
