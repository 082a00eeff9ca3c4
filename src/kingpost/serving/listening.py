"""What listens: sockets, and how uvicorn is set up on them."""

import errno
import math
import socket
from collections.abc import Callable
from typing import Any, Literal

import uvicorn

from kingpost.serving.errors import BadAddress, PortInUse
from kingpost.serving.tls import Tls

__all__ = ["address_of", "listening_socket", "reserved_socket", "server_config"]

KEEP_ALIVE_S = 75
BACKLOG = 2048


class _Config(uvicorn.Config):
    """uvicorn's settings, with a context for TLS that is made elsewhere."""

    tls: Tls | None = None

    def load(self) -> None:
        super().load()
        if self.tls is not None:
            self.ssl = self.tls.context


def server_config(
    app: Any, protocol: Any, tls: Tls | None, *, lifespan: Literal["on", "off"], drain_s: float
) -> uvicorn.Config:
    """Set uvicorn up.

    Args:
        app: The ASGI application.
        protocol: Makes the protocol of a connection.
        drain_s: How long requests in flight may take to finish.
    """
    config = _Config(
        app,
        interface="asgi3",
        loop="auto",
        http=protocol,
        ws="none",
        lifespan=lifespan,
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=math.ceil(drain_s),
    )
    config.tls = tls
    return config


def listening_socket(host: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """Listen.

    Args:
        port: 0 takes a free one.
        is_shared: Others of this user listen there as well, and connections are spread.

    Raises:
        PortInUse: Somebody else listens there.
        BadAddress: This machine cannot listen there.
    """
    return _opened(
        host,
        port,
        lambda family: socket.create_server(
            (host, port), family=family, backlog=BACKLOG, reuse_port=is_shared
        ),
    )


def reserved_socket(host: str, port: int) -> socket.socket:
    """Keep an address for those that will share it; connections go to them alone.

    Raises:
        PortInUse, BadAddress: As `listening_socket`.
    """
    with listening_socket(host, port) as alone:  # somebody who shares it would not be noticed
        port = alone.getsockname()[1]

    def bound(family: int) -> socket.socket:
        held = socket.socket(family)
        try:
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            held.bind((host, port))
        except OSError:
            held.close()
            raise
        return held

    return _opened(host, port, bound)


def address_of(listener: socket.socket, host: str) -> str:
    """Return where a socket is reached, as `127.0.0.1:8080`."""
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{listener.getsockname()[1]}"


def _opened(host: str, port: int, opened: Callable[[int], socket.socket]) -> socket.socket:
    if not 0 <= port < 1 << 16:
        raise BadAddress(host, port, "a port is a number from 0 to 65535")
    try:
        return opened(socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUse(host, port) from error
        raise BadAddress(host, port, str(error)) from error
