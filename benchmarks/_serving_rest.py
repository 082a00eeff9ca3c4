"""Requests a second over HTTP of one row each: Kingpost beside what serves the same model.

By turns, each server alone on one core, the same closed-loop client with 32 connections on
the other, rows that differ. The throughput is also told by the CPU that a server takes, since
other work may share the cores. Kingpost checks, authenticates, counts and records durably;
its monitors, which nobody else has, are a process of their own and left out: they would
share the one core.
"""

import http.client
import itertools
import json
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from benchmarks._figures import PEERS, figure, peer_python, say
from benchmarks._serving_house import Running, Server, SharedModel, kingpost_server, serving
from kingpost.calls import LoadClient, LoadReport

__all__ = ["run_rest"]

CONNECTIONS = 32
MOST_A_SECOND = 40_000
Bodies = Callable[[np.ndarray], Iterator[bytes]]


class Way(NamedTuple):
    """A server and how it is asked.

    Attributes:
        headers: Sent with each request.
    """

    server: Server
    path: str
    bodies: Bodies
    headers: dict[str, str]


class Round(NamedTuple):
    """What one round of a way gave."""

    per_s: float
    p50_ms: float
    p99_ms: float
    per_cpu_s: float


def _named_bodies(rows: np.ndarray) -> Iterator[bytes]:
    names = [f"f{number}" for number in range(rows.shape[1])]
    for row in rows.tolist():
        yield json.dumps(dict(zip(names, row, strict=True))).encode()


def _list_bodies(rows: np.ndarray) -> Iterator[bytes]:
    for row in rows.tolist():
        yield json.dumps({"features": row}).encode()


def _table_bodies(rows: np.ndarray) -> Iterator[bytes]:
    for row in rows.tolist():
        yield json.dumps({"rows": [row]}).encode()


def _tensor_bodies(rows: np.ndarray) -> Iterator[bytes]:
    for row in rows.tolist():
        tensor = {"name": "x", "shape": [1, len(row)], "datatype": "FP32", "data": row}
        yield json.dumps({"inputs": [tensor]}).encode()


def our_bodies(rows: np.ndarray) -> Iterator[bytes]:
    """Write whole requests: a key and a time of their own, and the row by names, for ever."""
    names = [f"f{number}" for number in range(rows.shape[1])]
    ends = [json.dumps(dict(zip(names, row, strict=True)))[1:] for row in rows.tolist()]
    run = uuid.uuid4().hex[:12]
    for number in itertools.count():
        at = f"2024-06-{1 + number // 86_400_000 % 28:02d}T{number // 3_600_000 % 24:02d}"
        at += f":{number // 60_000 % 60:02d}:{number // 1000 % 60:02d}.{number % 1000:03d}Z"
        yield f'{{"id":"{run}-{number}","at":"{at}",{ends[number % len(ends)]}'.encode()


def _ways(model: SharedModel) -> dict[str, Way]:
    python = {name: str(peer_python(name)) for name in ("serving", "bento", "mlserver", "ray")}

    def uvicorn(app: str) -> Server:
        flags = [
            "--no-access-log",
            "--log-level",
            "error",
            "--loop",
            "uvloop",
            "--http",
            "httptools",
        ]
        command = [python["serving"], "-m", "uvicorn", app, "--port", "{port}", *flags]
        return Server(command, PEERS / "serving")

    bento = [
        python["bento"],
        "-m",
        "bentoml",
        "serve",
        "bento_service:Classifier",
        "--port",
        "{port}",
    ]
    return {
        "kingpost": Way(
            kingpost_server(model, "--no-watch"),
            "/v1/decisions/classify",
            our_bodies,
            {"authorization": f"Bearer {model.secret}"},
        ),
        "handwritten": Way(uvicorn("handwritten_app:app"), "/predict", _list_bodies, {}),
        "fastapi-async": Way(uvicorn("naive_async_app:app"), "/predict", _list_bodies, {}),
        "fastapi": Way(uvicorn("naive_app:app"), "/predict", _named_bodies, {}),
        "mlserver": Way(
            Server(
                [python["mlserver"], "mlserver_app.py", "{port}", "{grpc}", "plain"],
                PEERS / "mlserver",
            ),
            "/v2/models/m/infer", _tensor_bodies, {},
        ),
        "litserve": Way(
            Server([python["serving"], "litserve_app.py", "{port}"], PEERS / "serving"),
            "/predict", _list_bodies, {},
        ),
        "bentoml": Way(Server(bento, PEERS / "bento"), "/predict", _table_bodies, {}),
        "ray-serve": Way(
            Server([python["ray"], "ray_app.py", "{port}"], PEERS / "ray"),
            "/predict", _list_bodies, {},
        ),
    }  # fmt: skip


def run_rest(model: SharedModel, *, rounds: int, seconds: float, only: str = "") -> bool:
    """Print `rest_throughput` and `rest_p99_ms` against each peer; say whether the bars are met."""
    ways = {
        name: way
        for name, way in _ways(model).items()
        if not only or name == "kingpost" or name in only.split(",")
    }
    found: dict[str, list[Round]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in ways.items():
            one = _round(way, model, seconds)
            found[name].append(one)
            say(
                f"rest round {number + 1} {name}: {one.per_s:,.0f}/s, p50 {one.p50_ms:.2f} ms, "
                f"p99 {one.p99_ms:.2f} ms, {1e6 / one.per_cpu_s:.1f} us of CPU each"
            )
    medians = {
        name: Round(*(statistics.median(part) for part in zip(*each, strict=True)))
        for name, each in found.items()
    }
    ours = medians.pop("kingpost")
    for name, theirs in medians.items():
        figure("rest_throughput", ours.per_s, "requests/s", name, theirs.per_s, more_is_better=True)
        figure("rest_p99_ms", ours.p99_ms, "ms", name, theirs.p99_ms, more_is_better=False)
        figure(
            "rest_per_cpu_s", ours.per_cpu_s, "requests/s of CPU", name, theirs.per_cpu_s,
            more_is_better=True,
        )  # fmt: skip
    bars = {"handwritten": 0.7, "fastapi-async": 2.0} | dict.fromkeys(
        ("bentoml", "litserve", "mlserver", "ray-serve"), 5.0
    )
    return all(
        ours.per_s >= bars[name] * theirs.per_s for name, theirs in medians.items() if name in bars
    )


def _round(way: Way, model: SharedModel, seconds: float) -> Round:
    with serving(way.server, model) as server:
        client = LoadClient("127.0.0.1", server.port, way.headers, CONNECTIONS)
        rows = model.rows
        if way.bodies is our_bodies:
            calls = itertools.islice(way.bodies(rows), int(MOST_A_SECOND * (seconds + 2)))
        else:
            calls = way.bodies(rows)
        made = [client.post(way.path, body) for body in calls]
        _wait_until_it_answers(server, way, made[0])
        again = itertools.cycle(made) if way.bodies is not our_bodies else iter(made)
        client.run(_for_seconds(again, 1.5))
        _settle(server)
        busy = server.cpu_s()
        report = client.run(_for_seconds(again, seconds))
        busy = server.cpu_s() - busy
    _check(report)
    return Round(
        report.per_second(),
        report.latency_ms(50),
        report.latency_ms(99),
        len(report.answers) / busy if busy else 0.0,
    )


def _for_seconds(calls: Iterator[bytes], seconds: float) -> Iterator[bytes]:
    end = time.monotonic() + seconds
    for call in calls:
        if time.monotonic() > end:
            return
        yield call


def _wait_until_it_answers(server: Running, way: Way, call: bytes) -> None:
    """Wait for the first answer: some servers listen long before they have a model."""
    body = call.partition(b"\r\n\r\n")[2]
    for _ in range(240):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        try:
            headers = {"content-type": "application/json", **way.headers}
            connection.request("POST", way.path, body, headers)
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.5)
    raise SystemExit("a server never answered with 200")


def _settle(server: Running) -> None:
    """Wait until the work of starting is over; Ray starts workers long after it answers."""
    for _ in range(20):
        before = server.cpu_s()
        time.sleep(0.5)
        if server.cpu_s() - before < 0.1:
            return


def _check(report: LoadReport) -> None:
    wrong = {status: n for status, n in report.statuses().items() if status != 200}
    if wrong:
        raise SystemExit(f"not every request was answered with 200: {wrong}")
