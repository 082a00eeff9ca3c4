"""Connections that answer decisions themselves, and what they leave to ASGI."""

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from kingpost.decisions import Ask
from kingpost.serving import fast_lane
from kingpost.serving.fast_lane import MOST_IN_FLIGHT
from tests.fast_lane_house import House, Line
from tests.tiny_app import payment


def run(scene: Callable[[House, Line], Awaitable[None]]) -> House:
    house = House()

    async def play() -> None:
        await scene(house, Line(house, "fast"))

    try:
        asyncio.run(asyncio.wait_for(play(), 20))
    finally:
        house.app.close()
    return house


def payments(house: House, count: int) -> bytes:
    return b"".join(house.request(payment(f"p{number}")) for number in range(count))


def test_a_plain_request_needs_no_asgi() -> None:
    async def scene(house: House, line: Line) -> None:
        line.send(house.request(payment("p1", 900)))
        (answer,) = await line.answered(1)
        assert answer.status == 200
        assert b'"fraud":true' in answer.body
        assert house.app.metrics.waiting == 0

    assert run(scene).asgi_requests == 0


def test_an_answered_request_leaves_nothing_for_the_garbage_collector() -> None:
    async def scene(house: House, line: Line) -> None:
        gc.collect()
        gc.disable()
        try:
            line.send(payments(house, 20))
            await line.answered(20)
            await asyncio.sleep(0)
            assert [one for one in gc.get_objects() if isinstance(one, Ask)] == []
        finally:
            gc.enable()

    run(scene)


def test_a_key_that_was_revoked_is_refused_also_with_a_head_that_was_read_before() -> None:
    async def scene(house: House, line: Line) -> None:
        line.send(house.request(payment("p1")))
        await line.answered(1)
        for key in house.key_store.list():
            house.key_store.revoke(key.id, house.clock.now_us())
        house.clock.advance(2)
        line.send(house.request(payment("p2")))
        found = await line.answered(2)
        assert [answer.status for answer in found] == [200, 401]

    assert run(scene).asgi_requests == 0


def test_a_head_that_was_refused_is_refused_again() -> None:
    async def scene(house: House, line: Line) -> None:
        for number in range(3):
            line.send(house.request(payment(f"p{number}"), "content-type: text/plain"))
            await line.answered(number + 1)
        assert [answer.status for answer in line.answers()] == [415, 415, 415]

    assert run(scene).asgi_requests == 0


def test_a_body_may_come_right_behind_its_head() -> None:
    async def scene(house: House, line: Line) -> None:
        request = house.request(payment("p1"))
        line.send(request[:-20])
        assert line.answers() == []
        line.send(request[-20:])
        (answer,) = await line.answered(1)
        assert answer.status == 200

    assert run(scene).asgi_requests == 0


def test_a_body_that_is_late_goes_the_way_of_asgi(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_lane, "BODY_BEHIND_S", 0.001)

    async def scene(house: House, line: Line) -> None:
        request = house.request(payment("p1"))
        line.send(request[:-20])
        while not house.asgi_requests:
            await asyncio.sleep(0.001)
        line.send(request[-20:])
        (answer,) = await line.answered(1)
        assert answer.status == 200

    assert run(scene).asgi_requests == 1


def test_a_connection_that_closes_in_the_middle_of_a_body_leaves_nothing_behind() -> None:
    async def scene(house: House, line: Line) -> None:
        line.send(house.request(payment("p1"))[:-20])
        line.close()
        await asyncio.sleep(2 * fast_lane.BODY_BEHIND_S)
        assert house.app.metrics.waiting == 0

    assert run(scene).asgi_requests == 0


def test_pipelined_requests_are_answered_in_their_order_and_so_many_at_a_time() -> None:
    async def scene(house: House, line: Line) -> None:
        line.send(payments(house, MOST_IN_FLIGHT + 3))
        assert not line.wire.is_read
        found = await line.answered(MOST_IN_FLIGHT + 3)
        positions = [answer.body.partition(b'"position":"data:')[2] for answer in found]
        numbers = [int(each.partition(b'"')[0]) for each in positions]
        assert numbers == sorted(numbers)
        assert line.wire.is_read

    assert run(scene).asgi_requests == 3


def test_a_refusal_waits_for_the_answers_before_it() -> None:
    async def scene(house: House, line: Line) -> None:
        good = house.request(payment("p1"))
        line.send(good + house.request(b"{") + house.request(payment("p2")))
        assert line.answers() == []
        found = await line.answered(3)
        assert [answer.status for answer in found] == [200, 422, 200]

    assert run(scene).asgi_requests == 0


def test_a_server_that_shuts_down_answers_what_is_in_flight_and_closes() -> None:
    async def scene(house: House, line: Line) -> None:
        request = house.request(payment("p1"))
        line.send(request)
        line.protocol.shutdown()
        assert not line.wire.is_closing()
        (answer,) = await line.answered(1)
        assert answer.status == 200
        assert (b"connection", b"close") in answer.headers
        assert line.wire.is_closing()

    assert run(scene).asgi_requests == 0


def test_a_server_that_shuts_down_waits_for_a_body_that_is_on_its_way() -> None:
    async def scene(house: House, line: Line) -> None:
        request = house.request(payment("p1"))
        line.send(request[:-20])
        line.protocol.shutdown()
        assert not line.wire.is_closing()
        line.send(request[-20:])
        (answer,) = await line.answered(1)
        assert answer.status == 200
        while not line.wire.is_closing():
            await asyncio.sleep(0.001)

    assert run(scene).asgi_requests == 1


def test_a_silent_connection_is_closed_and_a_busy_one_is_not() -> None:
    async def scene(house: House, line: Line) -> None:
        line.protocol.timeout_keep_alive = 0.6  # pyright: ignore[reportAttributeAccessIssue]  uvicorn takes any number
        for number in range(4):
            line.send(house.request(payment(f"p{number}")))
            await line.answered(number + 1)
            await asyncio.sleep(0.2)
            assert not line.wire.is_closing()
        await line.wire.closed.wait()

    run(scene)


def test_nothing_is_written_to_a_caller_that_is_gone() -> None:
    async def scene(house: House, line: Line) -> None:
        line.send(payments(house, 3))
        line.close()
        while house.app.metrics.waiting:
            await asyncio.sleep(0.001)
        assert line.wire.written == b""

    run(scene)


def test_a_caller_that_closes_its_half_still_gets_its_answers() -> None:
    async def scene(house: House, line: Line) -> None:
        line.send(payments(house, 3))
        assert line.protocol.eof_received()
        await line.wire.closed.wait()
        assert [answer.status for answer in line.answers()] == [200] * 3

    run(scene)


def test_a_caller_that_does_not_read_is_not_written_to_for_ever() -> None:
    async def scene(house: House, line: Line) -> None:
        line.protocol.pause_writing()
        line.send(payments(house, 2))
        await asyncio.sleep(0.05)
        assert (house.asgi_requests, line.wire.written) == (1, b"")
        line.protocol.resume_writing()
        assert len(await line.answered(2)) == 2

    run(scene)
