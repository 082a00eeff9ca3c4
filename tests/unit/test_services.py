"""A test that needs a server runs, is skipped with the reason, or fails where it is required."""

import socket
from collections.abc import Iterator

import pytest

from tests.services import Address, missing_service


@pytest.fixture
def open_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:  # bound and not listening: nobody else can open it
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.needs_service("redis")
        def test_talks(): ...

        @pytest.mark.needs_service("radis")
        def test_misspelt(): ...
        """
    )
    return pytester


def run(suite: pytest.Pytester, port: int, test: str) -> pytest.RunResult:
    return suite.runpytest_inprocess(
        "-p", "tests.services", f"--service=redis=127.0.0.1:{port}", "-rs", "-k", test
    )


def test_an_open_port_is_a_service_that_answers(open_port: int) -> None:
    assert missing_service("redis", Address("127.0.0.1", open_port)) is None


def test_a_closed_port_is_named_with_its_address(closed_port: int) -> None:
    missing = missing_service("redis", Address("127.0.0.1", closed_port))

    assert str(missing) == f"redis does not answer at 127.0.0.1:{closed_port} (Connection refused)"


def test_a_test_runs_where_its_service_answers(suite: pytest.Pytester, open_port: int) -> None:
    run(suite, open_port, "talks").assert_outcomes(passed=1, deselected=1)


def test_a_test_is_skipped_with_the_reason_where_its_service_is_missing(
    suite: pytest.Pytester, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KINGPOST_TEST_SERVICES", raising=False)

    result = run(suite, closed_port, "talks")

    result.assert_outcomes(skipped=1, deselected=1)
    result.stdout.fnmatch_lines([f"*redis does not answer at 127.0.0.1:{closed_port}*"])


def test_a_missing_service_fails_the_test_where_services_are_required(
    suite: pytest.Pytester, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KINGPOST_TEST_SERVICES", "required")

    result = run(suite, closed_port, "talks")

    result.assert_outcomes(errors=1, deselected=1)
    result.stdout.fnmatch_lines(["*it is required here*"])


def test_an_unknown_service_is_an_error_and_not_a_skip(
    suite: pytest.Pytester, open_port: int
) -> None:
    run(suite, open_port, "misspelt").assert_outcomes(errors=1, deselected=1)
