"""One HTTP request and its answer within a time, whatever the server does.

The rule: when the time is over the exchange ends, also while a name is looked up, during
the handshake, and with a server that sends a byte a second. It says whether the request
can have reached the service.
"""

import asyncio
import logging
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import httpx

from kingpost.calls.answer import CallAnswer
from kingpost.calls.service import Service, Tls

__all__ = [
    "AsyncExchange",
    "AsyncHttpExchange",
    "Broken",
    "CallRequest",
    "Exchange",
    "HttpExchange",
]

_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
)
_SENDING = ("send_request_headers.started", "send_request_body.started")
_CLOSING_S = 5.0


@dataclass(frozen=True)
class CallRequest:
    """A request as it is sent; its headers may hold secrets, and are not shown."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Broken:
    """An exchange without a whole answer.

    Attributes:
        kind: `unsent` when the service cannot have read any of it, `lost` when it may have
            done it, `large` when the answer was too large, `untrusted` when the service's
            certificate was refused.
        status: Of an answer that was too large.
    """

    kind: Literal["unsent", "lost", "large", "untrusted"]
    reason: str
    status: int = 0


class Exchange(Protocol):
    """Sends a request and waits for its answer, within some seconds."""

    def __call__(self, request: CallRequest, within_s: float) -> CallAnswer | Broken:
        """Send it once."""
        ...


class AsyncExchange(Protocol):
    """Sends a request and waits for its answer, within some seconds."""

    async def __call__(self, request: CallRequest, within_s: float) -> CallAnswer | Broken:
        """Send it once."""
        ...


class AsyncHttpExchange:
    """Exchanges with one service, over connections that are kept."""

    def __init__(self, service: Service) -> None:
        # httpx logs the URL of every request, which may be a secret
        logging.getLogger("httpx").setLevel(logging.WARNING)
        limits = httpx.Limits(
            max_connections=service.bulkhead + 1, max_keepalive_connections=service.bulkhead
        )
        self._limit_bytes = service.max_answer_bytes
        self._client = httpx.AsyncClient(
            verify=_context(service.tls or Tls()),
            limits=limits,
            timeout=None,
            follow_redirects=False,
            trust_env=False,
        )

    async def __call__(self, request: CallRequest, within_s: float) -> CallAnswer | Broken:
        sending = _Sending()
        try:
            async with asyncio.timeout(within_s):
                return await self._answer(request, sending)
        except TimeoutError:
            return Broken("lost" if sending.has_begun else "unsent", "no answer in time")
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # its message may hold the URL
            reason = type(error).__name__
            if _is_untrusted(error):
                return Broken("untrusted", _untrusted(error))
            is_unsent = isinstance(error, _NEVER_SENT) and not sending.has_begun
            return Broken("unsent" if is_unsent else "lost", reason)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _answer(self, request: CallRequest, sending: "_Sending") -> CallAnswer | Broken:
        async with self._client.stream(
            request.method,
            request.url,
            headers=dict(request.headers),
            content=request.body or None,
            extensions={"trace": sending.trace},
        ) as response:
            body = bytearray()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > self._limit_bytes:
                    return Broken("large", "the answer is too large", response.status_code)
            headers = {name.lower(): value for name, value in response.headers.items()}
            return CallAnswer(response.status_code, headers, bytes(body))


class HttpExchange:
    """The same for threads: the exchanges run in an event loop on a thread of their own.

    A blocking socket knows only how long one read may take, and a name is looked up without
    any limit: only so do all parts of an exchange end in time.
    """

    def __init__(self, service: Service) -> None:
        self._loop = asyncio.new_event_loop()
        self._exchange = AsyncHttpExchange(service)
        self._thread = threading.Thread(
            target=self._loop.run_forever, name=f"calls-{service.name}", daemon=True
        )
        self._thread.start()

    def __call__(self, request: CallRequest, within_s: float) -> CallAnswer | Broken:
        running = asyncio.run_coroutine_threadsafe(self._exchange(request, within_s), self._loop)
        try:
            return running.result(within_s + _CLOSING_S)
        except TimeoutError:  # the thread is gone, as after a fork
            running.cancel()
            return Broken("lost", "nothing came of it in time")
        except BaseException:
            running.cancel()
            raise

    def close(self) -> None:
        """Close all connections and end the thread."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._exchange.close(), self._loop).result(_CLOSING_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSING_S)
        self._loop.close()


class _Sending:
    """Notes whether a request began to leave."""

    def __init__(self) -> None:
        self.has_begun = False

    async def trace(self, event: str, info: object) -> None:
        self.has_begun = self.has_begun or event.endswith(_SENDING)


def _context(tls: Tls) -> ssl.SSLContext:
    if tls.ca is not None:
        context = ssl.create_default_context(cafile=tls.ca)
    else:
        context = httpx.create_ssl_context(trust_env=False)
    if tls.certificate is not None:
        context.load_cert_chain(tls.certificate, tls.key, tls.key_password or None)
    return context


def _causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    return found


def _is_untrusted(error: BaseException) -> bool:
    return any(isinstance(one, ssl.SSLCertVerificationError) for one in _causes(error))


def _untrusted(error: BaseException) -> str:
    refused = (one for one in _causes(error) if isinstance(one, ssl.SSLCertVerificationError))
    return next((one.verify_message for one in refused), "certificate verification failed")
