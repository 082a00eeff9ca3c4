"""`POST /v1/decisions/{name}` as a bare ASGI application: the hot path.

The rule: everything a caller can get wrong is found before the engine sees the request,
cheapest check first, and the body is not read for somebody without a key. It does by hand
what a framework would do, in a third of its time; the control plane describes the route.
"""

import re

from kingpost.access import KeyRing, MissingScope
from kingpost.core import Clock, KingpostError, id_text
from kingpost.decisions import STORE_REASONS, Ask, ServedDecision
from kingpost.records import DecisionRecord, Outcome
from kingpost.serving.errors import (
    BadHeader,
    DecisionFailed,
    FeaturesUnavailable,
    Overloaded,
)
from kingpost.serving.http import (
    BodyReader,
    Disconnected,
    HttpAnswer,
    Receive,
    Scope,
    Send,
    check_media_type,
    trace_id_of,
)
from kingpost.serving.metrics import Metrics
from kingpost.serving.problems import PROBLEMS, problem_answer
from kingpost.serving.rendering import render_answer
from kingpost.serving.settings import ServingSettings
from kingpost.serving.shell import Settled, Shell

__all__ = ["RETRY_AFTER_S", "DecisionRoute"]

RETRY_AFTER_S = 1
_VISIBLE = re.compile(rb"[\x21-\x7e]{1,255}")
_JSON = (b"content-type", b"application/json")
_REPLAYED = (b"idempotency-replayed", b"true")


class DecisionRoute:
    """One decision, answered."""

    def __init__(
        self,
        served: ServedDecision,
        shell: Shell,
        keys: KeyRing,
        bodies: BodyReader,
        metrics: Metrics,
        clock: Clock,
        settings: ServingSettings,
    ) -> None:
        self._name = served.decision.name
        self._scope = f"decide:{self._name}"
        self._decode = served.decision.request.decode
        self._shell, self._keys, self._bodies, self._clock = shell, keys, bodies, clock
        self._metrics, self._counts = metrics, metrics.by_decision[self._name]
        self._max_body_bytes = settings.max_body_bytes
        self._max_waiting = settings.max_waiting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        clock, metrics = self._clock, self._metrics
        arrived_ns = clock.monotonic_ns()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        trace_id = trace_id_of(headers.get(b"traceparent"))
        outcome = ""
        metrics.waiting += 1
        try:
            settled = await self._decide(headers, receive, trace_id, arrived_ns)
            outcome = settled.record.outcome
            if settled.record.outcome is Outcome.FAILED:
                failure = _failure(settled.record)
                answer, code = problem_answer(failure, trace_id), failure.code
            else:
                answer, code = _answer(settled), "ok"
        except Disconnected:
            self._counts.count("", "disconnected")
            return
        except Exception as error:  # noqa: BLE001  the boundary of a request
            answer = problem_answer(error, trace_id)
            code = _code(error)
        finally:
            metrics.waiting -= 1
        self._counts.count(outcome, code)
        self._counts.seconds.observe((clock.monotonic_ns() - arrived_ns) / 1e9)
        await answer.send(send)

    async def _decide(
        self, headers: dict[bytes, bytes], receive: Receive, trace_id: str, arrived_ns: int
    ) -> Settled:
        principal = self._keys.check(headers.get(b"authorization"))
        if "decide" not in principal.scopes and self._scope not in principal.scopes:
            raise MissingScope(self._scope)
        if self._metrics.waiting > self._max_waiting:
            raise Overloaded(RETRY_AFTER_S)
        check_media_type(headers, b"application/json")
        session = _visible(headers, b"kingpost-session")
        idempotency_key = _visible(headers, b"idempotency-key")
        body = await self._bodies.read(headers, receive, self._max_body_bytes)
        ask = Ask(
            self._name,
            principal.tenant,
            principal.id,
            self._decode(body),
            body,
            trace_id,
            session,
            idempotency_key,
            arrived_ns,
        )
        return await self._shell.decide(ask)


def _visible(headers: dict[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    if value is None:
        return None
    if _VISIBLE.fullmatch(value) is None:
        raise BadHeader(name.decode().title(), "1 to 255 visible ASCII characters")
    return value.decode()


def _answer(settled: Settled) -> HttpAnswer:
    record = settled.record
    headers = (_JSON, (b"kingpost-record", id_text(record.id).encode()))
    if settled.is_repeat:
        headers += (_REPLAYED,)
    return HttpAnswer(200, headers, render_answer(record))


def _failure(record: DecisionRecord) -> KingpostError:
    kind = FeaturesUnavailable if record.reason in STORE_REASONS else DecisionFailed
    return kind(id_text(record.id), record.reason)


def _code(error: Exception) -> str:
    code = getattr(error, "code", "")
    return code if code in PROBLEMS else "internal_error"
