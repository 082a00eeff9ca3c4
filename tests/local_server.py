"""A real server on this machine for tests of what goes over the wire, in a thread."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager

__all__ = ["Serve", "local_server", "read_request"]

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    """Read the head of a request, in lower case, and its body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next((line for line in head.splitlines() if line.startswith("content-length:")), ":0")
    return head, await reader.readexactly(int(length.partition(":")[2]))


@contextmanager
def local_server(serve: Serve, context: ssl.SSLContext | None = None) -> Generator[int]:
    """Serve connections; yield the port."""

    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.close()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(closing, "127.0.0.1", 0, ssl=context)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        running = asyncio.all_tasks() - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await asyncio.sleep(0.01)  # connections close when the loop turns

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        server = asyncio.run_coroutine_threadsafe(start(), loop).result(5)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            asyncio.run_coroutine_threadsafe(stop(server), loop).result(5)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
