"""`POST /v1/decisions/{name}`: the hot path.

The rule: everything a caller can get wrong is found before the engine sees the request,
cheapest check first, and the body is not read for somebody without a key. It does by hand
what a framework would do, in a third of its time; the control plane describes the route.
"""

from collections.abc import Callable, Mapping

import msgspec

from kingpost.access import Fields, KeyRing, MissingScope, Principal
from kingpost.core import Clock, KingpostError, id_text
from kingpost.decisions import STORE_REASONS, Ask, Exposure, ServedDecision
from kingpost.features import FeaturesForgotten
from kingpost.records import DecisionRecord, Outcome
from kingpost.serving.errors import (
    DecisionFailed,
    FeaturesUnavailable,
    Overloaded,
    RequestTooLate,
)
from kingpost.serving.extraction import ExtractionGuard
from kingpost.serving.http import (
    BodyReader,
    Disconnected,
    HttpAnswer,
    Receive,
    Scope,
    Send,
    check_media_type,
    trace_id_of,
    visible_header,
)
from kingpost.serving.metrics import Metrics
from kingpost.serving.problems import code_of, problem_answer
from kingpost.serving.rendering import render_answer
from kingpost.serving.seen import RequestWatch
from kingpost.serving.settings import ServingSettings
from kingpost.serving.shell import Settled, Shell

__all__ = ["RETRY_AFTER_S", "DecisionRoute", "failure_of"]

RETRY_AFTER_S = 1
_JSON = (b"content-type", b"application/json")
_REPLAYED = (b"idempotency-replayed", b"true")


TakesAnswer = Callable[[HttpAnswer], None]


class _Admitted(msgspec.Struct, frozen=True):
    principal: Principal
    session: str | None
    idempotency_key: str | None
    fields: Fields


class DecisionRoute:
    """One decision, answered in two forms: to an ASGI server, and to a connection of our own.

    Both forms go through the same checks in the same order, and give the same bytes.
    """

    def __init__(
        self,
        served: ServedDecision,
        shell: Shell,
        keys: KeyRing,
        bodies: BodyReader,
        metrics: Metrics,
        clock: Clock,
        settings: ServingSettings,
        guard: ExtractionGuard | None = None,
        watch: RequestWatch | None = None,
    ) -> None:
        self._watch, self.path = watch, f"/v1/decisions/{served.decision.name}"
        self._guard, self._exposure = guard, served.decision.exposure
        self._name = served.decision.name
        self._scope = f"decide:{self._name}"
        self._cost = served.decision.cost
        self._decode = served.decision.request.decode
        self._shell, self._keys, self._bodies, self._clock = shell, keys, bodies, clock
        self._metrics, self._counts = metrics, metrics.by_decision[self._name]
        self.max_body_bytes = settings.max_body_bytes
        self._max_waiting = settings.max_waiting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of an ASGI server."""
        arrived_ns = self._clock.monotonic_ns()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        trace_id = trace_id_of(headers.get(b"traceparent"))
        self._metrics.waiting += 1
        settled: Settled | Exception
        fields: Fields = ()
        try:
            admitted = self._admit(headers)
            fields = admitted.fields
            body = await self._bodies.read(headers, receive, self.max_body_bytes)
            settled = await self._shell.decide(self._ask(admitted, body, trace_id, arrived_ns))
        except Disconnected:
            self._counts.count("", "disconnected")
            return
        except Exception as error:  # noqa: BLE001  the boundary of a request
            settled = error
        finally:
            self._metrics.waiting -= 1
        await self._answer(settled, headers, trace_id, arrived_ns, fields).send(send)

    def take(self, headers: dict[bytes, bytes], body: bytes, answer: TakesAnswer) -> None:
        """Answer a request that is whole.

        Args:
            headers: By their names in lower case.
            answer: Told once, now or later, in the loop's thread.
        """
        arrived_ns = self._clock.monotonic_ns()
        trace_id = trace_id_of(headers.get(b"traceparent"))
        metrics = self._metrics
        metrics.waiting += 1
        fields: Fields = ()

        def settle(settled: Settled | Exception) -> None:
            metrics.waiting -= 1
            answer(self._answer(settled, headers, trace_id, arrived_ns, fields))

        try:
            admitted = self._admit(headers)
            fields = admitted.fields
            ask = self._ask(admitted, body, trace_id, arrived_ns)
        except Exception as error:  # noqa: BLE001  the boundary of a request
            settle(error)
        else:
            self._shell.submit(ask, settle)

    def _admit(self, headers: dict[bytes, bytes]) -> _Admitted:
        """Find out what is wrong before the body is looked at."""
        principal = self._keys.check(headers.get(b"authorization"))
        if "decide" not in principal.scopes and self._scope not in principal.scopes:
            raise MissingScope(self._scope)
        fields: Fields = ()
        if principal.limits is not None:
            fields = self._keys.charge(principal, cost=self._cost)
        if self._metrics.waiting > self._max_waiting:
            raise Overloaded(RETRY_AFTER_S)
        check_media_type(headers, b"application/json")
        return _Admitted(
            principal,
            visible_header(headers, b"kingpost-session"),
            visible_header(headers, b"idempotency-key"),
            fields,
        )

    def _ask(self, admitted: _Admitted, body: bytes, trace_id: str, arrived_ns: int) -> Ask:
        principal = admitted.principal
        event = self._decode(body)
        if self._guard is not None:
            engine = self._shell.engine
            if not engine.has_answered(principal.tenant, self._name, event, body):
                self._guard.admit(principal, event)
        return Ask(
            self._name,
            principal.tenant,
            principal.id,
            event,
            body,
            trace_id,
            admitted.session,
            admitted.idempotency_key,
            arrived_ns,
        )

    def _answer(
        self,
        settled: Settled | Exception,
        headers: Mapping[bytes, bytes],
        trace_id: str,
        arrived_ns: int,
        fields: Fields,
    ) -> HttpAnswer:
        """Make the answer, and count it."""
        watch = self._watch
        settled_ns = 0 if watch is None else self._clock.monotonic_ns()
        outcome = ""
        if isinstance(settled, Settled):
            record = settled.record
            outcome = record.outcome
            if outcome is Outcome.FAILED:
                failure = failure_of(record)
                answer, code = problem_answer(failure, trace_id), failure.code
            else:
                answer, code = _answer(settled, self._exposure), "ok"
                if self._guard is not None and not settled.is_repeat:
                    self._guard.learn(record)
        else:
            answer, code = problem_answer(settled, trace_id), code_of(settled)
        self._counts.count(outcome, code)
        self._counts.seconds.observe((self._clock.monotonic_ns() - arrived_ns) / 1e9)
        if watch is not None:
            made = settled if isinstance(settled, Settled) else None
            watch.note(
                "POST",
                self.path,
                headers,
                trace_id,
                status=answer.status,
                code=code,
                arrived_ns=arrived_ns,
                settled_ns=settled_ns,
                record=None if made is None else made.record,
                is_repeat=made is not None and made.is_repeat,
            )
        return answer.adding(fields)


def _answer(settled: Settled, exposure: Exposure | None) -> HttpAnswer:
    record = settled.record
    identifier = id_text(record.id)
    headers = (_JSON, (b"kingpost-record", identifier.encode()))
    if settled.is_repeat:
        headers += (_REPLAYED,)
    return HttpAnswer(200, headers, render_answer(record, exposure, identifier=identifier))


def failure_of(record: DecisionRecord) -> KingpostError:
    """Return why a failed decision has no answer, as its caller is told."""
    if record.reason == FeaturesForgotten.code:
        return RequestTooLate(id_text(record.id))
    kind = FeaturesUnavailable if record.reason in STORE_REASONS else DecisionFailed
    return kind(id_text(record.id), record.reason)
