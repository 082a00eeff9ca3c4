"""Running pipelines from a command: straight into the journal, or through a server's API.

The rule: one process has the journal open for writing. While a server does, rows go to
its API, as everybody's do; without one they go to the journal.
"""

import logging
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import msgspec

from kingpost.cli.api_client import ApiClient
from kingpost.cli.place import data_directory
from kingpost.contracts import Contract, Event, Instant, events_of
from kingpost.core import Clock, KingpostError, Settings, SystemClock, SystemDisk
from kingpost.decisions import Application, opened_subjects
from kingpost.integrations import (
    PIPELINE_MIGRATIONS,
    Chunk,
    Intake,
    Pipeline,
    PipelineRun,
    RefusedRow,
    RunStore,
    Sink,
    SqliteRuns,
    Taken,
    due_us,
    fresh_until_us,
    intake_sink,
    is_stale,
    refresh,
)
from kingpost.storage import migrate, open_database

__all__ = [
    "PipelineRunner",
    "Standing",
    "TwoPipelines",
    "api_sink",
    "open_runs",
    "pipelines_of",
    "standing_of",
]

_ROWS_PER_BODY = 5_000
_BYTES_PER_BODY = 4 * 1024 * 1024
_LOOK_EVERY_S = 1.0
_log = logging.getLogger(__name__)


def _plain(value: object) -> str:
    """Write for msgspec what it does not know."""
    if isinstance(value, Instant):
        return value.isoformat()
    raise TypeError(f"no JSON for {type(value)}")


_encode = msgspec.json.Encoder(enc_hook=_plain).encode


class TwoPipelines(KingpostError):
    """Two pipelines of an application have the same name."""

    code = "two_pipelines"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"two pipelines are called {self.name!r}; give one of them name=…"


@dataclass(frozen=True)
class Standing:
    """How a pipeline stands; times are microseconds UTC.

    Attributes:
        newest_us: Event time of the newest event it ever brought.
        fresh_until_us: When it becomes stale, or did.
    """

    pipeline: Pipeline
    latest: PipelineRun | None
    failures: int
    newest_us: int | None
    due_us: int
    fresh_until_us: int
    is_stale: bool


def pipelines_of(application: Application) -> dict[str, Pipeline]:
    """Return the pipelines that an application's file defines, by name.

    Raises:
        TwoPipelines: Two of them have the same name.
    """
    found: dict[str, Pipeline] = {}
    for value in application.names.values():
        if isinstance(value, Pipeline) and found.setdefault(value.name, value) is not value:
            raise TwoPipelines(value.name)
    return found


def standing_of(declared: Pipeline, runs: RunStore, tenant: str, now_us: int) -> Standing:
    """Say how a pipeline of a tenant stands: what lists and incidents go by."""
    latest = next(iter(runs.latest(tenant, declared.name)), None)
    failures = runs.failures(tenant, declared.name)
    newest_us = runs.newest_event_us(tenant, declared.name)
    since_us = runs.known_since_us(tenant, declared.name, now_us)
    return Standing(
        declared,
        latest,
        failures,
        newest_us,
        due_us(declared, latest, failures),
        fresh_until_us(declared, newest_us, since_us),
        is_stale(declared, newest_us, now_us, since_us),
    )


@contextmanager
def open_runs(settings: Settings) -> Generator[RunStore]:
    """Open the runs of an installation, and make the file when there is none."""
    connection = open_database(data_directory(settings).pipelines)
    try:
        migrate(connection, "pipelines", PIPELINE_MIGRATIONS)
        yield SqliteRuns(connection)
    finally:
        connection.close()


def api_sink(client: ApiClient) -> Sink:
    """Hand rows to a running server; refused ones too, which it puts into its quarantine."""

    def take(
        contract: Contract[Event],
        chunks: Iterator[Chunk],
        source: str,
        on_progress: Callable[[Taken], None],
    ) -> None:
        taken = Taken()
        path = f"/v1/events/{contract.name}"
        for chunk in chunks:
            lines = [_encode(event) for event in events_of(contract, chunk.batch)]
            lines += [_line_of(row) for row in chunk.refused]
            for body in _bodies(lines):
                answer = client.post_lines(path, body)
                rejected = cast("list[object]", answer["rejected"])
                accepted, duplicates = cast("int", answer["accepted"]), answer["duplicates"]
                seen = accepted + cast("int", duplicates) + len(rejected)
                taken = Taken(
                    taken.rows + seen,
                    taken.accepted + accepted,
                    taken.duplicates + cast("int", duplicates),
                    taken.refused + len(rejected),
                )
            if chunk.refused:
                why = chunk.refused[0]
                fields = {"source": source, "row": why.row, "reason": str(why.violation)}
                _log.warning("rows_refused", extra=fields)
            on_progress(taken)

    return take


def _line_of(row: RefusedRow) -> bytes:
    """Return a refused row as one line; the server finds the same fault in it."""
    return row.raw.replace("\n", " ").encode()


def _bodies(lines: Sequence[bytes]) -> Iterator[bytes]:
    held: list[bytes] = []
    size = 0
    for line in lines:
        if held and (len(held) == _ROWS_PER_BODY or size + len(line) > _BYTES_PER_BODY):
            yield b"\n".join(held)
            held, size = [], 0
        held.append(line)
        size += len(line) + 1
    if held:
        yield b"\n".join(held)


class PipelineRunner:
    """Runs the pipelines of an application for one tenant."""

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        runs: RunStore,
        tenant: str,
        sink: Callable[[], Generator[Sink]],
        *,
        clock: Clock,
    ) -> None:
        self._pipelines, self._runs, self._tenant = pipelines, runs, tenant
        self._sink = contextmanager(sink)
        self._clock = clock
        self._told_stale: set[str] = set()

    def standings(self) -> list[Standing]:
        """Say how each pipeline stands now."""
        now_us = self._clock.now_us()
        return [standing_of(one, self._runs, self._tenant, now_us) for one in self._pipelines]

    def run(
        self,
        pipelines: Sequence[Pipeline],
        on_progress: Callable[[Pipeline, Taken], None] = lambda pipeline, taken: None,
    ) -> list[PipelineRun]:
        """Run some pipelines now, one after the other."""
        if not pipelines:
            return []
        done: list[PipelineRun] = []
        with self._sink() as sink:
            for declared in pipelines:

                def told(taken: Taken, declared: Pipeline = declared) -> None:
                    on_progress(declared, taken)

                run = refresh(
                    declared, sink, self._runs, tenant=self._tenant, clock=self._clock,
                    on_progress=told,
                )  # fmt: skip
                _log_run(run)
                done.append(run)
        return done

    def due(self) -> list[Pipeline]:
        """Return the pipelines that are due."""
        now_us = self._clock.now_us()
        return [one.pipeline for one in self.standings() if one.due_us <= now_us]

    def follow(self, stop: threading.Event) -> int:
        """Run what is due, when it is due, until told to stop; return how many runs.

        What cannot be written to, such as a server that is away, is tried again.
        """
        count = 0
        while not stop.is_set():
            try:
                count += len(self.run(self.due()))
            except KingpostError as error:
                if not error.retry_safe:
                    raise
                _log.warning("pipelines_wait", extra={"reason": str(error)})
                stop.wait(10 * _LOOK_EVERY_S)
            self._tell_stale()
            stop.wait(_LOOK_EVERY_S)
        return count

    def _tell_stale(self) -> None:
        stale = {one.pipeline.name for one in self.standings() if one.is_stale}
        for name in stale - self._told_stale:
            _log.error("pipeline_stale", extra={"pipeline": name})
        for name in self._told_stale - stale:
            _log.warning("pipeline_fresh_again", extra={"pipeline": name})
        self._told_stale = stale


def _log_run(run: PipelineRun) -> None:
    fields = {"pipeline": run.pipeline, "rows": run.rows, "accepted": run.accepted}
    if run.is_failed:
        _log.error("pipeline_failed", extra={**fields, "problem": run.problem})
    else:
        _log.info("pipeline_ran", extra=fields)


def runner_of(
    settings: Settings,
    application: Application,
    runs: RunStore,
    tenant: str,
    client: ApiClient | None,
) -> PipelineRunner:
    """Join an application's pipelines to the journal, or to a server when a client is given."""
    declared = pipelines_of(application)

    def sink() -> Generator[Sink]:
        if client is not None:
            yield api_sink(client)
            return
        contracts = {one.contract.name: one.contract for one in declared.values()}
        contracts |= application.streams
        where = data_directory(settings)
        with (
            opened_subjects(where, contracts.values()),
            Intake.open(
                where.data, contracts.values(), disk=SystemDisk(), clock=SystemClock()
            ) as intake,
        ):
            yield intake_sink(intake, tenant)

    return PipelineRunner(list(declared.values()), runs, tenant, sink, clock=SystemClock())
