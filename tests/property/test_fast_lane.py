"""All forms of the decision route give the same answers, however requests come."""

import asyncio

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from kingpost.serving import ServingSettings
from tests.fast_lane_house import PATH, Answered, Form, House, Line
from tests.tiny_app import payment

LIMIT = 400
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""What fails is short enough, and each try takes a server."""


def kinds(house: House) -> list[bytes]:
    """Write one request of every kind that the route tells apart, and some beside it."""
    good, request = payment("p1", 900), house.request
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(good), good)
    return [
        request(good),
        request(payment("p2", 30)),
        request(payment("p2", 31)),
        request(payment("p3", 13)),
        request(payment("p4", 40), "idempotency-key: k1"),
        request(payment("p5", 40), "idempotency-key: k1"),
        request(good, "idempotency-key: a b"),
        request(
            good, "kingpost-session: s", "traceparent: 00-" + "a" * 32 + "-" + "b" * 16 + "-01"
        ),
        request(good, scope=None),
        request(good, scope="records"),
        request(good, scope="unknown"),
        request(good, "content-type: text/plain"),
        request(good, "content-type: application/json; charset=utf-8"),
        request(good, "content-encoding: gzip"),
        request(b""),
        request(b"{"),
        request(b'{"id":"p6"}'),
        request(b"x" * (LIMIT + 1)),
        request(chunked, "transfer-encoding: chunked", length=False),
        request(good, "expect: 100-continue"),
        request(b"", line=f"GET {PATH} HTTP/1.1"),
        request(good, line=f"POST {PATH}?a=b HTTP/1.1"),
        request(good, line="POST /v1/decisions/frau%64 HTTP/1.1"),
        request(good, line="POST /v1/decisions/other HTTP/1.1"),
        request(b"", line="GET /health/live HTTP/1.1", scope=None),
    ]


KINDS = len(kinds(House()))


def told(
    form: Form, picked: list[int], cuts: list[int], *, ends: bool
) -> tuple[list[Answered], bool]:
    """Send requests over one connection, cut into pieces.

    Returns:
        The answers, and whether the connection was closed then.
    """

    async def play() -> tuple[list[Answered], bool]:
        house = House(ServingSettings(max_body_bytes=LIMIT))
        try:
            every = kinds(house)
            requests = [every[number] for number in picked]
            if ends:
                requests.append(house.request(payment("last"), "connection: close"))
            sent = b"".join(requests)
            line = Line(house, form)
            places = sorted({cut % len(sent) for cut in cuts})
            for start, stop in zip([0, *places], [*places, len(sent)], strict=True):
                line.send(sent[start:stop])
                await asyncio.sleep(0)
            found = await line.answered(len(requests))
            is_closed = line.wire.is_closing()
            line.close()
            return found, is_closed
        finally:
            house.app.close()

    return asyncio.run(play())


@given(
    picked=st.lists(st.integers(0, KINDS - 1), min_size=1, max_size=12),
    cuts=st.lists(st.integers(0, 10_000), max_size=4),
    ends=st.booleans(),
)
@settings(max_examples=40, deadline=None, phases=NO_SHRINKING)
def test_all_forms_answer_alike(picked: list[int], cuts: list[int], ends: bool) -> None:
    plain = told("asgi", picked, cuts, ends=ends)

    assert told("fast", picked, cuts, ends=ends) == plain
    assert told("worker", picked, cuts, ends=ends) == plain
