"""The client for the tasks of an event loop; what each method does, `Client` says."""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self, TypeVar, overload

from kingpost.calls import AsyncServiceClient, Auth, Retries, Tls
from kingpost.client import operations
from kingpost.client.async_resources import AsyncIncidents, AsyncRecords, AsyncTasks, AsyncWorkflows
from kingpost.client.bodies import event_bodies
from kingpost.client.connection import DEADLINE, HTTPS, RETRIES, added, service_of
from kingpost.client.documents import Answer, Change, Ingested, ServedDecision
from kingpost.client.errors import ApiError
from kingpost.client.operations import Operation, new_key
from kingpost.client.sending import AsyncSending
from kingpost.core import KingpostError

__all__ = ["AsyncClient"]

T = TypeVar("T")
Object = dict[str, object]


class AsyncClient:
    """A server's API; may be used from several threads. Make one and keep it.

    Args:
        url: Where the server is, as `https://kingpost.example`.
        key: An API key, or how to get a token; None asks without one.
        deadline: The longest a request may take, with all attempts and waits.
        retries: How often and when again; only what is safe to send again is.
        connections: So many requests are under way at most; more wait their turn.
        tls: Certificates of both sides. None says that a key may go over plain HTTP to another
            machine, as within a closed network; to this one it always may.

    Attributes:
        records, tasks, incidents, workflows: The rest of the API.

    Raises:
        BadService: What is given cannot work.
    """

    def __init__(
        self,
        url: str,
        key: str | Auth | None = None,
        *,
        deadline: str = DEADLINE,
        retries: Retries = RETRIES,
        connections: int = 64,
        tls: Tls | None = HTTPS,
    ) -> None:
        service = service_of(
            url, key, deadline=deadline, retries=retries, connections=connections, tls=tls
        )
        self._url = service.base_url
        self._calls = AsyncServiceClient(service)
        self._send = send = AsyncSending(self._calls)
        self.records = AsyncRecords(send)
        self.tasks = AsyncTasks(send)
        self.incidents = AsyncIncidents(send)
        self.workflows = AsyncWorkflows(send)

    def __repr__(self) -> str:
        return f"AsyncClient({self._url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._calls.close()

    @overload
    async def decide(
        self,
        decision: str,
        request: object,
        *,
        idempotency_key: str = "",
        session: str = "",
        traceparent: str = "",
        deadline: str | None = None,
    ) -> Answer[Object]: ...

    @overload
    async def decide(
        self,
        decision: str,
        request: object,
        answer: type[T],
        *,
        idempotency_key: str = "",
        session: str = "",
        traceparent: str = "",
        deadline: str | None = None,
    ) -> Answer[T]: ...

    async def decide(
        self,
        decision: str,
        request: object,
        answer: type[Any] = Object,
        *,
        idempotency_key: str = "",
        session: str = "",
        traceparent: str = "",
        deadline: str | None = None,
    ) -> Answer[Any]:
        """Decide a request; sent again, it gets the answer of the first time.

        Args:
            request: An event, a struct, a dataclass, a mapping, or JSON as bytes.
            answer: The type to read the answer as; a dictionary when left out.
            idempotency_key: Give your own where a new process may send the request again.
            session: Kept in the record.
            traceparent: W3C trace context; its trace id is kept in the record.
            deadline: For this request, shorter than the client's.

        Raises:
            ApiError: The server answered with a problem.
            BadAnswer: The answer is not of that type.
            CallFailed, DeadlineExceeded: It gave none; send it again under the error's
                `idempotency_key`.
        """
        return await self._send(
            operations.decide(
                decision,
                request,
                answer,
                idempotency_key=idempotency_key or new_key(),
                session=session,
                traceparent=traceparent,
                deadline=deadline,
            )
        )

    async def decisions(self) -> tuple[ServedDecision, ...]:
        """Return what runs."""
        return (await self._send(operations.list_decisions())).decisions

    async def ingest(self, stream: str, events: Iterable[object]) -> Ingested:
        """Send events, in as many bodies as it takes.

        Each is known by its own key: when it ends with an error, send all of them again. One
        whose answer was lost on the way is counted as a duplicate by the next attempt.

        Raises:
            ApiError, CallFailed, DeadlineExceeded: As `decide`; earlier bodies are durable.
        """
        ingested = Ingested(0, 0, ())
        for body in event_bodies(events):
            more = await self._send(operations.ingest(stream, body.lines, new_key()))
            ingested = added(ingested, more, body.before)
        return ingested

    async def correct(self, stream: str, key: str | int, event: object) -> Change:
        """Put an event in the place of the one that is held under its key."""
        return await self._send(operations.correct_event(stream, key, event))

    async def retract(self, stream: str, key: str | int) -> Change:
        """Take an event back: it does not count from here on."""
        return await self._send(operations.retract_event(stream, key))

    async def is_live(self) -> bool:
        """Tell whether a server is there; within 2 seconds."""
        return await self._is_well(operations.health("live"))

    async def is_ready(self) -> bool:
        """Tell whether it takes work; within 2 seconds."""
        return await self._is_well(operations.health("ready"))

    async def _is_well(self, operation: Operation[operations.Health]) -> bool:
        try:
            await self._send(operation)
        except KingpostError as error:
            if isinstance(error, ApiError) or error.retry_safe:
                return False
            raise
        return True
