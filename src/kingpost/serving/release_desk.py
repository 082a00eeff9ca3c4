"""Releases in a server: followed in a thread, handed to the loop that answers.

The rule: requests never wait for a release. Loading, warming up, reading the log and judging
are done beside the loop; what it gets is ready, and it takes it between two batches.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence

from kingpost.core import Clock, KingpostError
from kingpost.decisions import (
    EvidenceFiles,
    Load,
    Releases,
    Rollout,
    Route,
    ServedDecision,
    Shadows,
)
from kingpost.journal import Entry
from kingpost.serving.release_metrics import Version
from kingpost.serving.shell import Shell

__all__ = ["ReleaseDesk"]

_EVERY_S = 0.25
_log = logging.getLogger(__name__)


class ReleaseDesk:
    """The releases of a server.

    Args:
        load: Loads a bundle of a decision, ready to answer.
        evidence: Where this process tells what it has seen.

    Attributes:
        releases: What may be done with them.
    """

    def __init__(
        self, releases: Releases, load: Load, evidence: EvidenceFiles, *, clock: Clock
    ) -> None:
        self.releases = releases
        self._load, self._evidence, self._clock = load, evidence, clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._shadows: Shadows | None = None
        self._rollout: Rollout | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._problem = ""

    def begin(self, shell: Shell, swapped: Callable[[str, ServedDecision], None]) -> None:
        """Take what the log says now, then follow it; in the loop's thread.

        Args:
            swapped: Told each champion that takes over, in the loop's thread.
        """
        loop = asyncio.get_running_loop()

        def take(name: str, champion: ServedDecision, route: Route | None) -> None:
            shell.engine.adopt(name, champion, route)
            swapped(name, champion)

        def adopt(name: str, champion: ServedDecision, route: Route | None) -> None:
            if threading.current_thread() is self._thread:
                loop.call_soon_threadsafe(take, name, champion, route)
            else:
                take(name, champion, route)

        def write(entries: Sequence[Entry]) -> None:
            loop.call_soon_threadsafe(self._write, shell, entries)

        self._shadows = Shadows(write, clock=self._clock)
        self._rollout = Rollout(
            self.releases,
            shell.engine.served,
            self._load,
            adopt,
            self._evidence,
            self._shadows,
            clock=self._clock,
        )
        self._step(self._rollout)
        self._thread = threading.Thread(
            target=self._follow, args=(self._rollout,), name="kingpost-releases", daemon=True
        )
        self._thread.start()

    def versions(self) -> Iterator[Version]:
        """Yield the bundles of every release that goes on here."""
        if self._rollout is None:
            return
        routes = self._rollout.routes()
        for name, route in routes.items():
            for one in (route.champion, route.new):
                bundle = one.bundle
                yield Version(name, one.role, bundle.hex(), route.counts[bundle])

    def problems(self) -> dict[str, str]:
        """Return the champions that cannot be run here, by decision."""
        return {} if self._rollout is None else dict(self._rollout.problems())

    def note_value(self, decision: str, bundle: bytes, value: float) -> bool:
        """Take note of what an answer was worth, 0 to 1; False when no release asks for it."""
        route = None if self._rollout is None else self._rollout.routes().get(decision)
        if route is None or bundle not in (route.champion.bundle, route.new.bundle):
            return False
        route.judge.note_value("business", 1 - value, is_new=bundle == route.new.bundle)
        return True

    def close(self) -> None:
        """Follow no longer; closing twice is fine."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._shadows is not None:
            self._shadows.close()
            self._shadows = None
        if self._rollout is not None:
            self._rollout.close()
            self._rollout = None

    def _follow(self, rollout: Rollout) -> None:
        while not self._stop.wait(_EVERY_S):
            self._step(rollout)

    def _step(self, rollout: Rollout) -> None:
        try:
            rollout.step()
        except (KingpostError, OSError) as error:
            if str(error) != self._problem:
                _log.exception("releases_not_followed")
            self._problem = str(error)
        except Exception:  # noqa: BLE001  the boundary of a thread: the server goes on with what runs
            _log.exception("releases_not_followed")
        else:
            self._problem = ""

    def _write(self, shell: Shell, entries: Sequence[Entry]) -> None:
        task = asyncio.get_running_loop().create_task(self._append(shell, entries))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _append(self, shell: Shell, entries: Sequence[Entry]) -> None:
        try:
            await shell.append(entries)
        except KingpostError as error:
            _log.warning("shadows_not_written", extra={"reason": str(error)})
