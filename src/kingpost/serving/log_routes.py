"""`/v1/logs`: what anybody may see of the logs, for auditors and witnesses.

The layout below a log is C2SP's tlog-tiles. It is the whole installation's, all tenants in one
tree: digests, times and offsets, no content of any entry. So it has a scope of its own.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool

from kingpost.access import Principal
from kingpost.proofs import PublishedLog
from kingpost.serving.errors import LogPieceNotFound

__all__ = ["LogDocument", "LogRoutes", "LogsDocument"]

_HEADERS = {"content-type": "application/json", "cache-control": "no-store"}
_FOREVER = "private, max-age=31536000, immutable"
_encode = msgspec.json.Encoder().encode
Found = TypeVar("Found")


class LogDocument(msgspec.Struct):
    """A log.

    Attributes:
        name: `records` or `control`.
        origin: What it is called in checkpoints; empty before the first one.
        size: Leaves in the newest checkpoint.
        root: Its root, in hexadecimal digits.
        checkpoint: The signed checkpoint itself.
        keys: The log's verifier keys, the one that signs now last.
        handovers: The notes by which each key handed over to the next.
    """

    name: str
    origin: str
    size: int
    root: str
    checkpoint: str
    keys: list[str]
    handovers: list[str]


class LogsDocument(msgspec.Struct):
    """The logs of this installation."""

    logs: list[LogDocument]


class LogRoutes:
    """Adds the routes to an application.

    Args:
        logs: By name.
        let_in: Says who asks.
    """

    def __init__(
        self, logs: Mapping[str, PublishedLog], let_in: Callable[[Request], Principal]
    ) -> None:
        self._logs, self._let_in = logs, let_in

    def add_to(self, api: FastAPI) -> None:
        """Add them."""
        api.get("/v1/logs")(self.list_logs)
        api.get("/v1/logs/{log}/checkpoint")(self.checkpoint)
        api.get("/v1/logs/{log}/tile/{path:any_text}")(self.tile)

    async def list_logs(self, request: Request) -> Response:
        self._enter(request)
        found = await run_in_threadpool(
            lambda: [_document(name, log) for name, log in self._logs.items()]
        )
        return Response(_encode(LogsDocument(found)), headers=_HEADERS)

    async def checkpoint(self, request: Request, log: str) -> Response:
        self._enter(request)
        made = await self._read(log, PublishedLog.checkpoint)
        return Response(
            made.note.whole, media_type="text/plain", headers={"cache-control": "no-store"}
        )

    async def tile(self, request: Request, log: str, path: str) -> Response:
        self._enter(request)
        data = await self._read(log, lambda one: one.tile(f"tile/{path}"))
        headers = {"cache-control": _FOREVER}
        return Response(data, media_type="application/octet-stream", headers=headers)

    async def _read(self, log: str, read: Callable[[PublishedLog], Found | None]) -> Found:
        source = self._logs.get(log)
        found = None if source is None else await run_in_threadpool(read, source)
        if found is None:
            raise LogPieceNotFound
        return found

    def _enter(self, request: Request) -> None:
        self._let_in(request).require("audit")


def _document(name: str, log: PublishedLog) -> LogDocument:
    made = log.checkpoint()
    keys, handovers = list(map(str, log.keys())), list(log.handovers())
    if made is None:
        return LogDocument(name, "", 0, "", "", keys, handovers)
    root = made.root.hex()
    return LogDocument(name, made.origin, made.size, root, made.note.whole, keys, handovers)
