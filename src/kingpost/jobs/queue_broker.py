"""A queue at a broker: connects again whenever it must, and never keeps anybody waiting.

The rule: an announcement that the broker has not confirmed is made again once it is there.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Coroutine
from typing import Any, Protocol

__all__ = ["BrokerLink", "BrokerQueue"]

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0
_WITHIN_S = 5.0
_MOST_PENDING = 1000
"""More announcements are not kept for a broker that is away: workers look by themselves."""

_log = logging.getLogger(__name__)


class BrokerLink(Protocol):
    """A connection to a broker; its calls come from one event loop, and raise when it broke."""

    async def open(self) -> None:
        """Connect, and make at the broker what is needed."""
        ...

    async def publish(self, number: int) -> None:
        """Publish announcements, and return when the broker has confirmed them."""
        ...

    async def hear(self, timeout_s: float) -> None:
        """Return when announcements came, taking them, or after a time."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


class BrokerQueue:
    """A `JobQueue` over a link.

    Args:
        name: What it is called in logs.
    """

    def __init__(self, link: BrokerLink, *, name: str) -> None:
        self._link, self._name = link, name
        self._loop = asyncio.new_event_loop()
        self._pending = 0
        self._is_open = False
        self._is_closed = False
        self._due = asyncio.Event()
        self._broken = asyncio.Event()
        self._thread = threading.Thread(target=self._live, name=f"job-queue-{name}", daemon=True)
        self._thread.start()

    @property
    def is_open(self) -> bool:
        """Whether the broker answers now."""
        return self._is_open

    def announce(self) -> None:
        self._from_outside(self._announced)

    def wait(self, timeout_s: float) -> None:
        if self._is_closed:
            return
        hearing = asyncio.run_coroutine_threadsafe(self._hear(timeout_s), self._loop)
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            hearing.result(timeout_s + _WITHIN_S)

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._from_outside(self._broken.set)
            self._thread.join(2 * _WITHIN_S)

    def _from_outside(self, call: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(call)

    def _announced(self) -> None:
        self._pending = min(self._pending + 1, _MOST_PENDING)
        self._due.set()

    def _live(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._keep_open())
        finally:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0.05))
            self._loop.close()

    async def _keep_open(self) -> None:
        pause_s, is_told = _FIRST_PAUSE_S, False
        while not self._is_closed:
            try:
                await asyncio.wait_for(self._link.open(), _WITHIN_S)
                self._is_open, pause_s, is_told = True, _FIRST_PAUSE_S, False
                await self._publish()
            except Exception as error:  # noqa: BLE001  whatever a client raises, it is away
                if not is_told and not self._is_closed:
                    reason = str(error) or type(error).__name__
                    _log.warning("job_queue_away", extra={"queue": self._name, "reason": reason})
                is_told = True
            finally:
                self._is_open = False
                await _quietly(self._link.close())
            if not self._is_closed:
                self._broken.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._broken.wait(), pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _publish(self) -> None:
        """Publish what is announced until the connection breaks."""
        broken = asyncio.ensure_future(self._broken.wait())
        try:
            while not self._broken.is_set():
                due = asyncio.ensure_future(self._due.wait())
                await asyncio.wait({due, broken}, return_when=asyncio.FIRST_COMPLETED)
                due.cancel()
                number, self._pending = self._pending, 0
                self._due.clear()
                try:
                    if number:
                        await asyncio.wait_for(self._link.publish(number), _WITHIN_S)
                except BaseException:
                    self._pending = min(self._pending + number, _MOST_PENDING)
                    self._due.set()
                    raise
        finally:
            broken.cancel()

    async def _hear(self, timeout_s: float) -> None:
        end = self._loop.time() + timeout_s
        if self._is_open:
            try:
                await asyncio.wait_for(self._link.hear(timeout_s), timeout_s + 1)
            except Exception as error:  # noqa: BLE001  whatever a client raises, it broke
                reason = str(error) or type(error).__name__
                _log.warning("job_queue_away", extra={"queue": self._name, "reason": reason})
                self._broken.set()
            else:
                return
        await asyncio.sleep(max(0.0, end - self._loop.time()))


async def _quietly(closing: Coroutine[Any, Any, None]) -> None:
    with contextlib.suppress(Exception):
        await asyncio.wait_for(closing, _WITHIN_S)
