"""What is seen of requests: their route, answer and stages, and nothing of who asked or what."""

import json
import logging
import queue
from collections.abc import Sequence

import msgspec
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client.parser import text_string_to_metric_families

from kingpost.cli.logs import JsonFormatter
from kingpost.core import id_text
from kingpost.records import Stages
from kingpost.serving import AccessLog, RequestSpans, Sample, SeenRequest
from kingpost.serving.http import CallerSpan
from tests.decision_records import RECORD
from tests.model_house import FEATURES, ModelHouse, play, tensor
from tests.tiny_app import payment

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
DECIDE = "/v1/decisions/fraud"


class Taker:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.seen: queue.SimpleQueue[SeenRequest] = queue.SimpleQueue()

    def take(self, seen: Sequence[SeenRequest]) -> bool:
        for one in seen:
            self.seen.put(one)
        return True

    def close(self) -> None:
        """It holds nothing."""

    def all(self) -> list[SeenRequest]:
        return [self.seen.get_nowait() for _ in range(self.seen.qsize())]


DECIDED = msgspec.structs.replace(
    RECORD, at_us=10_600, stages=Stages(100, 20, 300, 0), principal="key-of-ann"
)
SEEN = SeenRequest("POST", DECIDE, 200, "ok", TRACE, None, 10_000, 11_000, 11_100, DECIDED)
"""A request that was decided in 1 ms, and answered 0.1 ms later."""


def spans_of(*seen: SeenRequest) -> tuple[ReadableSpan, ...]:
    exporter = InMemorySpanExporter()
    assert RequestSpans(exporter).take(seen)
    return exporter.get_finished_spans()


def facts(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def test_a_decision_is_a_span_and_its_stages_lie_in_it_one_after_the_other() -> None:
    whole, *stages = spans_of(SEEN)

    assert (whole.name, whole.kind, whole.parent) == (f"POST {DECIDE}", SpanKind.SERVER, None)
    assert [(one.name, one.start_time, one.end_time) for one in stages] == [
        ("kingpost.queue", 10_000_000, 10_100_000),
        ("kingpost.features", 10_100_000, 10_120_000),
        ("kingpost.model", 10_120_000, 10_420_000),
        ("kingpost.journal", 10_600_000, 11_000_000),
        ("kingpost.answer", 11_000_000, 11_100_000),
    ]
    assert (whole.start_time, whole.end_time) == (10_000_000, 11_100_000)
    contexts = [one.get_span_context() for one in (whole, *stages)]
    assert all(one.parent == contexts[0] for one in stages)
    assert {one.trace_id for one in contexts if one} == {int(TRACE, 16)}
    assert len({one.span_id for one in contexts if one}) == 6
    assert whole.resource.attributes["service.name"] == "kingpost"


def test_a_span_says_what_was_decided_and_not_for_whom_or_about_what() -> None:
    whole, *_ = spans_of(SEEN)

    assert facts(whole) == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "http.route": DECIDE,
        "kingpost.record": id_text(RECORD.id),
        "kingpost.decision": "fraud",
        "kingpost.bundle": "00" * 32,
        "kingpost.model": "00" * 32,
        "kingpost.outcome": "decided",
        "kingpost.role": "champion",
        "kingpost.is_cached": False,
        "kingpost.is_repeat": False,
    }
    told = str([one.to_json() for one in spans_of(SEEN)])
    assert not any(hidden in told for hidden in (DECIDED.tenant, DECIDED.principal, "0.876543"))


def test_a_span_belongs_to_the_callers() -> None:
    whole, *_ = spans_of(SEEN._replace(caller=CallerSpan(PARENT, True)))

    assert whole.parent is not None
    assert (whole.parent.span_id, whole.parent.is_remote) == (int(PARENT, 16), True)


def test_a_repeat_has_no_stages_of_its_own_and_a_failure_is_an_error() -> None:
    repeat = spans_of(SEEN._replace(is_repeat=True))
    broken = spans_of(SEEN._replace(record=None, status=503, code="overloaded", route=""))

    assert len(repeat) == len(broken) == 1
    assert facts(repeat[0])["kingpost.is_repeat"] is True
    assert broken[0].status.status_code is StatusCode.ERROR
    assert (broken[0].name, facts(broken[0])["error.type"]) == ("POST", "overloaded")


def test_stages_stay_within_the_request_when_the_clock_jumps() -> None:
    for at_us in (0, 99_999):
        moved = msgspec.structs.replace(DECIDED, at_us=at_us)
        _, *stages = spans_of(SEEN._replace(record=moved))
        times = [time for one in stages for time in (one.start_time or 0, one.end_time or 0)]
        assert times == sorted(times)
        assert 10_000_000 <= times[0] <= times[-1] <= 11_100_000


def test_the_access_log_has_a_line_of_json_a_request_and_nothing_personal(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    AccessLog().take([SEEN, SEEN._replace(record=None, status=401, code="unauthenticated")])

    lines = [json.loads(JsonFormatter().format(one)) for one in caplog.records]
    assert lines[0] | {"time": ""} == {
        "time": "",
        "level": "INFO",
        "logger": "kingpost.serving.seen.access_log",
        "event": "request",
        "at": "1970-01-01T00:00:00.011Z",
        "method": "POST",
        "route": DECIDE,
        "status": 200,
        "code": "ok",
        "duration_ms": 1.1,
        "trace_id": TRACE,
        "record": id_text(RECORD.id),
        "decision": "fraud",
        "outcome": "decided",
        "bundle": "0" * 12,
        "role": "champion",
        "is_cached": False,
        "is_repeat": False,
    }
    assert (lines[1]["status"], lines[1]["code"], lines[1]["record"]) == (
        401,
        "unauthenticated",
        "",
    )


def test_every_route_is_seen_by_its_template() -> None:
    taker = Taker()
    sample = Sample("access_log", 1.0, taker)
    features = tensor("features", "FP32", *range(FEATURES), shape=[1, FEATURES])

    async def scene(house: ModelHouse) -> None:
        first = await house.post(DECIDE, payment("p1"), traceparent=f"00-{TRACE}-{PARENT}-01")
        await house.post(DECIDE, payment("p1"))
        await house.post(DECIDE, b"{")
        await house.infer("fraud.model", [features])
        await house.infer("nobody", [features])
        await house.get(f"/v1/records/{first.json()['id']}")
        await house.get("/v1/records/none-of-these")
        await house.get("/health/live")
        await house.get("/metrics")

    play(scene, samples=[sample])

    seen = taker.all()
    assert [(one.method, one.route, one.status) for one in seen] == [
        ("POST", DECIDE, 200),
        ("POST", DECIDE, 200),
        ("POST", DECIDE, 422),
        ("POST", "/v2/models/fraud.model/infer", 200),
        ("POST", "/v2/models/{name}/infer", 404),
        ("GET", "/v1/records/{identifier}", 200),
        ("GET", "/v1/records/{identifier}", 404),
    ]
    assert (seen[0].trace_id, seen[0].caller) == (TRACE, CallerSpan(PARENT, True))
    assert [one.is_repeat for one in seen[:2]] == [False, True]
    assert seen[0].on_record == seen[1].on_record
    assert seen[2].code == "contract_violation"
    assert seen[3].on_record


def test_what_became_of_samples_is_counted() -> None:
    sample = Sample("traces", 0.0, Taker())

    async def scene(house: ModelHouse) -> None:
        await house.post(DECIDE, payment("p1"))
        text = (await house.get("/metrics")).text

        found = {
            (one.labels["sample"], one.labels["result"]): one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
            if one.name == "kingpost_sampled_requests_total"
        }
        assert found == {("traces", result): 0 for result in ("told", "failed", "dropped")}

    play(scene, samples=[sample])
