"""A call is sent again only where that is safe, and ends before its deadline."""

import asyncio
import logging
import pickle
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from kingpost.calls import (
    AnswerTooLarge,
    ApiKey,
    AsyncServiceClient,
    BadCall,
    Bearer,
    Breaker,
    Broken,
    BulkheadFull,
    Call,
    CallAnswer,
    CallFailed,
    CallRequest,
    CircuitOpen,
    ClientCredentials,
    DeadlineExceeded,
    EffectUndeclared,
    OutcomeUnknown,
    PeerUntrusted,
    PrometheusCallMetrics,
    RateLimit,
    RateLimited,
    Retries,
    Service,
)
from kingpost.core import KingpostError
from tests.virtual_service import Slow, VirtualService, answer

URL = "https://pay.example/v1"
LOST = Broken("lost", "ReadError")
UNSENT = Broken("unsent", "ConnectError")
PLAIN = Service("pay", URL)
KEYED = Service("pay", URL, idempotency="Idempotency-Key")
ONCE = Service("pay", URL, at_most_once=True)


def test_an_answer_comes_back_with_its_headers_and_body() -> None:
    there = VirtualService(answer(200, b"hello", etag="x"))

    got = there.client(PLAIN).get("/payments")

    assert (got.status, got.headers, got.body, got.is_success) == (
        200,
        {"etag": "x"},
        b"hello",
        True,
    )
    assert (there.sent[0].method, there.sent[0].url) == ("GET", f"{URL}/payments")


def test_a_call_is_written_with_query_json_key_and_correlation() -> None:
    there = VirtualService()
    call = Call(
        "post",
        "/payments",
        params={"dry": "a b"},
        json={"amount": 3},
        idempotency_key="order-7",
        traceparent="00-abc-def-01",
        correlation_id="order-7",
    )

    there.client(KEYED).call(call)

    sent = there.sent[0]
    assert (sent.method, sent.url, sent.body) == (
        "POST",
        f"{URL}/payments?dry=a+b",
        b'{"amount":3}',
    )
    assert sent.headers["idempotency-key"] == "order-7"
    assert sent.headers["traceparent"] == "00-abc-def-01"
    assert sent.headers["x-correlation-id"] == "order-7"
    assert sent.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "call",
    [
        Call("GET", "payments"),
        Call("GET", "/a b"),
        Call("GET", "/a#b"),
        Call("GET", headers={"x": "a\r\nb: c"}),
        Call("PUT", json={1, object()}),
    ],
)
def test_a_call_that_cannot_be_written_is_refused_before_it_is_sent(call: Call) -> None:
    there = VirtualService()

    with pytest.raises(BadCall):
        there.client(PLAIN).call(call)

    assert there.sent == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("failure", [LOST, UNSENT, answer(503), answer(429), answer(408)])
def test_an_idempotent_call_is_sent_again(method: str, failure: CallAnswer | Broken) -> None:
    there = VirtualService(failure, failure, answer())

    assert there.client(PLAIN).call(Call(method)).status == 200

    assert len(there.sent) == 3


def test_a_post_with_a_key_is_sent_again_with_the_same_key() -> None:
    there = VirtualService(LOST, answer(500), answer(201))

    assert there.client(KEYED, keys=["k1", "k2"]).post().status == 201

    assert [sent.headers["idempotency-key"] for sent in there.sent] == ["k1"] * 3


@pytest.mark.parametrize("failure", [LOST, answer(500), answer(504)])
def test_a_post_without_a_key_is_never_sent_again(failure: CallAnswer | Broken) -> None:
    there = VirtualService(failure, answer())

    with pytest.raises(OutcomeUnknown) as caught:
        there.client(ONCE).post()

    assert len(there.sent) == 1
    assert not caught.value.retry_safe


def test_a_post_that_was_never_sent_is_tried_again_also_without_a_key() -> None:
    there = VirtualService(UNSENT, UNSENT, answer(201))

    assert there.client(ONCE).post().status == 201


@pytest.mark.parametrize("method", ["POST", "PATCH", "MERGE"])
def test_an_effect_of_which_nothing_is_declared_is_refused_before_it_is_sent(method: str) -> None:
    there = VirtualService()

    with pytest.raises(EffectUndeclared, match="at_most_once"):
        there.client(PLAIN).call(Call(method, idempotency_key="k"))

    assert there.sent == []


def test_a_post_without_a_key_that_is_refused_for_now_may_be_called_again_by_the_caller() -> None:
    there = VirtualService(answer(429, retry_after="7"))

    with pytest.raises(CallFailed, match="not before 7 s") as caught:
        there.client(ONCE).post()

    assert (caught.value.status, caught.value.retry_after_s, len(there.sent)) == (429, 7, 1)


def test_a_refusal_after_a_lost_answer_keeps_the_key_of_what_may_be_done() -> None:
    there = VirtualService(LOST, answer(429, retry_after="60"))

    with pytest.raises(CallFailed) as caught:
        there.client(KEYED, keys=["k1"]).post()

    assert (caught.value.idempotency_key, caught.value.retry_after_s) == ("k1", 60)


def test_a_key_for_a_service_that_knows_none_is_refused() -> None:
    there = VirtualService()

    with pytest.raises(BadCall, match="key"):
        there.client(ONCE).post(idempotency_key="k")

    assert there.sent == []


@pytest.mark.parametrize("status", [400, 404, 409, 301, 501])
def test_other_answers_are_returned_as_they_are(status: int) -> None:
    there = VirtualService(answer(status))

    assert there.client(PLAIN).get().status == status

    assert len(there.sent) == 1


def test_waits_double_up_to_the_longest_and_are_drawn_from_their_whole_length() -> None:
    retries = Retries(attempts=6, first_wait="100ms", longest_wait="500ms")
    there = VirtualService(*[answer(503)] * 5, answer())

    there.client(Service("pay", URL, retries=retries)).get()

    assert there.time.slept == [0.1, 0.2, 0.4, 0.5, 0.5]
    again = VirtualService(answer(503), answer())
    again.client(PLAIN, random=lambda: 0.25).get()
    assert again.time.slept == [0.025]


def test_retry_after_is_waited_for_in_seconds_and_until_a_date() -> None:
    there = VirtualService(answer(503, retry_after="3"), answer())
    there.client(PLAIN).get()

    dated = VirtualService()
    at = datetime.fromtimestamp(dated.time.now_us() / 1e6 + 4, UTC)
    dated = VirtualService(answer(503, retry_after=format_datetime(at, usegmt=True)), answer())
    dated.client(PLAIN).get()

    assert (there.time.slept, dated.time.slept) == ([3.0], [4.0])


def test_a_wait_that_ends_after_the_deadline_is_not_begun() -> None:
    there = VirtualService(answer(503, retry_after="11"), answer())

    with pytest.raises(CallFailed, match="status 503"):
        there.client(PLAIN).get()

    assert there.time.passed_s == 0


def test_attempts_end_and_the_error_keeps_the_key() -> None:
    there = VirtualService(answer(502))

    with pytest.raises(CallFailed) as caught:
        there.client(KEYED, keys=["k1"]).post()

    assert (caught.value.status, caught.value.attempts) == (502, 4)
    assert (caught.value.idempotency_key, caught.value.retry_safe) == ("k1", True)


def test_retries_have_a_budget_so_that_an_outage_is_not_multiplied() -> None:
    there = VirtualService(answer(503))
    service = Service("pay", URL, breaker=None, retries=Retries(budget=0.1, reserve=5))
    client = there.client(service)

    for _ in range(200):
        with pytest.raises(CallFailed):
            client.get()

    assert 200 + 5 <= len(there.sent) <= 200 * 1.1 + 6


def test_a_slow_answer_ends_at_the_deadline() -> None:
    there = VirtualService(Slow(answer(), 60))

    with pytest.raises(DeadlineExceeded, match="within 10 s") as caught:
        there.client(KEYED, keys=["k"]).post()

    assert there.time.passed_s == 10
    assert (caught.value.attempts, caught.value.idempotency_key) == (1, "k")


def test_a_caller_may_give_less_time_and_not_more() -> None:
    for asked, allowed in (("2s", 2), ("1h", 10)):
        there = VirtualService(Slow(answer(), 60))

        with pytest.raises(DeadlineExceeded):
            there.client(PLAIN).call(Call("GET", deadline=asked))

        assert there.time.passed_s == allowed


def test_one_attempt_may_have_less_time_than_the_call() -> None:
    there = VirtualService(Slow(answer(), 60), answer())

    there.client(Service("pay", URL, retries=Retries(attempt="1s"))).get()

    assert there.time.passed_s == pytest.approx(1.1)


def test_a_post_without_a_key_without_an_answer_in_time_is_unknown() -> None:
    with pytest.raises(OutcomeUnknown):
        VirtualService(Slow(answer(), 60)).client(ONCE).post()


def test_a_service_that_fails_is_left_alone_and_asked_carefully_later() -> None:
    breaker = Breaker(minimum=4, failures=0.5, open="5s", probes=1)
    there = VirtualService(*[answer(500)] * 4, answer())
    registry = CollectorRegistry()
    client = there.client(
        Service("pay", URL, breaker=breaker, retries=Retries(attempts=1)),
        metrics=PrometheusCallMetrics(registry),
    )

    for _ in range(4):
        with pytest.raises(CallFailed):
            client.get()
    there.time.sleep(2)
    with pytest.raises(CircuitOpen) as caught:
        client.get()
    is_open = 'breaker_state{service="pay"} 2.0' in generate_latest(registry).decode()
    there.time.sleep(3)

    assert client.get().status == 200
    assert caught.value.retry_after_s == pytest.approx(3)
    assert len(there.sent) == 5
    assert is_open
    assert 'breaker_state{service="pay"} 0.0' in generate_latest(registry).decode()


def test_a_limit_is_kept_by_waiting() -> None:
    there = VirtualService()
    client = there.client(Service("pay", URL, rate_limit=RateLimit(3, "1s")))

    for _ in range(7):
        client.get()

    assert there.at_s == [0, 0, 0, 1, 1, 1, 2]


def test_a_limit_that_leaves_no_room_before_the_deadline_is_told_at_once() -> None:
    there = VirtualService()
    client = there.client(Service("pay", URL, rate_limit=RateLimit(1, "1m")))
    client.get()

    with pytest.raises(RateLimited) as caught:
        client.get()

    assert (caught.value.retry_after_s, there.time.passed_s, len(there.sent)) == (60, 0, 1)


@pytest.mark.parametrize(
    "told",
    [
        answer(429, retry_after="4"),
        answer(200, ratelimit='"default";r=0;t=4'),
        answer(200, ratelimit='"burst";r=5;t=9, "day";r=0;t=4'),
        answer(200, ratelimit="limit=10, remaining=0, reset=4"),
        answer(200, ratelimit_remaining="0", ratelimit_reset="4"),
        answer(200, x_ratelimit_remaining="0", x_ratelimit_reset="1800000004"),
    ],
)
def test_what_the_service_says_of_its_limit_holds_for_the_next_call(told: CallAnswer) -> None:
    there = VirtualService(told, answer())
    client = there.client(PLAIN)

    client.get()
    client.get()

    assert there.at_s[1] == 4


def test_what_is_left_does_not_stop_calls() -> None:
    there = VirtualService(answer(200, ratelimit='"a";r=3;t=4', x_ratelimit_remaining="2"))
    client = there.client(PLAIN)

    client.get()
    client.get()

    assert there.at_s == [0, 0]


def test_so_many_calls_are_under_way_and_no_more() -> None:
    there = VirtualService()
    client = there.client(Service("pay", URL, bulkhead=1, deadline="5ms"))
    full: list[KingpostError] = []

    def call_within(_: object) -> Slow:
        try:
            client.get()
        except BulkheadFull as error:
            full.append(error)
        return Slow(answer(), 0)

    there.answers = call_within
    client.get()
    there.answers = None
    client.get()

    assert [error.code for error in full] == ["bulkhead_full"]


def test_answers_that_cannot_be_taken_are_no_reason_to_ask_again() -> None:
    for broken, error in (
        (Broken("large", "too large", 200), AnswerTooLarge),
        (Broken("untrusted", "self-signed certificate"), PeerUntrusted),
    ):
        there = VirtualService(broken)
        with pytest.raises(error):
            there.client(KEYED).post()
        assert len(there.sent) == 1


def test_a_key_or_a_token_goes_along_and_is_never_shown() -> None:
    for auth, header, text in (
        (ApiKey("s3cret"), "x-api-key", "s3cret"),
        (Bearer("s3cret"), "authorization", "Bearer s3cret"),
    ):
        there = VirtualService()
        service = Service("pay", URL, auth=auth)
        there.client(service).get()

        assert there.sent[0].headers[header] == text
        assert "s3cret" not in repr((service, there.sent[0]))


def test_every_retry_is_logged_without_address_or_body(caplog: pytest.LogCaptureFixture) -> None:
    there = VirtualService(answer(503), LOST, answer())
    call = Call("GET", "/s3cret", params={"key": "s3cret"}, body=b"s3cret")

    with caplog.at_level(logging.WARNING):
        there.client(PLAIN).call(call)

    facts = [
        (one.getMessage(), vars(one)["attempt"], vars(one)["reason"]) for one in caplog.records
    ]
    assert facts == [("call_retried", 1, "status 503"), ("call_retried", 2, "ReadError")]
    assert not any("s3cret" in str(vars(one)) for one in caplog.records)


def test_calls_are_counted_by_what_came_of_them() -> None:
    registry = CollectorRegistry()
    there = VirtualService(answer(), answer(404), answer(503), answer(), LOST)
    client = there.client(
        Service("pay", URL, at_most_once=True), metrics=PrometheusCallMetrics(registry)
    )

    client.get()
    client.get()
    client.get()
    with pytest.raises(OutcomeUnknown):
        client.post()

    told = generate_latest(registry).decode()
    for outcome, count in (("success", 2), ("refused", 1), ("outcome_unknown", 1)):
        assert f'kingpost_calls_total{{outcome="{outcome}",service="pay"}} {count}.0' in told
    assert 'kingpost_calls_retries_total{reason="status 503",service="pay"} 1.0' in told
    assert 'kingpost_calls_latency_seconds_count{service="pay"} 4.0' in told


@pytest.mark.parametrize(
    "error",
    [
        AnswerTooLarge("pay", 200, 5),
        BadCall("pay", "no"),
        BulkheadFull("pay", 3),
        CallFailed("pay", "status 503", 503, 4, "k", 2.5),
        CircuitOpen("pay", 1.5),
        DeadlineExceeded("pay", 10, 2, "ReadError", "k"),
        EffectUndeclared("pay", "POST"),
        OutcomeUnknown("pay", "POST", "ReadError"),
        PeerUntrusted("pay", "expired"),
        RateLimited("pay", 3),
    ],
)
def test_errors_survive_pickling_and_name_the_service(error: KingpostError) -> None:
    again = pickle.loads(pickle.dumps(error))

    assert str(again) == str(error)
    assert "'pay'" in str(error)
    assert vars(again) == vars(error)


def test_tokens_and_waits_are_counted_too() -> None:
    registry = CollectorRegistry()
    there = VirtualService(answer(200, b'{"access_token": "a"}'))
    service = Service(
        "pay",
        URL,
        auth=ClientCredentials("https://login.example/token", "me", "s3cret"),
        rate_limit=RateLimit(1, "2s"),
    )
    client = there.client(service, metrics=PrometheusCallMetrics(registry))

    client.get()
    client.get()

    told = generate_latest(registry).decode()
    assert 'kingpost_calls_token_refreshes_total{outcome="success",service="pay"} 1.0' in told
    assert 'kingpost_calls_rate_limit_waits_total{service="pay"} 1.0' in told
    assert 'kingpost_calls_rate_limit_wait_seconds_total{service="pay"} 2.0' in told


def test_a_call_that_is_cancelled_gives_back_its_place_and_says_nothing_of_the_service() -> None:
    async def exchange(request: CallRequest, within_s: float) -> CallAnswer | Broken:
        if request.url.endswith("/slow"):
            await asyncio.Event().wait()
        return answer()

    async def calls() -> int:
        service = Service("pay", URL, bulkhead=1, breaker=Breaker(minimum=1))
        client = AsyncServiceClient(service, exchange=exchange)
        slow = asyncio.ensure_future(client.get("/slow"))
        await asyncio.sleep(0)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        return (await client.get("/fast")).status

    assert asyncio.run(calls()) == 200
