"""`POST /v1/decisions/{name}`: the hot path.

The rule: everything a caller can get wrong is found before the engine sees the request,
cheapest check first, and the body is not read for somebody without a key. It does by hand
what a framework would do, in a third of its time; the control plane describes the route.
"""

from collections.abc import Mapping
from functools import partial
from hashlib import sha256

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
    TakesAnswer,
    TakesBody,
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


class _Head:
    """The head of a request: what is found out about it is found out once.

    A caller sends the same one again and again; see `KnownHeads`.
    """

    __slots__ = (
        "authorization", "digest", "headers", "idempotency_key", "is_checked", "session",
        "traceparent",
    )  # fmt: skip

    def __init__(self, headers: Mapping[bytes, bytes]) -> None:
        self.headers, self.is_checked = headers, False
        self.traceparent = headers.get(b"traceparent")
        self.authorization = headers.get(b"authorization")
        self.digest = sha256(self.authorization or b"").digest()
        self.session: str | None = None
        self.idempotency_key: str | None = None

    def check(self) -> None:
        """Find out what is wrong with it, whoever sends it.

        Raises:
            UnsupportedMediaType, BadHeader: That.
        """
        check_media_type(self.headers, b"application/json")
        self.session = visible_header(self.headers, b"kingpost-session")
        self.idempotency_key = visible_header(self.headers, b"idempotency-key")
        self.is_checked = True


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
        head = _Head(dict(scope["headers"]))
        trace_id = trace_id_of(head.traceparent)
        self._metrics.waiting += 1
        settled: Settled | Exception
        fields: Fields = ()
        try:
            principal, fields = self._admit(head)
            body = await self._bodies.read(head.headers, receive, self.max_body_bytes)
            ask = self._ask(principal, head, body, trace_id, arrived_ns)
            settled = await self._shell.decide(ask)
        except Disconnected:
            self._counts.count("", "disconnected")
            return
        except Exception as error:  # noqa: BLE001  the boundary of a request
            settled = error
        finally:
            self._metrics.waiting -= 1
        await self._answer(head, trace_id, arrived_ns, fields, settled).send(send)

    def read(self, headers: dict[bytes, bytes]) -> TakesBody:
        """Return what takes the bodies that come with a head.

        Args:
            headers: By their names in lower case.
        """
        return partial(self._take, _Head(headers))

    def _take(self, head: _Head, body: bytes, answer: TakesAnswer) -> None:
        arrived_ns = self._clock.monotonic_ns()
        trace_id = trace_id_of(head.traceparent)
        self._metrics.waiting += 1
        fields: Fields = ()
        try:
            principal, fields = self._admit(head)
            ask = self._ask(principal, head, body, trace_id, arrived_ns)
        except Exception as error:  # noqa: BLE001  the boundary of a request
            self._settle(answer, head, trace_id, arrived_ns, fields, error)
        else:
            settle = partial(self._settle, answer, head, trace_id, arrived_ns, fields)
            self._shell.submit(ask, settle)

    def _settle(
        self,
        answer: TakesAnswer,
        head: _Head,
        trace_id: str,
        arrived_ns: int,
        fields: Fields,
        settled: Settled | Exception,
    ) -> None:
        self._metrics.waiting -= 1
        answer(self._answer(head, trace_id, arrived_ns, fields, settled))

    def _admit(self, head: _Head) -> tuple[Principal, Fields]:
        """Find out what is wrong before the body is looked at."""
        principal = self._keys.check(head.authorization, head.digest)
        if "decide" not in principal.scopes and self._scope not in principal.scopes:
            raise MissingScope(self._scope)
        fields: Fields = ()
        if principal.limits is not None:
            fields = self._keys.charge(principal, cost=self._cost)
        if self._metrics.waiting > self._max_waiting:
            raise Overloaded(RETRY_AFTER_S)
        if not head.is_checked:
            head.check()
        return principal, fields

    def _ask(
        self, principal: Principal, head: _Head, body: bytes, trace_id: str, arrived_ns: int
    ) -> Ask:
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
            head.session,
            head.idempotency_key,
            arrived_ns,
        )

    def _answer(
        self,
        head: _Head,
        trace_id: str,
        arrived_ns: int,
        fields: Fields,
        settled: Settled | Exception,
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
        self._counts.note(outcome, code, (self._clock.monotonic_ns() - arrived_ns) / 1e9)
        if watch is not None:
            made = settled if isinstance(settled, Settled) else None
            watch.note(
                "POST",
                self.path,
                head.headers,
                trace_id,
                status=answer.status,
                code=code,
                arrived_ns=arrived_ns,
                settled_ns=settled_ns,
                record=None if made is None else made.record,
                is_repeat=made is not None and made.is_repeat,
            )
        return answer.adding(fields) if fields else answer


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
