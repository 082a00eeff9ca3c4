"""Workflows that do something outside, and die where they are told to."""

import http.client
import json
import os
import signal
import time

import kingpost as kp
from kingpost.workflows import Workflow

__all__ = [
    "ORDERS",
    "PLAN",
    "asks",
    "five",
    "growing",
    "order_before",
    "order_now",
    "ticked",
    "twenty",
]

PLAN = {"die_at": "", "receiver": "", "log": ""}
"""Where this process dies, who takes the effects, and where it notes which steps ran."""


def die_at(point: str) -> None:
    if point == PLAN["die_at"]:
        os.kill(os.getpid(), signal.SIGKILL)


@kp.step(retries=kp.retries(4, "50ms"))
def effect(number: int) -> int:
    """Do something at the receiver, under a key."""
    die_at(f"{number}:before")
    note(f"{kp.workflow_id()} {number}")
    send(number, kp.effect_key())
    die_at(f"{number}:after")
    return number


def note(line: str) -> None:
    """Append a line to the log of this run, in one write."""
    descriptor = os.open(PLAN["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def send(number: int, key: str) -> None:
    host, port = PLAN["receiver"].split(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        body = json.dumps({"workflow": kp.workflow_id(), "step": number})
        connection.request("POST", "/effects", body, {"Idempotency-Key": key})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status
    finally:
        connection.close()


@kp.step(effect="at_most_once")
def keyless(number: int) -> int:
    """Do something at a receiver that would do it again."""
    note(f"{kp.workflow_id()} {number}")
    send(number, kp.effect_key())
    die_at(f"{number}:after")
    return number


@kp.workflow
def once(number: int) -> int:
    """Do one effect that may be done once at most."""
    return keyless(number)


@kp.workflow
def twenty(steps: int) -> int:
    """Do one effect after another."""
    for number in range(1, steps + 1):
        effect(number)
        die_at(f"{number}:boundary")
    return steps


ORDERS = kp.queue("orders", at_once_per_worker=48, poll="100ms")


async def _order(number: int, *, has_fee: bool) -> int:
    await kp.run(effect, 1)
    await kp.sleep(f"{100 + number % 7 * 100}ms")
    await kp.together(kp.run(effect, 2), kp.run(effect, 3))
    if has_fee and await kp.apatched("fee"):
        await kp.run(effect, 100)
    await kp.sleep("200ms")
    await kp.run(effect, 4)
    return number


@kp.workflow(name="order", queue=ORDERS)
async def order_before(number: int) -> int:
    """An order as it was before the deployment."""
    return await _order(number, has_fee=False)


@kp.workflow(name="order", queue=ORDERS)
async def order_now(number: int) -> int:
    """An order as it is since the deployment: with a fee."""
    return await _order(number, has_fee=True)


@kp.step
def nothing(number: int) -> int:
    return number + 1


@kp.workflow
def five(number: int) -> int:
    """Five steps that do nothing."""
    for _ in range(5):
        number = nothing(number)
    return number


@kp.workflow
async def waiting(steps: int) -> float:
    """Steps that do nothing, in a workflow that could wait; return the seconds that they took."""
    start = time.perf_counter()
    for number in range(steps):
        await kp.run(nothing, number)
    return time.perf_counter() - start


@kp.workflow
def growing(steps: int) -> int:
    """As many steps as asked for, which return 100 bytes each."""
    for _ in range(steps):
        hundred()
    return steps


@kp.step
def hundred() -> str:
    return "x" * 100


@kp.workflow
def ticked(number: int) -> int:
    """What a timer starts."""
    return tick(number)


@kp.step
def tick(number: int) -> int:
    note(f"tick {number}")
    return number


@kp.workflow
async def asks(number: int) -> str:
    """Wait for a person."""
    answer = await kp.ask("desk", f"may {number}?", within="1d")
    return answer.verdict


ALL: list[Workflow[..., object]] = [twenty, once, order_now, five, waiting, growing, ticked, asks]
BEFORE: list[Workflow[..., object]] = [
    twenty,
    once,
    order_before,
    five,
    waiting,
    growing,
    ticked,
    asks,
]
