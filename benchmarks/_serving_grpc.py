"""Calls a second over gRPC of one row each: Kingpost beside MLServer, the same model and protocol.

By turns, each server alone on one core; on the other one connection with 32 calls in flight,
the row as raw contents. Kingpost checks a key and has every inference on record before it
answers; MLServer does neither. The throughput is also told by the CPU that a server takes,
since other work may share the cores.
"""

import itertools
import statistics
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks._figures import PEERS, figure, peer_python, say
from benchmarks._grpc_load import GrpcLoad
from benchmarks._serving_house import Running, Server, SharedModel, kingpost_server, serving
from kingpost.serving.oip.protobuf import bytes_field, text_field, write_numbers

__all__ = ["run_grpc"]

STREAMS = 32
PATH = "/inference.GRPCInferenceService/ModelInfer"
BAR = 2.5
_OK = 200
_DIFFERENT = 5000
_WARM_S = 1.5


class Way(NamedTuple):
    """A server and how it is asked."""

    server: Server
    model: str
    tensor: str
    metadata: dict[str, str]


class Round(NamedTuple):
    """What one round of a way gave."""

    per_s: float
    p99_ms: float
    per_cpu_s: float


def run_grpc(model: SharedModel, *, rounds: int, seconds: float) -> bool:
    """Print `grpc_throughput` against MLServer; say whether the bar is met."""
    found: dict[str, list[Round]] = {"kingpost": [], "mlserver": []}
    for number in range(rounds):
        for name, way in _ways(model).items():
            one = _round(way, model, seconds)
            found[name].append(one)
            say(
                f"grpc round {number + 1} {name}: {one.per_s:,.0f}/s, p99 {one.p99_ms:.2f} ms, "
                f"{1e6 / one.per_cpu_s:.1f} us of CPU each"
            )
    ours, theirs = (
        Round(*(statistics.median(part) for part in zip(*found[name], strict=True)))
        for name in ("kingpost", "mlserver")
    )
    figure("grpc_throughput", ours.per_s, "calls/s", "mlserver", theirs.per_s, more_is_better=True)
    figure("grpc_p99_ms", ours.p99_ms, "ms", "mlserver", theirs.p99_ms, more_is_better=False)
    figure(
        "grpc_per_cpu_s", ours.per_cpu_s, "calls/s of CPU", "mlserver", theirs.per_cpu_s,
        more_is_better=True,
    )  # fmt: skip
    return ours.per_s >= BAR * theirs.per_s


def _ways(model: SharedModel) -> dict[str, Way]:
    mlserver = [str(peer_python("mlserver")), "mlserver_app.py", "{port}", "{grpc}", "plain"]
    key = {"authorization": f"Bearer {model.secret}"}
    return {
        "kingpost": Way(
            kingpost_server(model, "--grpc-port", "{grpc}"), "classify.model", "features", key
        ),
        "mlserver": Way(Server(mlserver, PEERS / "mlserver"), "m", "x", {}),
    }


def _messages(way: Way, rows: np.ndarray) -> list[bytes]:
    """Write requests of one row each."""
    tensor = b"".join(
        (
            text_field(1, way.tensor),
            text_field(2, "FP32"),
            write_numbers(3, np.array([1, rows.shape[1]]), "<i8"),
        )
    )
    head = text_field(1, way.model) + bytes_field(5, tensor)
    return [head + bytes_field(7, row.tobytes()) for row in rows[:_DIFFERENT].astype("<f4")]


def _round(way: Way, model: SharedModel, seconds: float) -> Round:
    with serving(way.server, model) as server:
        load = GrpcLoad("127.0.0.1", server.grpc_port, PATH, way.metadata, STREAMS)
        messages = _messages(way, model.rows)
        _wait_until_it_answers(load, messages[0])
        again = itertools.cycle(messages)
        load.run(_for_seconds(again, _WARM_S))
        _settle(server)
        busy = server.cpu_s()
        report = load.run(_for_seconds(again, seconds))
        busy = server.cpu_s() - busy
    wrong = {status: n for status, n in report.statuses().items() if status != _OK}
    if wrong:
        raise SystemExit(f"not every call was answered with OK: {wrong}")
    return Round(report.per_second(), report.latency_ms(99), len(report.answers) / busy)


def _for_seconds(messages: Iterator[bytes], seconds: float) -> Iterator[bytes]:
    end = time.monotonic() + seconds
    for message in messages:
        if time.monotonic() > end:
            return
        yield message


def _wait_until_it_answers(load: GrpcLoad, message: bytes) -> None:
    """Wait for the first answer: a server listens for HTTP before it does for gRPC."""
    for _ in range(240):
        try:
            if load.run([message]).statuses() == {_OK: 1}:
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise SystemExit("a server never answered with OK")


def _settle(server: Running) -> None:
    """Wait until the work of starting is over."""
    for _ in range(20):
        before = server.cpu_s()
        time.sleep(0.5)
        if server.cpu_s() - before < 0.1:
            return
