"""A real server in a process of its own, over real sockets."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from kingpost.access import KeyRing, MemoryKeys, create_key, revoke_key
from kingpost.calls import Answer, LoadClient, LoadReport
from kingpost.core import SystemClock, SystemDisk, id_text
from kingpost.journal import scan
from kingpost.records import DecisionRecord, decode_record
from kingpost.serving import BadAddress, PortInUse, ServingSettings, build_app, serve
from tests.e2e.tiny_server import open_keys
from tests.tiny_app import open_engine, payment

FRAUD = "/v1/decisions/fraud"
EVENTS = "/v1/events/payment"
SCOPES = ("decide", "ingest", "records", "metrics")
SYNC_S = 0.05


@dataclass
class Server:
    """A running server and somebody who may ask it."""

    directory: Path
    process: "subprocess.Popen[bytes]"
    url: str
    client: httpx.Client

    @property
    def address(self) -> tuple[str, int]:
        where = urlsplit(self.url)
        return where.hostname or "", where.port or 0

    def decide(self, body: bytes, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(FRAUD, content=body, headers=named)

    def key_of(self, tenant: str, *scopes: str) -> tuple[str, dict[str, str]]:
        made = create_key(open_keys(self.directory), SystemClock(), tenant=tenant, scopes=scopes)
        return made.key.id, {"authorization": f"Bearer {made.secret}"}

    def say(self, *parts: bytes) -> bytes:
        """Send bytes on a connection of their own, and read until it is closed."""
        with socket.create_connection(self.address, timeout=60) as connection:
            for part in parts:
                connection.sendall(part)
            heard = b""
            while received := connection.recv(65536):
                heard += received
            return heard

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        with self.process:
            self.process.send_signal(how)
        self.client.close()
        return self.process.returncode

    def records(self) -> list[DecisionRecord]:
        """Read what is in the journal, also beside the running server."""
        return [
            decode_record(entry.body)
            for commit in scan(self.directory / "data", disk=SystemDisk())
            for entry in commit.entries
            if entry.kind == "record"
        ]


def start(directory: Path, *arguments: float) -> Server:
    made = create_key(open_keys(directory), SystemClock(), tenant="acme", scopes=SCOPES)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.tiny_server", str(directory), *map(str, arguments)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    url = process.stdout.readline().decode().strip()
    assert url, "the server did not start"
    bearer = {"authorization": f"Bearer {made.secret}"}
    return Server(directory, process, url, httpx.Client(base_url=url, headers=bearer, timeout=60))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = start(tmp_path_factory.mktemp("server"), 0, 2)
    yield server
    assert server.stop() == 0


Begin = Callable[..., Server]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Start servers of a test's own; whatever it leaves running is ended."""
    begun: list[Server] = []

    def begin(directory: Path, *arguments: float) -> Server:
        begun.append(start(directory, *arguments))
        return begun[-1]

    yield begin
    for server in begun:
        if server.process.poll() is None:
            server.stop(signal.SIGKILL)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """Give each test events and cards of its own on the shared server."""
    return str(abs(hash(request.node.nodeid)))


def test_a_decision_is_answered_and_its_record_read(server: Server, name: str) -> None:
    answered = server.decide(payment(name, 900))

    record = server.client.get(f"/v1/records/{answered.json()['id']}")

    assert (answered.status_code, record.status_code) == (200, 200)
    assert record.json() | answered.json() == record.json()
    assert record.json()["event"]["key"] == name


def test_the_connection_stays_open(server: Server, name: str) -> None:
    body = payment(name)
    request = (
        f"POST {FRAUD} HTTP/1.1\r\nhost: t\r\nauthorization: "
        f"{server.client.headers['authorization']}\r\ncontent-length: {len(body)}\r\n"
    ).encode()

    heard = server.say(
        request + b"\r\n" + body + request + b"\r\n" + body,
        request + b"expect: 100-continue\r\nconnection: close\r\n\r\n",
        body,
    )

    assert heard.count(b"HTTP/1.1 200 OK") == 3
    assert heard.count(b"idempotency-replayed: true") == 2
    assert heard.count(b"HTTP/1.1 100 Continue") == 1
    assert heard.count(b'"decision":"fraud"') == 3


PAYMENT = payment("problem")


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status", "code"),
    [
        ("POST", FRAUD, PAYMENT, {"authorization": "Bearer x"}, 401, "api_key_refused"),
        ("POST", "/v1/decisions/x", PAYMENT, {}, 404, "decision_not_found"),
        ("GET", "/x", b"", {}, 404, "not_found"),
        ("GET", FRAUD, b"", {}, 405, "method_not_allowed"),
        ("POST", FRAUD, b" " * 262_145, {}, 413, "body_too_large"),
        ("POST", FRAUD, PAYMENT, {"content-type": "text/xml"}, 415, "unsupported_media_type"),
        ("POST", FRAUD, b"{}", {}, 422, "contract_violation"),
        ("POST", FRAUD, payment("broken", 666), {}, 503, "decision_failed"),
    ],
)
def test_what_is_wrong_is_a_problem_document(
    server: Server,
    method: str,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    check_problem(server.client.request(method, path, content=body, headers=headers), status, code)


def check_problem(answered: httpx.Response, status: int, code: str) -> None:
    assert answered.headers["content-type"] == "application/problem+json"
    assert (answered.status_code, answered.json()["code"]) == (status, code)


def test_who_has_no_key_or_too_small_a_one_is_told_so(server: Server) -> None:
    _, records_only = server.key_of("acme", "records")
    url = server.url + FRAUD

    check_problem(httpx.post(url, content=PAYMENT), 401, "api_key_missing")
    check_problem(httpx.post(url, content=PAYMENT, headers=records_only), 403, "missing_scope")


def test_a_body_in_pieces_is_bounded_too(server: Server) -> None:
    answered = server.client.post(FRAUD, content=iter([b" " * 99_999] * 9))

    check_problem(answered, 413, "body_too_large")


def test_a_conflict_is_a_problem_document(server: Server, name: str) -> None:
    server.decide(payment(name, 1))

    assert server.decide(payment(name, 2)).json()["code"] == "event_conflict"


def test_a_body_that_does_not_come_is_given_up(server: Server) -> None:
    heard = server.say(
        f"POST {FRAUD} HTTP/1.1\r\nhost: t\r\nauthorization: "
        f"{server.client.headers['authorization']}\r\ncontent-length: 9\r\n\r\n{{".encode()
    )

    assert heard.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body_timeout"' in heard
    assert b"connection: close" in heard


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"nonsense\r\n\r\n", 400, b"malformed_request"),
        ((b"GET / HTTP/1.1\r\nx: " + b"x" * 65_537)[:65_537], 431, b"request_head_too_large"),
    ],
)
def test_what_is_no_request_is_refused(
    server: Server, sent: bytes, status: int, code: bytes
) -> None:
    heard = server.say(sent)

    assert heard.startswith(b"HTTP/1.1 %d " % status)
    assert b'"code":"' + code in heard


def test_concurrent_retries_get_one_record_and_the_same_bytes(server: Server, name: str) -> None:
    def ask(_: int) -> bytes:
        return server.decide(payment(name), idempotency_key=name).content

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(64)))

    assert len(set(answers)) == 1
    assert sum(record.event_key == name for record in server.records()) == 1


def test_a_duplicate_of_an_event_counts_once(server: Server, name: str) -> None:
    one = server.client.post(EVENTS, content=payment(name + "a", card=name))
    two = server.client.post(EVENTS, content=payment(name + "a", card=name))
    decided = server.decide(payment(name + "b", card=name))

    assert (one.json()["accepted"], two.json()["duplicates"]) == (1, 1)
    record = server.client.get(f"/v1/records/{decided.json()['id']}").json()
    assert record["features"]["card_count_1d"] == 2


def test_a_tenant_sees_nothing_of_another(server: Server, name: str) -> None:
    _, theirs = server.key_of("umbrella", "decide", "ingest", "records")
    mine = server.decide(payment(name, 100, card=name)).json()
    for at in range(3):
        server.client.post(EVENTS, content=payment(f"{name}-{at}", 50, card=name))

    hidden = httpx.get(f"{server.url}/v1/records/{mine['id']}", headers=theirs)
    again = httpx.post(
        server.url + FRAUD, content=payment(name, 7, card=name), headers=theirs
    ).json()
    record = httpx.get(f"{server.url}/v1/records/{again['id']}", headers=theirs).json()

    assert hidden.status_code == 404
    assert again["id"] != mine["id"]
    assert record["features"]["card_count_7d"] == 1
    assert record["features"]["card_mean_7d"] == 7


def test_a_revoked_key_opens_nothing_two_seconds_later(server: Server, name: str) -> None:
    identifier, bearer = server.key_of("acme", "records")
    path = f"{server.url}/v1/decisions"
    assert httpx.get(path, headers=bearer).status_code == 200

    revoke_key(open_keys(server.directory), SystemClock(), identifier)
    time.sleep(2)

    assert httpx.get(path, headers=bearer).status_code == 401


def test_everything_is_served_that_the_docs_page_needs(server: Server) -> None:
    for path in ("/docs", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css", "/openapi.json"):
        assert httpx.get(server.url + path).status_code == 200


def test_a_retry_after_a_restart_gets_the_same_bytes(begin: Begin, tmp_path: Path) -> None:
    server = begin(tmp_path)
    first = server.decide(payment("p1"), idempotency_key="k").content
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL

    server = begin(tmp_path)
    again = server.decide(payment("p1"), idempotency_key="k")

    assert again.content == first
    assert again.headers["idempotency-replayed"] == "true"
    assert len(server.records()) == 1
    assert server.stop(signal.SIGINT) == 0


def test_no_answer_leaves_before_the_disk_has_its_record(begin: Begin, tmp_path: Path) -> None:
    server = begin(tmp_path, SYNC_S)
    host, port = server.address
    client = LoadClient(host, port, _bearer(server), connections=8)

    decided = client.run(client.post(FRAUD, payment(f"p{at}")) for at in range(64))
    repeated = client.run(client.post(FRAUD, payment(f"r{at // 8}")) for at in range(64))
    events = client.run(client.post(EVENTS, payment(f"e{at}")) for at in range(16))

    for report in (decided, events):
        assert set(report.statuses()) == {200}
        assert min(answer.latency_ns for answer in report.answers) >= SYNC_S * 1e9
    # a repetition that comes while the first is on its way waits for what is left of that
    longest: dict[bytes, int] = {}
    for answer in repeated.answers:
        assert answer.status == 200
        longest[answer.body] = max(longest.get(answer.body, 0), answer.latency_ns)
    assert len(longest) == 8
    assert min(longest.values()) >= SYNC_S * 1e9
    assert server.stop() == 0


def test_a_drain_under_load_answers_all_it_decided_and_ends_well(
    begin: Begin, tmp_path: Path
) -> None:
    server = begin(tmp_path)
    host, port = server.address
    client = LoadClient(host, port, _bearer(server), connections=32)
    reports: list[LoadReport] = []
    enough = threading.Event()

    def calls() -> Iterator[bytes]:
        for at in range(200_000):
            if at == 2000:
                enough.set()
            yield client.post(FRAUD, payment(f"p{at}", card=f"c{at % 50}"))

    load = threading.Thread(target=lambda: reports.append(client.run(calls())))
    load.start()
    assert enough.wait(120)
    assert server.stop() == 0
    load.join()

    answered = [_id_of(answer) for answer in reports[0].answers if answer.status]
    assert set(reports[0].statuses()) <= {0, 200}
    assert not reports[0].complete, "the drain came under load"
    assert sorted(answered) == sorted(id_text(record.id) for record in server.records())


def test_a_server_that_is_to_end_says_so_before_it_takes_no_more(
    begin: Begin, tmp_path: Path
) -> None:
    server = begin(tmp_path, 0, 10, 0, 3)
    server.process.send_signal(signal.SIGTERM)
    statuses: list[int] = []

    with pytest.raises(httpx.HTTPError):
        while True:
            with httpx.Client(base_url=server.url, headers=_bearer(server), timeout=60) as fresh:
                ready = fresh.get("/health/ready")
                answered = fresh.post(FRAUD, content=payment(f"p{len(statuses)}"))
            assert ready.json()["code"] == "not_ready"
            statuses.append(answered.status_code)

    assert len(statuses) > 1
    assert set(statuses) == {200}
    with server.process:
        assert server.process.wait(30) == 0
    server.client.close()
    assert len(server.records()) == len(statuses)


def _bearer(server: Server) -> dict[str, str]:
    return {"authorization": server.client.headers["authorization"]}


def _id_of(answer: Answer) -> str:
    identifier: str = json.loads(answer.body)["id"]
    return identifier


def test_an_address_that_cannot_be_had_is_an_error_and_the_engine_is_closed(
    tmp_path: Path,
) -> None:
    clock = SystemClock()

    def try_to_serve(host: str, port: int) -> None:
        app = build_app(
            open_engine(tmp_path / "data"),
            KeyRing(MemoryKeys(), clock),
            ServingSettings(),
            clock,
        )
        serve(app, host, port, 1)

    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port: int = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=str(port)):
            try_to_serve("127.0.0.1", port)
    with pytest.raises(BadAddress):
        try_to_serve("192.0.2.1", 0)
    with pytest.raises(BadAddress):
        try_to_serve("127.0.0.1", 99_999)
    open_engine(tmp_path / "data").close()
