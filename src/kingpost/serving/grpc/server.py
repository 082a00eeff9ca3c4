"""A gRPC server on an event loop of its caller.

    server = GrpcServer({b"/package.Service/Method": method})
    await server.start(listener)
    ...
    await server.drain(timeout_s=10)

HTTP/2 without an upgrade, in clear text or by TLS (ALPN `h2`). Calls are unary.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping

from kingpost.serving.grpc.call import Method
from kingpost.serving.grpc.connection import Connection
from kingpost.serving.grpc.house import House
from kingpost.serving.grpc.limits import GrpcLimits

__all__ = ["GrpcServer"]

_ALPN = "h2"


class GrpcServer:
    """Serves methods by their paths.

    Args:
        methods: By path, `/package.Service/Method`.
        limits: What it takes.
    """

    def __init__(self, methods: Mapping[bytes, Method], limits: GrpcLimits | None = None) -> None:
        self._house = House(methods, limits or GrpcLimits())
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._gone = asyncio.Event()

    @property
    def held_bytes(self) -> int:
        """How many bytes of messages are here whose rest is not."""
        return self._house.held

    async def start(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Take connections from a socket that listens.

        Args:
            tls: Says who the server is; it is told to speak HTTP/2.
        """
        if tls is not None:
            tls.set_alpn_protocols([_ALPN])
        loop = asyncio.get_running_loop()

        def connection() -> Connection:
            return Connection(self._house, loop, self._joined, self._left)

        self._server = await loop.create_server(connection, sock=listener, ssl=tls)

    def begin_drain(self) -> None:
        """Take no more connections; tell callers to send no more calls."""
        self._house.is_draining = True
        if self._server is not None:
            self._server.close()
        for one in list(self._connections):
            one.begin_drain()

    async def drain(self, timeout_s: float) -> None:
        """Answer what is in flight, and end; what takes longer is cut off."""
        self.begin_drain()
        if self._connections:
            self._gone.clear()
            try:
                await asyncio.wait_for(self._gone.wait(), timeout_s)
            except TimeoutError:
                for one in list(self._connections):
                    one.abort()
                await asyncio.sleep(0)

    def _joined(self, connection: Connection) -> bool:
        """Count a connection; False where there are too many."""
        if self._house.is_draining or len(self._connections) >= self._house.limits.max_connections:
            return False
        self._connections.add(connection)
        return True

    def _left(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._gone.set()
