"""The API in one process, without a socket: routes, statuses, problems."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import httpx
import pytest

from kingpost.access import KeyRing, MemoryKeys, create_key
from kingpost.contracts import contract_of
from kingpost.integrations import quarantined
from kingpost.journal import JournalInUse
from kingpost.serving import PROBLEMS, FeatureNames, ServingApp, ServingSettings, build_app
from kingpost.serving.http import Receive, Scope, Send
from kingpost.serving.openapi import example_event
from tests.simulated_disk import SimulatedDisk
from tests.tiny_app import APPLICATION, BUNDLE, FakeClock, Payment, open_engine, payment

DATA = Path("/journal/data")
FRAUD = "/v1/decisions/fraud"
TRACE = "0af7651916cd43dd8448eb211c80319c"


class House:
    """The API of a small application and a client that knows its keys."""

    def __init__(self, settings: ServingSettings) -> None:
        self.disk, self.clock, self.store = SimulatedDisk(), FakeClock(), MemoryKeys()
        self.settings = settings
        self.app = self.build()
        self.key = self.key_of("acme", "decide", "ingest", "records", "metrics")
        transport = httpx.ASGITransport(self.serve, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")

    def build(
        self, *, bundle: bytes = BUNDLE, feature_names: FeatureNames | None = None
    ) -> ServingApp:
        engine = open_engine(DATA, disk=self.disk, clock=self.clock, bundle=bundle)
        keys = KeyRing(self.store, self.clock)
        return build_app(engine, keys, self.settings, self.clock, feature_names=feature_names)

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    def restart(self, *, bundle: bytes, feature_names: FeatureNames | None = None) -> None:
        self.app.close()
        self.app = self.build(bundle=bundle, feature_names=feature_names)

    def key_of(self, tenant: str, *scopes: str) -> dict[str, str]:
        made = create_key(self.store, self.clock, tenant=tenant, scopes=scopes)
        return {"authorization": f"Bearer {made.secret}"}

    async def decide(self, body: bytes, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.post(FRAUD, content=body, headers=self.key | named)

    async def get(self, path: str, key: Mapping[str, str] | None = None) -> httpx.Response:
        return await self.client.get(path, headers=self.key if key is None else key)

    async def send(
        self, body: bytes, media_type: str = "application/json", stream: str = "payment"
    ) -> httpx.Response:
        headers = self.key | {"content-type": media_type}
        return await self.client.post(f"/v1/events/{stream}", content=body, headers=headers)


def run(
    scene: Callable[[House], Awaitable[None]], settings: ServingSettings | None = None
) -> House:
    house = House(settings or ServingSettings())

    async def play() -> None:
        async with house.client:
            await scene(house)

    try:
        asyncio.run(asyncio.wait_for(play(), 20))
    finally:
        house.app.close()
    return house


def check_problem(response: httpx.Response, status: int, code: str) -> dict[str, object]:
    """Check that an answer is a whole problem document, and return it."""
    problem: dict[str, object] = response.json()
    assert (response.status_code, problem["code"]) == (status, code)
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status == PROBLEMS[code].status
    assert problem["title"] == PROBLEMS[code].title
    assert problem["type"] == f"urn:kingpost:problem:{code}"
    assert len(str(problem["trace_id"])) == 32
    assert problem["detail"]
    return problem


def test_a_decision_is_answered_with_its_record() -> None:
    async def scene(house: House) -> None:
        answered = await house.decide(payment("p1", 900))
        answer = answered.json()
        assert answered.status_code == 200
        assert answered.headers["kingpost-record"] == answer["id"]
        assert "idempotency-replayed" not in answered.headers
        assert answer["answer"] == {"fraud": True, "score": pytest.approx(0.9)}
        assert answer["outcome"] == "decided"

    run(scene)


def test_a_record_is_read_by_its_tenant_with_all_it_holds() -> None:
    async def scene(house: House) -> None:
        decided = await house.decide(
            payment("p1", 600), traceparent=f"00-{TRACE}-b7ad6b7169203331-01",
            idempotency_key="key-1", kingpost_session="s-1",
        )  # fmt: skip
        read = await house.get(f"/v1/records/{decided.json()['id']}")
        record = read.json()
        assert read.headers["cache-control"] == "no-store"
        for name, value in decided.json().items():
            assert record[name] == value
        assert record["outcome"] == "review"
        assert record["reason"] == "confidence below 0.75; review by fraud-desk"
        assert record["features"]["card_count_1d"] == 1
        assert record["features"]["share"] == 1
        assert record["event"]["body"] == json.loads(payment("p1", 600))
        assert record["event"]["position"] == record["position"]
        assert (record["trace_id"], record["session"]) == (TRACE, "s-1")
        assert (record["tenant"], record["idempotency_key"]) == ("acme", "key-1")
        assert (record["bundle"], record["model"]) == ("62" * 32, "6d" * 32)
        assert set(record["stages_us"]) == {"queue", "features", "model", "gate"}

    run(scene)


def test_a_retry_gets_the_same_bytes() -> None:
    async def scene(house: House) -> None:
        first = await house.decide(payment("p1"))
        again = await house.decide(payment("p1"))
        assert again.content == first.content
        assert again.headers["idempotency-replayed"] == "true"
        assert again.headers["kingpost-record"] == first.headers["kingpost-record"]

    run(scene)


def test_conflicts_are_told_apart() -> None:
    async def scene(house: House) -> None:
        await house.decide(payment("p1"), idempotency_key="k")
        reused = await house.decide(payment("p2"), idempotency_key="k")
        check_problem(reused, 409, "idempotency_key_reused")
        check_problem(await house.decide(payment("p1", 21)), 409, "event_conflict")

    run(scene)


@pytest.mark.parametrize(
    ("body", "field", "expected", "found"),
    [
        (b'{"id":"p1"}', "at", "a value", "nothing"),
        (payment("p1").replace(b"20.0", b'"SECRET"'), "amount", "`float`", "`str`"),
        (payment("p1", -1), "amount", "`float` >= 0.0", "a value outside it"),
        (payment("p1").replace(b"12:00:00Z", b"12:00:00"), "at", "an ISO 8601", "a time without"),
        (b'{"id":"p1","SECRET":1}', "SECRET", "one of id, at,", "an unknown field"),
        (payment("p1")[:-1], "", "valid JSON", "truncated"),
        (b"[" * 100_000, "", "`object`", "`array`"),
        (b"", "", "valid JSON", "truncated"),
    ],
)
def test_a_body_that_breaks_its_contract_is_refused_by_field(
    body: bytes, field: str, expected: str, found: str
) -> None:
    async def scene(house: House) -> None:
        problem = check_problem(await house.decide(body), 422, "contract_violation")
        assert problem["field"] == field
        assert expected in str(problem["expected"])
        assert found in str(problem["found"])
        assert "SECRET" not in str(problem["detail"]).replace(f"{field}: ", "")

    run(scene)


def test_the_name_of_an_unknown_field_is_cut() -> None:
    async def scene(house: House) -> None:
        body = b'{"id":"p1","' + b"x" * 10_000 + b'":1}'
        problem = check_problem(await house.decide(body), 422, "contract_violation")
        assert len(json.dumps(problem)) < 1000

    run(scene)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"authorization": ""}, 401, "api_key_refused"),
        ({"authorization": "Bearer kp_1_2"}, 401, "api_key_refused"),
        ({"content-type": "text/plain"}, 415, "unsupported_media_type"),
        ({"content-encoding": "gzip"}, 415, "unsupported_media_type"),
        ({"idempotency-key": "a b"}, 400, "bad_header"),
        ({"idempotency-key": "x" * 256}, 400, "bad_header"),
        ({"kingpost-session": ""}, 400, "bad_header"),
    ],
)
def test_a_header_that_is_wrong_is_refused(headers: dict[str, str], status: int, code: str) -> None:
    async def scene(house: House) -> None:
        response = await house.decide(payment("p1"), **headers)
        check_problem(response, status, code)
        assert ("www-authenticate" in response.headers) == (status == 401)

    run(scene)


def test_a_request_without_a_key_is_refused_before_its_body_is_read() -> None:
    async def scene(house: House) -> None:
        response = await house.client.post(FRAUD, content=b"x" * 10_000_000)
        check_problem(response, 401, "api_key_missing")
        assert response.headers["www-authenticate"] == "Bearer"

    run(scene)


def test_a_key_reaches_only_what_its_scopes_name() -> None:
    async def scene(house: House) -> None:
        for scopes, allowed in (
            (("decide",), {FRAUD}),
            (("decide:fraud",), {FRAUD}),
            (("decide:other",), set[str]()),
            (("ingest",), {"/v1/events/payment"}),
            (("admin",), set[str]()),
        ):
            key = house.key_of("acme", *scopes)
            for path in (FRAUD, "/v1/events/payment"):
                response = await house.client.post(path, content=payment("p1"), headers=key)
                if path in allowed:
                    assert response.status_code == 200
                else:
                    check_problem(response, 403, "missing_scope")
            for path in ("/v1/records/x", "/metrics"):
                check_problem(await house.get(path, key), 403, "missing_scope")

    run(scene)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", FRAUD, 405, "method_not_allowed"),
        ("PUT", FRAUD, 405, "method_not_allowed"),
        ("POST", "/health/live", 405, "method_not_allowed"),
        ("POST", "/v1/decisions/other", 404, "decision_not_found"),
        ("POST", FRAUD + "/", 404, "not_found"),
        ("POST", "/v1/events/other", 404, "stream_not_found"),
        ("GET", "/v1/records/other", 404, "record_not_found"),
        ("GET", "/other", 404, "not_found"),
        ("GET", "/docs/other.js", 404, "not_found"),
        ("GET", "/docs/..%2Fapp.py", 404, "not_found"),
    ],
)
def test_a_path_or_method_that_is_not_there_is_a_problem(
    method: str, path: str, status: int, code: str
) -> None:
    async def scene(house: House) -> None:
        response = await house.client.request(method, path, headers=house.key)
        check_problem(response, status, code)
        assert ("allow" in response.headers) == (status == 405)

    run(scene)


def test_a_body_over_the_limit_closes_the_connection() -> None:
    async def scene(house: House) -> None:
        response = await house.decide(b" " * 1001)
        check_problem(response, 413, "body_too_large")
        assert response.headers["connection"] == "close"

    run(scene, ServingSettings(max_body_bytes=1000))


def test_one_more_than_may_wait_is_sent_away() -> None:
    async def scene(house: House) -> None:
        responses = await asyncio.gather(*(house.decide(payment(f"p{at}")) for at in range(6)))
        by_status = sorted(response.status_code for response in responses)
        assert by_status == [200, 200, 200, 200, 503, 503]
        last = max(responses, key=lambda response: response.status_code)
        check_problem(last, 503, "overloaded")
        assert last.headers["retry-after"] == "1"
        assert (await house.decide(payment("later"))).status_code == 200

    run(scene, ServingSettings(max_waiting=4))


@pytest.mark.parametrize(
    ("amount", "reason"), [(666, "model_error"), (13, "feature_error"), (404, "no_score")]
)
def test_a_failed_decision_is_a_problem_with_its_record(amount: float, reason: str) -> None:
    async def scene(house: House) -> None:
        failed = await house.decide(payment("p1", amount))
        problem = check_problem(failed, 503, "decision_failed")
        assert reason in str(problem["detail"])
        assert failed.headers["kingpost-record"] == problem["record"]
        record = (await house.get(f"/v1/records/{problem['record']}")).json()
        assert (record["outcome"], record["reason"]) == ("failed", reason)
        assert record["trace_id"] == problem["trace_id"]

    run(scene)


def test_a_tenant_finds_no_record_and_no_history_of_another() -> None:
    async def scene(house: House) -> None:
        mine = (await house.decide(payment("p1", 100))).json()
        theirs = house.key_of("umbrella", "decide", "records")
        hidden = await house.get(f"/v1/records/{mine['id']}", theirs)
        unknown = await house.get("/v1/records/0199f2a0-7c00-7000-8000-00000000002a", theirs)
        check_problem(hidden, 404, "record_not_found")
        one, other = hidden.json(), unknown.json()
        assert one | {"trace_id": ""} == other | {"trace_id": ""}
        answered = await house.client.post(FRAUD, content=payment("p1", 5), headers=theirs)
        record = await house.get(f"/v1/records/{answered.json()['id']}", theirs)
        assert record.json()["features"]["card_mean_7d"] == 5

    run(scene)


def test_events_come_as_an_object_an_array_or_lines() -> None:
    async def scene(house: House) -> None:
        one = await house.send(payment("p1"))
        array = await house.send(b" [" + payment("p2") + b"," + payment("p1") + b"]")
        lines = await house.send(
            payment("p3") + b"\r\n\n" + payment("p4") + b"\n", "application/x-ndjson; charset=utf-8"
        )
        assert one.json() == {"accepted": 1, "duplicates": 0, "rejected": []}
        assert array.json() == {"accepted": 1, "duplicates": 1, "rejected": []}
        assert lines.json() == {"accepted": 2, "duplicates": 0, "rejected": []}
        decided = (await house.decide(payment("p9"))).json()
        record = (await house.get(f"/v1/records/{decided['id']}")).json()
        assert record["features"]["card_count_1d"] == 5

    run(scene)


def test_wrong_events_do_not_stop_the_others_and_are_kept_once() -> None:
    body = b"\n".join([payment("p1"), b"nonsense", payment("p2", -1), b"\xff", payment("p3")])

    async def scene(house: House) -> None:
        first = (await house.send(body, "application/jsonl")).json()
        again = (await house.send(body, "application/jsonl")).json()
        assert (first["accepted"], first["duplicates"]) == (2, 0)
        assert (again["accepted"], again["duplicates"]) == (0, 2)
        assert again["rejected"] == first["rejected"]
        assert [row["line"] for row in first["rejected"]] == [2, 3, 4]
        assert first["rejected"][1] == {
            "line": 3,
            "code": "contract_violation",
            "field": "amount",
            "expected": "`float` >= 0.0",
            "found": "a value outside it",
        }

    house = run(scene)

    kept = quarantined(DATA, disk=house.disk)
    assert [(row.tenant, row.stream, row.row) for row in kept] == [
        ("acme", "payment", 2),
        ("acme", "payment", 3),
        ("acme", "payment", 4),
    ]


def test_many_events_are_taken_in_several_turns() -> None:
    async def scene(house: House) -> None:
        lines = b"\n".join(payment(f"p{at}") for at in range(600))
        taken = await house.send(lines, "application/x-ndjson")
        assert taken.json()["accepted"] == 600

    run(scene)


@pytest.mark.parametrize(
    ("body", "media_type", "status", "code"),
    [
        (b"[" + b"1," * 20 + b"1]", "application/json", 413, "too_many_events"),
        (b"x\n" * 21, "application/x-ndjson", 413, "too_many_events"),
        (b"\n" * 1999, "application/x-ndjson", 413, "too_many_events"),
        (b" " * 2001, "application/json", 413, "body_too_large"),
        (b"[{}", "application/json", 422, "contract_violation"),
        (b"[" * 1000, "application/json", 422, "contract_violation"),
        (b"a,b", "text/csv", 415, "unsupported_media_type"),
    ],
)
def test_a_body_of_events_that_cannot_be_split_is_refused_as_a_whole(
    body: bytes, media_type: str, status: int, code: str
) -> None:
    async def scene(house: House) -> None:
        check_problem(await house.send(body, media_type), status, code)

    house = run(scene, ServingSettings(max_events=20, max_events_bytes=2000))

    assert quarantined(DATA, disk=house.disk) == []


def test_an_event_is_taken_back_and_corrected_under_its_key() -> None:
    async def scene(house: House) -> None:
        one = "/v1/events/payment/p1"
        json_type = {"content-type": "application/json"}
        await house.send(payment("p1", 10))

        corrected = await house.client.put(
            one, content=payment("p1", 30), headers=house.key | json_type
        )
        again = await house.client.put(
            one, content=payment("p1", 30), headers=house.key | json_type
        )
        assert (corrected.status_code, corrected.json()) == (200, {"status": "corrected"})
        assert (again.status_code, again.json()) == (200, {"status": "unchanged"})
        record = (await house.decide(payment("p2", 50))).json()["id"]
        features = (await house.get(f"/v1/records/{record}")).json()["features"]
        assert (features["card_count_1d"], features["card_mean_1d"]) == (2, 40)

        for status in ("retracted", "unchanged"):
            answer = await house.client.delete(one, headers=house.key)
            assert (answer.status_code, answer.json()) == (200, {"status": status})
        record = (await house.decide(payment("p3", 70))).json()["id"]
        features = (await house.get(f"/v1/records/{record}")).json()["features"]
        assert (features["card_count_1d"], features["card_mean_1d"]) == (2, 60)

    run(scene)


def test_a_retraction_of_what_never_came_is_held() -> None:
    async def scene(house: House) -> None:
        for _ in range(2):
            answer = await house.client.delete("/v1/events/payment/a%2Fb%0A", headers=house.key)
            assert (answer.status_code, answer.json()) == (202, {"status": "held"})

        assert (await house.send(payment("a/b\\n"))).json()["accepted"] == 1
        assert (await house.send(payment("a/b\\n"))).json()["duplicates"] == 1
        record = (await house.decide(payment("p2"))).json()["id"]
        features = (await house.get(f"/v1/records/{record}")).json()["features"]
        assert features["card_count_1d"] == 1

    run(scene)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("payment/p9", payment("p9"), 404, "event_not_found"),
        ("payment/gone", payment("gone"), 409, "event_retracted"),
        ("payment/p1", payment("p2"), 422, "contract_violation"),
        ("payment/p1", b"{}", 422, "contract_violation"),
        ("nothing/p1", payment("p1"), 404, "stream_not_found"),
        ("payment/", payment(""), 404, "not_found"),
        ("payment/p1", b" " * 300_000, 413, "body_too_large"),
    ],
)
def test_a_correction_that_cannot_be_taken_is_refused(
    path: str, body: bytes, status: int, code: str
) -> None:
    async def scene(house: House) -> None:
        await house.send(payment("p1"))
        await house.client.delete("/v1/events/payment/gone", headers=house.key)
        headers = house.key | {"content-type": "application/json"}

        answer = await house.client.put(f"/v1/events/{path}", content=body, headers=headers)

        problem = check_problem(answer, status, code)
        if code == "contract_violation" and body != b"{}":
            assert (
                problem["detail"] == "id: expected the key that is in the path, found another one"
            )

    run(scene)


def test_changes_need_the_scope_of_ingest() -> None:
    async def scene(house: House) -> None:
        key = house.key_of("acme", "decide", "records")
        json_type = {"content-type": "application/json"}
        one = "/v1/events/payment/p1"
        check_problem(await house.client.delete(one), 401, "api_key_missing")
        check_problem(await house.client.delete(one, headers=key), 403, "missing_scope")
        refused = await house.client.put(one, content=payment("p1"), headers=key | json_type)
        check_problem(refused, 403, "missing_scope")

    run(scene)


def test_an_event_may_be_taken_back_while_it_is_being_written() -> None:
    async def scene(house: House) -> None:
        sent, answer = await asyncio.gather(
            house.send(payment("p1")),
            house.client.delete("/v1/events/payment/p1", headers=house.key),
        )
        assert sent.json()["accepted"] == 1
        assert answer.json()["status"] in ("retracted", "held")
        record = (await house.decide(payment("p2"))).json()["id"]
        features = (await house.get(f"/v1/records/{record}")).json()["features"]
        assert features["card_count_1d"] == 1

    run(scene)


def test_what_runs_is_listed() -> None:
    async def scene(house: House) -> None:
        (decision,) = (await house.get("/v1/decisions")).json()["decisions"]
        assert (decision["name"], decision["request"]) == ("fraud", "payment")
        assert decision["bundle"] == "62" * 32
        check_problem(await house.get("/v1/decisions", {}), 401, "api_key_missing")

    run(scene)


def test_health_needs_no_key_and_tells_when_it_is_over() -> None:
    async def scene(house: House) -> None:
        assert (await house.get("/health/live", {})).json() == {"status": "live"}
        assert (await house.get("/health/ready", {})).json() == {
            "status": "ready",
            "decisions": {"fraud": BUNDLE.hex()},
        }
        house.app.begin_drain()
        problem = check_problem(await house.get("/health/ready", {}), 503, "not_ready")
        assert "shutting down" in str(problem["detail"])
        assert (await house.get("/health/live", {})).status_code == 200
        assert (await house.decide(payment("p1"))).status_code == 200

    run(scene)


def test_after_a_failed_write_the_server_is_not_ready_and_says_nothing_of_its_disk() -> None:
    async def scene(house: House) -> None:
        house.disk.fails = {house.disk.steps + at: 28 for at in range(9)}
        for body in (payment("p1"), payment("p2")):
            failed = await house.decide(body)
            check_problem(failed, 503, "journal_full")
            assert "journal/data" not in failed.text
        check_problem(await house.send(payment("p3")), 503, "journal_full")
        check_problem(await house.get("/health/ready", {}), 503, "not_ready")
        assert "kingpost_stopped 1.0" in (await house.get("/metrics")).text

    run(scene)


def test_an_unexpected_error_is_a_problem_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def names_of(decision: str, bundle: bytes) -> list[str] | None:
        raise RuntimeError(f"a secret of {decision}")

    async def scene(house: House) -> None:
        decided = await house.decide(payment("p1"))
        house.restart(bundle=b"c" * 32, feature_names=names_of)
        read = await house.get(f"/v1/records/{decided.json()['id']}")
        problem = check_problem(read, 500, "internal_error")
        assert "secret" not in read.text
        (logged,) = caplog.records
        assert logged.message == "unexpected_error"
        assert vars(logged)["trace_id"] == problem["trace_id"]

    run(scene)


def test_metrics_count_what_was_answered() -> None:
    async def scene(house: House) -> None:
        await house.decide(payment("p1"))
        await house.decide(payment("p1"))
        await house.decide(payment("p2", 666))
        await house.decide(b"")
        await house.send(payment("p3") + b"\n" + payment("p3") + b"\nx", "application/jsonl")
        text = (await house.get("/metrics")).text
        for line in (
            'kingpost_requests_total{code="ok",decision="fraud",outcome="decided"} 2.0',
            'kingpost_requests_total{code="decision_failed",decision="fraud",outcome="failed"} 1.0',
            'kingpost_requests_total{code="contract_violation",decision="fraud",outcome=""} 1.0',
            'kingpost_request_seconds_count{decision="fraud"} 4.0',
            'kingpost_events_total{stream="payment",verdict="accepted"} 1.0',
            'kingpost_events_total{stream="payment",verdict="duplicate"} 1.0',
            'kingpost_events_total{stream="payment",verdict="rejected"} 1.0',
            'kingpost_events_held{stream="payment"} 3.0',
            "kingpost_waiting_requests 0.0",
            "kingpost_stopped 0.0",
        ):
            assert line in text
        check_problem(await house.get("/metrics", {}), 401, "api_key_missing")

    run(scene)


def test_the_description_is_typed_by_the_contracts() -> None:
    async def scene(house: House) -> None:
        described = (await house.get("/openapi.json", {})).json()
        operation = described["paths"][FRAUD]["post"]
        content = operation["requestBody"]["content"]["application/json"]
        assert described["openapi"] == "3.1.0"
        assert content["schema"] == {"$ref": "#/components/schemas/Payment"}
        schemas = described["components"]["schemas"]
        assert schemas["Payment"] == contract_of(Payment).json_schema()
        assert "AnswerDocument" in schemas
        assert operation["responses"]["503"]["description"].startswith("decision_failed")
        answered = await house.decide(json.dumps(content["example"]).encode())
        assert answered.status_code == 200
        for path in ("/v1/events/payment", "/v1/events/chargeback", "/v1/records/{id}"):
            assert path in described["paths"]

    run(scene)


def test_every_reference_of_the_description_leads_somewhere() -> None:
    async def scene(house: House) -> None:
        text = (await house.get("/openapi.json", {})).text
        schemas = json.loads(text)["components"]["schemas"]
        references = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
        assert references <= set(schemas)

    run(scene)


def test_the_docs_load_nothing_from_another_host() -> None:
    async def scene(house: House) -> None:
        page = await house.get("/docs", {})
        assert page.status_code == 200
        assert "//" not in page.text.replace("</", "")
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        for name in ("docs.js", "swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"):
            assert f'"/docs/{name}"' in page.text
            assert (await house.get(f"/docs/{name}", {})).status_code == 200

    run(scene)


@pytest.mark.parametrize("name", APPLICATION.streams)
def test_examples_keep_their_contract(name: str) -> None:
    contract = APPLICATION.streams[name]

    contract.decode(json.dumps(example_event(contract)).encode())


def test_a_record_of_an_earlier_bundle_has_the_names_of_that_bundle() -> None:
    def names_of(decision: str, bundle: bytes) -> list[str] | None:
        assert (decision, bundle) == ("fraud", BUNDLE)
        return [f"old_{at}" for at in range(7)]

    async def scene(house: House) -> None:
        path = f"/v1/records/{(await house.decide(payment('p1', 5))).json()['id']}"
        house.restart(bundle=b"c" * 32, feature_names=names_of)
        assert (await house.get(path)).json()["features"]["old_0"] == 5
        house.restart(bundle=b"c" * 32)
        assert (await house.get(path)).json()["features"]["0"] == 5

    run(scene)


def test_the_life_of_the_application_ends_with_the_engine_closed() -> None:
    house = House(ServingSettings())
    messages = iter(["lifespan.startup", "lifespan.shutdown"])
    sent: list[str] = []

    async def receive() -> dict[str, object]:
        return {"type": next(messages)}

    async def send(message: Mapping[str, object]) -> None:
        sent.append(str(message["type"]))

    with pytest.raises(JournalInUse):
        open_engine(DATA, disk=house.disk, clock=house.clock)
    asyncio.run(house.app({"type": "lifespan"}, receive, send))

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    open_engine(DATA, disk=house.disk, clock=house.clock).close()
