"""What the server does with streams: events from topics into the engine, the journal into topics.

The rule: nothing here is on the path of a request for a decision. Each stream has a thread
that speaks to its broker and checks messages; events are taken in the server's loop, in short
turns and behind requests, as those of the API are.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from kingpost.contracts import Contract, Event
from kingpost.core import KingpostError
from kingpost.decisions import Ingested
from kingpost.integrations import (
    Flow,
    Judged,
    StreamRunner,
    TakeEvents,
    Taken,
    quarantine_entry,
    without_content,
)
from kingpost.serving.metrics import Metrics
from kingpost.serving.shell import Shell

__all__ = ["StreamDesk", "StreamSetup"]

_ROWS_PER_TURN = 256
_BUSY = 32
"""Events wait while more requests than this are in the house, a while."""
_GIVE_WAY_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StreamSetup:
    """The streams of an installation.

    Attributes:
        tenant: Whose events they carry.
        flows: Makes them, of what takes events and of what returns the offset before which
            the journal is durable.
    """

    tenant: str
    flows: Callable[[TakeEvents, Callable[[], int]], Sequence[Flow]]


class StreamDesk:
    """The streams of one server."""

    def __init__(self, shell: Shell, metrics: Metrics, setup: StreamSetup) -> None:
        self._shell, self._metrics, self._tenant = shell, metrics, setup.tenant
        flows = setup.flows(self._take, lambda: shell.engine.durable_offset)
        self._runners = [StreamRunner(flow) for flow in flows]
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Let all streams flow, into the running loop."""
        self._loop = asyncio.get_running_loop()
        for runner in self._runners:
            name = f"stream-{runner.flow.direction}-{runner.flow.name}"
            thread = threading.Thread(target=self._run, args=(runner,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    async def stop(self) -> None:
        """Read no further, and return when what is in hand is durable and acknowledged."""
        self._stopped.set()
        for thread in self._threads:
            await asyncio.get_running_loop().run_in_executor(None, thread.join)

    def collect(self) -> Iterator[Metric]:
        """Yield what the metrics have of streams."""
        labels = ("stream", "direction")
        messages = CounterMetricFamily(
            "kingpost_stream_messages",
            "Messages of streams, by verdict: accepted, duplicate or refused; published",
            labels=(*labels, "verdict"),
        )
        waiting = GaugeMetricFamily(
            "kingpost_stream_waiting",
            "Messages of a topic that wait to be taken; offsets of the journal to be looked at",
            labels=labels,
        )
        connected = GaugeMetricFamily(
            "kingpost_stream_connected", "1 while the broker is connected", labels=labels
        )
        for runner in self._runners:
            flow = runner.flow
            named = (flow.name, flow.direction)
            for verdict, number in flow.verdicts().items():
                messages.add_metric((*named, verdict), number)
            if runner.waiting is not None:
                waiting.add_metric(named, runner.waiting)
            connected.add_metric(named, int(runner.is_connected))
        yield from (messages, waiting, connected)

    def _run(self, runner: StreamRunner) -> None:
        flow = runner.flow
        fields = {"stream": flow.name, "direction": flow.direction}
        try:
            runner.run(self._stopped)
        except KingpostError as error:
            extra = {**fields, "code": error.code, "reason": str(error)}
            _log.error("stream_stopped", extra=extra)
        except Exception:  # noqa: BLE001  the boundary of a thread
            _log.exception("stream_stopped", extra=fields)

    def _take(self, contract: Contract[Event], judged: Judged, source: str) -> Taken:
        assert self._loop is not None  # it was started
        taking = self._take_in_turns(contract, judged, source)
        return asyncio.run_coroutine_threadsafe(taking, self._loop).result()

    async def _take_in_turns(self, contract: Contract[Event], judged: Judged, source: str) -> Taken:
        stream, tenant = contract.name, self._tenant
        rows = judged.refused
        if contract.subject is not None:
            rows = [without_content(row) for row in rows]
        beside = [quarantine_entry(tenant, stream, source, row, is_lasting=True) for row in rows]
        turns: list[asyncio.Task[Ingested]] = []
        for start in range(0, max(1, len(judged.sound)), _ROWS_PER_TURN):
            await self._give_way()
            part = judged.sound[start : start + _ROWS_PER_TURN]
            taking = self._shell.ingest(tenant, stream, part, () if start else beside)
            turns.append(asyncio.ensure_future(taking))
            await asyncio.sleep(0)
        done = await asyncio.gather(*turns)
        accepted = sum(one.accepted for one in done)
        duplicates = sum(one.duplicates for one in done)
        self._metrics.count_events(stream, "accepted", accepted)
        self._metrics.count_events(stream, "duplicate", duplicates)
        self._metrics.count_events(stream, "rejected", len(rows))
        return Taken(len(judged.sound) + len(rows), accepted, duplicates, len(rows))

    async def _give_way(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + _GIVE_WAY_S
        while self._metrics.waiting > _BUSY and loop.time() < end:
            await asyncio.sleep(0.005)
