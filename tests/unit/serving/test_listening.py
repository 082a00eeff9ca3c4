"""Addresses: who has one alone, and who shares it."""

import socket
from collections.abc import Callable

import pytest

from kingpost.serving import BadAddress, PortInUse
from kingpost.serving.listening import address_of, listening_socket, reserved_socket


def test_connections_to_a_reserved_address_go_to_those_that_share_it() -> None:
    with reserved_socket("127.0.0.1", 0) as held:
        port = held.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with (
            listening_socket("127.0.0.1", port, is_shared=True) as one,
            listening_socket("127.0.0.1", port, is_shared=True),
            socket.create_connection(("127.0.0.1", port)),
        ):
            assert address_of(one, "127.0.0.1") == f"127.0.0.1:{port}"


@pytest.mark.parametrize("opens", [listening_socket, reserved_socket])
def test_an_address_that_others_share_is_in_use(opens: Callable[[str, int], socket.socket]) -> None:
    with (
        reserved_socket("127.0.0.1", 0) as held,
        listening_socket("127.0.0.1", held.getsockname()[1], is_shared=True),
        pytest.raises(PortInUse),
    ):
        opens("127.0.0.1", held.getsockname()[1])


@pytest.mark.parametrize("opens", [listening_socket, reserved_socket])
def test_an_address_of_another_machine_is_refused(
    opens: Callable[[str, int], socket.socket],
) -> None:
    with pytest.raises(BadAddress):
        opens("203.0.113.1", 0)
    with pytest.raises(BadAddress, match="65535"):
        opens("127.0.0.1", 65536)
