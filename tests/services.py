"""Tests that talk to a server: run where it answers, skip with the reason where it does not.

`@pytest.mark.needs_service("postgresql")` names what a test talks to. With
`KINGPOST_TEST_SERVICES=required`, as in `.ci/run`, a missing server is a failure, so
that a green run is never one that tested nothing.

A pytest plugin. What a test then says to the server is the test's own business.
"""

import os
import socket
from typing import NamedTuple, cast

import pytest

__all__ = ["SERVICES", "Address", "Missing", "missing_service"]


class Address(NamedTuple):
    host: str
    port: int


SERVICES = {
    "postgresql": Address("127.0.0.1", 5432),
    "redis": Address("127.0.0.1", 6379),
    "nats": Address("127.0.0.1", 4222),
    "rabbitmq": Address("127.0.0.1", 5672),
    "mosquitto": Address("127.0.0.1", 1883),
}
ANSWERS_WITHIN_S = 2.0


class Missing(NamedTuple):
    service: str
    address: Address
    reason: str

    def __str__(self) -> str:
        host, port = self.address
        return f"{self.service} does not answer at {host}:{port} ({self.reason})"


def missing_service(service: str, address: Address) -> Missing | None:
    """Say what is missing if nobody accepts a connection at the address."""
    try:
        socket.create_connection(address, timeout=ANSWERS_WITHIN_S).close()
    except OSError as error:
        return Missing(service, address, error.strerror or type(error).__name__)
    return None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--service",
        action="append",
        default=[],
        metavar="NAME=HOST:PORT",
        help="where a service answers, if not at its usual local port",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"needs_service(name, ...): talks to a server; known are {', '.join(SERVICES)}",
    )


def pytest_runtest_setup(item: pytest.Item) -> None:
    options = cast("list[str]", item.config.getoption("--service"))
    addresses = SERVICES | dict(map(_parse_service, options))
    for marker in item.iter_markers("needs_service"):
        for service in marker.args:
            if service not in addresses:
                pytest.fail(f"unknown service {service!r}; known are {', '.join(addresses)}")
            if missing := missing_service(service, addresses[service]):
                _refuse(missing)


def _refuse(missing: Missing) -> None:
    if os.environ.get("KINGPOST_TEST_SERVICES") == "required":
        pytest.fail(f"{missing}; it is required here: start it, see .ci/run")
    pytest.skip(f"{missing}; .ci/run starts it")


def _parse_service(option: str) -> tuple[str, Address]:
    name, _, address = option.partition("=")
    host, _, port = address.rpartition(":")
    return name, Address(host, int(port))
