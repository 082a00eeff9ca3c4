"""What both clients send, when they send it again, and what they raise."""

import asyncio
import inspect
import json
import logging
import pickle
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

import kingpost as kp
from kingpost.client import (
    ApiError,
    AsyncClient,
    BadAnswer,
    BadService,
    CallFailed,
    Client,
    OutcomeUnknown,
    Problem,
    Retries,
    async_resources,
    resources,
)
from kingpost.client.bodies import event_bodies
from kingpost.contracts import Instant
from tests.local_server import local_server, read_request

KEY = "kp_test_0123456789"
QUICK = Retries(attempts=4, first_wait="1ms", longest_wait="2ms", attempt="5s")
ANSWER = {
    "id": "0199f2a0-7c00-7000-8000-00000000002a", "decision": "fraud", "outcome": "decided",
    "answer": {"fraud": True, "score": 0.9}, "confidence": 0.9, "reason": "",
    "position": "data:1", "bundle": "ab",
}  # fmt: skip
Verb = Callable[[Any], Any]


def problem(status: int, code: str, **more: object) -> bytes:
    said = {"type": f"urn:kingpost:problem:{code}", "title": "No", "status": status, "code": code}
    return json.dumps(said | {"detail": "as it is", "trace_id": "7"} | more).encode()


@dataclass
class Script:
    """A server that answers as it was told, in turn, the last for ever; it notes what it heard.

    Attributes:
        answers: Status, headers and body; None closes the connection without an answer.
    """

    answers: list[tuple[int, str, bytes] | None]
    heard: list[tuple[str, bytes]] = field(default_factory=list[tuple[str, bytes]])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            self.heard.append(await read_request(reader))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if answer is None:
                return
            status, headers, body = answer
            head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\n{headers}\r\n"
            writer.write(head.encode() + body)
            await writer.drain()

    def headers(self, name: str) -> list[str]:
        """Return what each request said under a name."""
        return [
            line.partition(": ")[2]
            for head, _ in self.heard
            for line in head.splitlines()
            if line.startswith(f"{name}: ")
        ]


class Verdict(msgspec.Struct):
    fraud: bool
    score: float


class Payment(kp.Event):
    id: kp.Key[str]
    at: kp.EventTime


def ask(script: Script, verb: Verb, kind: str, **options: Any) -> Any:
    """Let a client of a kind do something at a server that follows a script."""
    options = {"retries": QUICK} | options

    async def asked(url: str) -> Any:
        async with AsyncClient(url, KEY, **options) as client:
            result = verb(client)
            if inspect.isasyncgen(result):
                return [one async for one in result]
            return await result

    with local_server(script.serve) as port:
        url = f"http://127.0.0.1:{port}"
        if kind == "async":
            return asyncio.run(asked(url))
        with Client(url, KEY, **options) as client:
            result = verb(client)
            return list(result) if inspect.isgenerator(result) else result


def decide(client: Any) -> Any:
    return client.decide("fraud", {"id": "p1"})


OK = (200, "", json.dumps(ANSWER).encode())
kinds = pytest.mark.parametrize("kind", ["sync", "async"])


@kinds
def test_an_answer_is_typed_and_says_whether_it_was_given_before(kind: str) -> None:
    replayed = (200, "Idempotency-Replayed: true\r\n", OK[2])

    first = ask(Script([OK]), lambda client: client.decide("fraud", {}, Verdict), kind)
    again = ask(Script([replayed]), decide, kind)

    assert first.answer == Verdict(fraud=True, score=0.9)
    assert not first.is_replayed
    assert again.is_replayed
    assert again.answer == {"fraud": True, "score": 0.9}


@kinds
def test_a_decision_is_sent_again_under_the_key_that_it_had(kind: str) -> None:
    script = Script([None, (503, "", problem(503, "overloaded")), (502, "", b"<html>"), OK])

    answered = ask(script, decide, kind)

    keys = script.headers("idempotency-key")
    assert answered.id == ANSWER["id"]
    assert len(keys) == 4
    assert len(set(keys)) == 1
    assert {body for _, body in script.heard} == {b'{"id":"p1"}'}


@kinds
def test_two_decisions_have_two_keys_and_a_key_of_ones_own_is_kept(kind: str) -> None:
    script = Script([OK])

    for _ in range(2):
        ask(script, decide, kind)
    ask(script, lambda client: client.decide("fraud", {}, idempotency_key="mine"), kind)

    first, second, third = script.headers("idempotency-key")
    assert first != second
    assert third == "mine"


@kinds
def test_what_the_server_refuses_is_not_sent_again(kind: str) -> None:
    body = problem(422, "contract_violation", field="amount", expected="a number", found="a text")
    script = Script([(422, "", body)])

    with pytest.raises(ApiError) as refused:
        ask(script, decide, kind)

    error = refused.value
    assert (error.code, error.status, error.problem.field) == ("contract_violation", 422, "amount")
    assert len(script.heard) == 1
    assert error.idempotency_key == script.headers("idempotency-key")[0]
    assert "contract_violation (status 422): as it is" in str(error)
    assert pickle.loads(pickle.dumps(error)).problem == error.problem


@kinds
def test_a_problem_that_stays_is_raised_in_the_servers_words(kind: str) -> None:
    script = Script([(503, "", problem(503, "decision_failed", record="r1"))])

    with pytest.raises(ApiError) as failed:
        ask(script, decide, kind)

    assert len(script.heard) == 4
    assert (failed.value.code, failed.value.problem.record) == ("decision_failed", "r1")


@kinds
def test_what_no_server_of_ours_says_has_the_status_for_its_code(kind: str) -> None:
    with pytest.raises(ApiError) as failed:
        ask(Script([(502, "", b"<html>")]), decide, kind)

    assert (failed.value.code, failed.value.problem) == ("status_502", Problem(502, "status_502"))


@kinds
def test_a_wait_that_the_server_asks_for_is_kept_and_one_too_long_is_not_begun(kind: str) -> None:
    soon = (503, "Retry-After: 1\r\n", problem(503, "overloaded"))
    late = (503, "Retry-After: 60\r\n", problem(503, "journal_full"))

    with pytest.raises(ApiError, match="retry in 60 s") as failed:
        ask(Script([late]), decide, kind)
    started_s = time.monotonic()
    ask(Script([soon, OK]), decide, kind)

    assert failed.value.retry_after_s == 60
    assert time.monotonic() - started_s >= 1


@kinds
def test_what_could_be_done_twice_is_never_sent_again(kind: str) -> None:
    lost, broken = Script([None]), Script([(502, "", b"")])
    busy = Script([(503, "", problem(503, "storage_busy"))])

    def approve(client: Any) -> Any:
        return client.tasks.approve("t1")

    with pytest.raises(OutcomeUnknown):
        ask(lost, approve, kind)
    with pytest.raises(OutcomeUnknown):
        ask(broken, approve, kind)
    with pytest.raises(ApiError) as said:  # nothing was changed
        ask(busy, approve, kind)

    assert said.value.code == "storage_busy"
    assert [len(one.heard) for one in (lost, broken, busy)] == [1, 1, 1]
    assert not busy.headers("idempotency-key")


@kinds
def test_a_started_workflow_has_a_key_and_is_sent_again(kind: str) -> None:
    line = dict.fromkeys(
        ("started", "ended", "due", "parent", "forked_from", "reason")
    ) | {"id": "w", "workflow": "order", "state": "queued", "queue": "", "priority": 0,
         "created": "2026-11-21T09:00:00Z", "attempts": 0}  # fmt: skip
    script = Script([None, (202, "", json.dumps(line).encode())])

    run = ask(script, lambda client: client.workflows.start("order", {"amount": 3}), kind)

    assert run.id == "w"
    assert len(set(script.headers("idempotency-key"))) == 1
    assert json.loads(script.heard[1][1])["input"] == {"amount": 3}


@kinds
def test_nobody_there_is_an_error_that_says_so(kind: str) -> None:
    with local_server(Script([OK]).serve) as port:
        pass

    async def asked() -> None:
        async with AsyncClient(f"http://127.0.0.1:{port}", KEY, retries=QUICK) as client:
            assert not await client.is_ready()
            await decide(client)

    with pytest.raises(CallFailed) as failed:
        if kind == "async":
            asyncio.run(asked())
        with Client(f"http://127.0.0.1:{port}", KEY, retries=QUICK) as client:
            assert not client.is_ready()
            decide(client)

    assert failed.value.idempotency_key


@kinds
def test_a_success_of_another_form_is_told_apart(kind: str) -> None:
    with pytest.raises(BadAnswer, match="/v1/decisions/fraud"):
        ask(Script([(200, "", b"<html>hello</html>")]), decide, kind)


@kinds
def test_health_is_asked_once_when_the_server_says_to_wait(kind: str) -> None:
    script = Script([(503, "Retry-After: 5\r\n", problem(503, "not_ready"))])

    assert ask(script, lambda client: client.is_ready(), kind) is False
    assert len(script.heard) == 1


@kinds
def test_pages_follow_each_other(kind: str) -> None:
    def page(following: str | None) -> tuple[int, str, bytes]:
        return 200, "", json.dumps({"tasks": [], "next": following}).encode()

    script = Script([page("a b"), page(None)])

    assert ask(script, lambda client: client.tasks.find(mine=True), kind) == []
    assert [head.splitlines()[0] for head, _ in script.heard] == [
        "get /v1/tasks?mine=true&limit=200 http/1.1",
        "get /v1/tasks?mine=true&limit=200&after=a+b http/1.1",
    ]


@kinds
def test_keys_of_events_are_parts_of_the_path_whatever_they_hold(kind: str) -> None:
    script = Script([(200, "", b'{"status":"retracted"}')])

    for key in ("a/b ?c", "..", 7):
        ask(script, lambda client, key=key: client.retract("payment", key), kind)

    assert [head.split()[1] for head, _ in script.heard] == [
        "/v1/events/payment/a%2fb%20%3fc",
        "/v1/events/payment/%2e%2e",
        "/v1/events/payment/7",
    ]


@kinds
def test_events_are_sent_in_bodies_and_their_lines_count_on(kind: str) -> None:
    refused = {"line": 1, "code": "contract_violation", "field": "a", "expected": "", "found": ""}
    answer = {"accepted": 1, "duplicates": 0, "rejected": [refused]}
    script = Script([(200, "", json.dumps(answer).encode())])
    events = [{"id": number} for number in range(5001)]

    ingested = ask(script, lambda client: client.ingest("payment", events), kind)

    assert ingested.accepted == 2
    assert [one.line for one in ingested.rejected] == [1, 5001]
    assert [body.count(b"\n") for _, body in script.heard] == [4999, 0]


def test_events_and_what_json_knows_are_written_and_all_else_is_refused() -> None:
    event = Payment(id="p1", at=Instant.parse("2026-11-21T09:00:00Z"))

    [body] = event_bodies([event, b'{"id":\n"raw"}'])

    assert body.lines == b'{"id":"p1","at":"2026-11-21T09:00:00Z"}\n{"id": "raw"}'
    with pytest.raises(TypeError, match="type object"):
        list(event_bodies([object()]))


def test_no_secret_is_shown_or_sent_in_the_open(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Client("http://127.0.0.1:1", KEY, retries=QUICK) as client:
        with pytest.raises(CallFailed) as failed:
            decide(client)
        shown = repr(client) + repr(failed.value) + str(failed.value) + caplog.text
    with pytest.raises(BadService, match="in the open") as open_:
        Client("http://kingpost.example", KEY)

    assert KEY not in shown + str(open_.value)


def test_both_clients_can_do_the_same() -> None:
    pairs = [(Client, AsyncClient)] + [
        (getattr(resources, name), getattr(async_resources, f"Async{name}"))
        for name in resources.__all__
    ]
    for one, other in pairs:
        mine = {name: inspect.signature(each) for name, each in methods(one)}
        theirs = {name: inspect.signature(each) for name, each in methods(other)}
        assert {name: list(each.parameters.values()) for name, each in mine.items()} == {
            name: list(each.parameters.values()) for name, each in theirs.items()
        }


def methods(kind: type) -> list[tuple[str, Callable[..., Awaitable[Any] | Any]]]:
    return [
        (name, each)
        for name, each in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    ]


def test_importing_the_client_loads_nothing_of_the_server() -> None:
    code = "import sys, kingpost.client; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ("numpy", "onnxruntime", "duckdb", "fastapi", "starlette", "uvicorn", "jinja2")
    done = subprocess.run(
        [sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
