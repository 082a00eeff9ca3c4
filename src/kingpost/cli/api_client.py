"""A client of a running server's API, for commands that people use at their desks.

The key comes from the environment alone: on a command line everybody on the machine could
read it.
"""

import os
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import click
import httpx
import msgspec

from kingpost.core import KingpostError, Settings

__all__ = [
    "API_KEY",
    "URL_OPTION",
    "ApiClient",
    "ApiProblem",
    "NoApiKey",
    "ServerUnreachable",
    "client_of",
]

API_KEY = "KINGPOST_API_KEY"
_TIMEOUT_S = 30.0
Document = dict[str, object]
URL_OPTION = click.option(
    "--url",
    envvar="KINGPOST_URL",
    help="Where the server is; KINGPOST_URL, or the configured host and port.",
)


class NoApiKey(KingpostError):
    """A command for a server, without a key to it."""

    code = "no_api_key"

    def __str__(self) -> str:
        return (
            f"set the environment variable {API_KEY} to an API key of the server; `kingpost keys "
            "create --scope review --scope records` makes one for reviews, `--scope ingest` one "
            "for pipelines, `--scope erase` one for erasures"
        )


class ServerUnreachable(KingpostError):
    """No server answers there. Safe to retry: whether it got the request is not known."""

    code = "server_unreachable"
    retry_safe = True

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url, self.reason = url, reason

    def __str__(self) -> str:
        return f"no server answers at {self.url} ({self.reason}); start one, or give --url"


class ApiProblem(KingpostError):
    """What the server answered instead.

    Attributes:
        problem: The server's own code.
    """

    code = "server_refused"

    def __init__(self, problem: str, detail: str) -> None:
        super().__init__(problem, detail)
        self.problem, self.detail = problem, detail

    def __str__(self) -> str:
        return f"{self.problem}: {self.detail}"


class ApiClient:
    """A server's API, for one command; it connects when it is first asked.

    Args:
        url: Where the server is, as `http://127.0.0.1:8080`.
        key: An API key; empty is none.
    """

    def __init__(self, url: str, key: str) -> None:
        self._url, self._key = url.rstrip("/"), key
        self._opened: httpx.Client | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._opened is not None:
            self._opened.close()

    def get(self, path: str, parameters: Mapping[str, str] | None = None) -> Document:
        """Read a document.

        Raises:
            NoApiKey: There is none to send.
            ServerUnreachable: Nobody answers.
            ApiProblem: The server answered with a problem.
        """
        return self._send("GET", path, parameters, None)

    def post(self, path: str, body: Mapping[str, object]) -> Document:
        """Send a document, and return what the server made of it.

        Raises:
            NoApiKey, ServerUnreachable, ApiProblem: As in `get`.
        """
        return self._send("POST", path, None, body)

    def post_lines(self, path: str, lines: bytes) -> Document:
        """Send one JSON object a line, and return what the server made of them.

        Raises:
            NoApiKey, ServerUnreachable, ApiProblem: As in `get`.
        """
        return self._answer("POST", path, None, lines, "application/x-ndjson")

    def _send(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None,
        body: Mapping[str, object] | None,
    ) -> Document:
        if body is None:
            return self._answer(method, path, parameters, None, "")
        return self._answer(method, path, parameters, msgspec.json.encode(body), "application/json")

    def _answer(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None,
        content: bytes | None,
        kind: str,
    ) -> Document:
        headers = {"content-type": kind} if kind else {}
        try:
            answer = self._http().request(
                method, path, params=parameters, content=content, headers=headers
            )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise ServerUnreachable(self._url, str(error) or type(error).__name__) from error
        try:
            document = msgspec.json.decode(answer.content, type=Document)
        except msgspec.MsgspecError as error:
            raise ServerUnreachable(
                self._url, f"status {answer.status_code}, not an answer of Kingpost's"
            ) from error
        if not answer.is_success:
            raise ApiProblem(
                str(document.get("code", f"status_{answer.status_code}")),
                str(document.get("detail", "the server refused")),
            )
        return document

    def _http(self) -> httpx.Client:
        if not self._key:
            raise NoApiKey
        if self._opened is None:
            headers = {"authorization": f"Bearer {self._key}"}
            self._opened = httpx.Client(base_url=self._url, headers=headers, timeout=_TIMEOUT_S)
        return self._opened


def client_of(settings: Settings, url: str | None) -> ApiClient:
    """Return a client of the server at `url`, or else where the settings have one listen."""
    where = url or f"http://{settings.host}:{settings.port}"
    return ApiClient(where, os.environ.get(API_KEY, ""))
